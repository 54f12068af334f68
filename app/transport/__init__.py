"""Ways for a byte stream to a server or relay: TCP, WebSocket over TLS, HTTP proxies, and the race between them."""
