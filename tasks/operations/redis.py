"""Redis' users."""

from collections.abc import Mapping, Sequence

from pyinfra import host
from pyinfra.api import StringCommand, operation

from facts.files import FileState, FileText
from tasks.operations.commands import Commands
from tasks.operations.files import replace_script
from tasks.operations.originals import Anothers, never


@operation()
def put_users(
    path: str,
    group: str,
    users: Mapping[str, tuple[str, str]],
    keep: bool,
    original: Anothers = never,
) -> Commands:
    """Have the file of Redis' users at ``path`` name these, and nobody by default.

    ``group``: that of the process that reads it. ``users``: name → rules, and the SHA-256 of the
    password. ``keep``: whether passwords that the file has already go on being admitted.
    ``original``: the file may be somebody else's.
    """
    there = host.get_fact(FileText, path=path)
    text = users_text(users, known_hashes(there) if keep else {})
    found = host.get_fact(FileState, path=path)
    state = found and (found["mode"], found["user"], found["group"])
    if there != text.splitlines() or state != ("640", "root", group):
        script = replace_script(path, "640", "root", group, None, len(text), original())
        yield StringCommand(script, _stdin=text)


def users_text(users: Mapping[str, tuple[str, str]], known: Mapping[str, Sequence[str]]) -> str:
    """The file's text; of each user the present password first, then those that are ``known``."""
    lines = ["user default off"]
    for name, (rules, digest) in users.items():
        digests = dict.fromkeys([digest, *known.get(name, ())])
        lines.append(f"user {name} on {' '.join(f'#{each}' for each in digests)} {rules}")
    return "\n".join(lines) + "\n"


def known_hashes(lines: Sequence[str]) -> dict[str, list[str]]:
    """Each user's password hashes in such a file."""
    words = [line.split() for line in lines if line.startswith("user ")]
    return {each[1]: [word[1:] for word in each if word.startswith("#")] for each in words}
