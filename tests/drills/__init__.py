"""Fault drills: something breaks on a real platform, and the one right mail arrives."""
