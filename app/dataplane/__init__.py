"""The pump: packets between the virtual adapter and the UDP socket. Synchronous, no event objects."""
