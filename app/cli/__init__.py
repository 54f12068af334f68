"""The `buri` command: parses arguments, talks to the running engine, or becomes a server, helper or engine."""
