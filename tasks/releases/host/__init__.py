"""What runs on a target to release an application; Debian's own Python is all that it needs."""
