"""The carrier: a child process of the engine that carries a relay's datagrams over a stream, where UDP is blocked."""
