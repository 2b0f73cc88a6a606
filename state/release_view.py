"""Release in a plan as a person reads it: commits, their subjects, and migrations that wait."""

from collections.abc import Iterator

from facts.previews import ReleaseChange

# Of subjects and of migrations, unless all is asked for.
MAX_LINES = 10


def summary(release: ReleaseChange) -> str:
    """The commits from and to with their number, and how many migrations wait, in a few words."""
    parts = [_commits(release)]
    if release.waiting:
        parts.append(f"{_counted(release.waiting, 'migration')} to run")
    return ", ".join(parts)


def lines(release: ReleaseChange, whole: bool) -> Iterator[str]:
    """A line for each commit that comes and for each migration; ``whole``: all that are known."""
    yield from _first(release.subjects, release.coming or 0, whole, "commit")
    marked = [f"migration {name}" for name in release.migrations]
    yield from _first(marked, release.waiting, whole, "migration")


def _commits(release: ReleaseChange) -> str:
    old, new = release.old[:7], release.new[:7]
    if not old:
        return f"the first one, {new}"
    if release.old == release.new:
        return f"{new} again, with other settings"
    if release.coming is None or release.leaving is None:
        return f"{old} → {new}"
    parts = [_counted(release.coming, "commit")] if release.coming or not release.leaving else []
    if release.leaving:
        parts.append(f"{_counted(release.leaving, 'commit')} taken back")
    return f"{' and '.join(parts)}, {old} → {new}"


def _first(texts: list[str], total: int, whole: bool, what: str) -> Iterator[str]:
    shown = texts if whole else texts[:MAX_LINES]
    yield from shown
    if (more := total - len(shown)) > 0:
        yield f"… {more} more {what}{'' if more == 1 else 's'}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
