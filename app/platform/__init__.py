"""What differs between operating systems, one folder each, with the same file names."""
