"""Measurements: ratios of two things that were run side by side."""
