"""Measurements of the packet path; never part of the test suite."""
