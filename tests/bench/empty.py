"""A deploy of nothing: start-up and the SSH handshakes."""
