"""Whether ``--limit`` and ``--exclude`` name targets that there are: pyinfra would only warn."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from fnmatch import fnmatch

from configs import ConfigurationError, Problem, Target
from state.options import Options


def check_limits(options: Options, targets: Sequence[Target]) -> None:
    """Raises ConfigurationError for names that lead to no target, or where none would be left."""
    names = [target.name for target in targets]
    groups = list(dict.fromkeys(target.role for target in targets))
    problems = [
        *_unknown("--limit", options.limit, names, groups),
        *_unknown("--exclude", options.exclude, names, groups),
    ]
    if not problems and not any(options.leave(each.name, each.role) for each in targets):
        expected = f"at least one of {', '.join(names)}"
        remedy = "name fewer, or leave --exclude out"
        problems = [Problem("--exclude", "", "no target is left", expected, remedy)]
    if problems:
        raise ConfigurationError(problems)


def _unknown(
    option: str, patterns: Sequence[str], names: Sequence[str], groups: Sequence[str]
) -> Iterator[Problem]:
    known = list(dict.fromkeys([*names, *groups]))
    for pattern in patterns:
        if pattern not in groups and not any(fnmatch(name, pattern) for name in names):
            near = get_close_matches(pattern, known, n=1)
            remedy = f"did you mean {near[0]}?" if near else "name one of these, or leave it out"
            expected = f"a target, a group, or a pattern such as web*: {', '.join(known)}"
            yield Problem(option, pattern, "no such target or group", expected, remedy)
