"""What the windows say: languages, statuses, reasons and remedies. Imports no other package of windows."""
