"""The mediation server: sockets in listener, rules in directory, SQL in store."""
