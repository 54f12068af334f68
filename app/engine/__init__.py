"""The client's brain: asyncio, no Qt, no privileges. Keeps logged in, finds paths, makes tunnels."""
