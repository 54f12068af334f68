"""Pings to a peer, live."""
