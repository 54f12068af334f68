"""The main window: the own header, problems, and the roster."""
