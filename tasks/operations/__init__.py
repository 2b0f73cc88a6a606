"""pyinfra operations for what its own do not do; resources.py gives them their names."""
