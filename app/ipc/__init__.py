"""Messages between Buri's own processes on one computer: engine to helper, command line to engine."""
