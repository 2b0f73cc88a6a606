"""How often a run waits for a machine: each SSH channel is one question, and its answer.

That of the lock is two: it is taken, and given back with a copy of the record.
"""

from pathlib import Path

# paramiko's words, with --debug-all.
OPENED = ("Sesch channel", "request ok")


def opened(text: str) -> int:
    """How many channels were opened by a run that printed this."""
    return sum(all(word in line for word in OPENED) for line in text.splitlines())


def per_machine(log: Path, machines: int) -> float:
    """The same for one machine, of a run with --debug-all that was logged."""
    return opened(log.read_text(errors="replace")) / machines + 1
