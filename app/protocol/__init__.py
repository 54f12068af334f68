"""The protocol, sans-IO: bytes, events and `now` in; bytes, events and deadlines out."""
