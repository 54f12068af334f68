"""The relay: forwards sealed datagrams between two endpoints that the mediation server has given tokens to."""
