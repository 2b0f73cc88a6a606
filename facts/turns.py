"""Who deployed to a host last: what was read since then still holds for whoever is next."""

# Of the lock on a host: who has it, for as long; and a mark that each gives it once.
FOLDER = "/run/chom"
HOLDER, TURN = "deploy.json", "deploy.turn"


def last_turn(folder: str = FOLDER) -> str:
    """A shell command that prints the last one's mark; fails while somebody has his turn."""
    return f"[ ! -e {folder}/{HOLDER} ] && {{ cat {folder}/{TURN} 2>/dev/null || echo none; }}"
