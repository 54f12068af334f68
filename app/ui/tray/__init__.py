"""The tray icon, and what the desktop is told."""
