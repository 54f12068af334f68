"""Buri: self-hosted named private networks. The version is written here and nowhere else."""

__version__ = "0.1.0"
