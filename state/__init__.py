"""What we did: the run, its lanes, its record."""
