"""From end to end: the real command line against real machines, judged on the machines."""
