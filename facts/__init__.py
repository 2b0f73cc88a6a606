"""What is true on a host: read-only, one remote command each."""
