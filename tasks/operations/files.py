"""Files on a host: checked, then replaced whole; removed."""

import difflib
import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from pyinfra import host, logger, state
from pyinfra.api import StringCommand, operation

from configs.secrets import Secret
from facts.conditions import Condition
from facts.files import FileData, FileNames, FileState, FileStates, FileText
from tasks.effects import Verb, is_listening, tell
from tasks.operations.commands import Commands
from tasks.operations.originals import Anothers, keep_original, never
from tasks.sandbox import Checker

# Where a candidate stands while it is checked; what is mounted there is seen by its checker alone.
CANDIDATES = "/run/chom/check"


@dataclass(frozen=True)
class TextFile:
    """What is to stand at ``path``: the text, a Secret if no diff may show it; mode and owner.

    ``check``: a shell command that must succeed while the new file already stands in its place, in
    a mount namespace of its own, so that a checker sees what the service would see; a ``Checker``
    runs in the sandbox of a unit as well. ``keep``: what stands there may be somebody else's, and
    is kept as the original.
    """

    path: str
    text: str | Secret
    mode: str
    user: str
    group: str
    check: str | Checker | None = None
    keep: Anothers = never

    @property
    def content(self) -> str:
        return self.text.reveal() if isinstance(self.text, Secret) else self.text


@operation()
def put_texts(files: Sequence[TextFile], changing: set[str]) -> Commands:
    """Have all ``files``, one after the other; an old one stays until its new one is whole.

    Texts travel by standard input, never on a command line. ``changing`` gets the paths of those
    that are to change, before the first command.
    """
    found = host.get_fact(FileStates, paths=[each.path for each in files])
    scripts, texts = [], []
    for each in files:
        script, text = _replaced(each, found.get(each.path))
        if script:
            changing.add(each.path)
            scripts.append(script)
            texts.append(text)
    if scripts:
        # Each in a shell of its own, whose traps are its own as well.
        script = "\n".join(["set -e", *(f"( {each} )" for each in scripts)])
        yield StringCommand(script, _stdin="".join(texts))


def _replaced(file: TextFile, found: FileData | None) -> tuple[str, str]:
    """A shell script that brings a file, empty where it is right already, and what that reads."""
    path, content = file.path, file.content
    wanted = hashlib.sha256(content.encode()).hexdigest()
    if found is not None and found["sha256"] == wanted:
        had = f"{found['user']}:{found['group']} {found['mode']}"
        if had == (wants := f"{file.user}:{file.group} {file.mode.lstrip('0')}"):
            return "", ""
        tell("change", path, why=f"{had} → {wants}")
        there = shlex.quote(path)
        kept = f"{keep_original(path)} && " if file.keep() else ""
        owned = f"chown {file.user}:{file.group} {there} && chmod {file.mode} {there}"
        return f"{kept}{owned}", ""
    _tell(path, found is not None, None if isinstance(file.text, Secret) else content)
    size, keep = len(content.encode()), file.keep()
    script = replace_script(path, file.mode, file.user, file.group, file.check, size, keep)
    return script, content


def replace_script(
    path: str,
    mode: str,
    user: str,
    group: str,
    check: str | Checker | None,
    size: int | None = None,
    keep: bool = False,
) -> str:
    """A shell script that puts its standard input in the place of ``path``, checked first.

    A folder that is not there yet is made. ``size``: how many bytes of it there are; pyinfra ends
    what it sends with a line end. ``keep``: the original is kept before.
    """
    folder, _, name = path.rpartition("/")
    new = shlex.quote(f"{folder}/.{name}.chom-new")
    steps = [
        "set -e",
        f"mkdir -p {shlex.quote(folder)}",
        "umask 077",
        f"new={new}",
        "trap 'rm -f \"$new\"' EXIT",
        f'{"cat" if size is None else f"head -c {size}"} > "$new"',
        f'chown {user}:{group} "$new"',
        f'chmod {mode} "$new"',
    ]
    if check:
        steps.append(f"{_in_place(new, folder, name, check)} || exit 1")
    if keep:
        steps.append(f"{keep_original(path)} || exit 1")
    steps.append(f'mv -fT "$new" {shlex.quote(path)}')
    return "; ".join(steps)


def _in_place(new: str, folder: str, name: str, check: str | Checker) -> str:
    if isinstance(check, Checker):
        run = f"sh -c {shlex.quote(_in_sandbox(new, folder, name, check))}"
    else:
        run = f"unshare --mount sh -c {shlex.quote(_in_overlay(new, folder, name, check))}"
    return (
        f"{{ o=$({run} 2>&1)"
        f" || {{ printf '%s\\n' \"$o\" >&2;"
        f" echo 'the new {name} was refused by its checker; the old one stays' >&2; false; }}; }}"
    )


def _in_overlay(new: str, folder: str, name: str, check: str) -> str:
    """Commands for a mount namespace of their own, in which the new file is in its place."""
    return (
        f"set -e; c={CANDIDATES}; mkdir -p $c; mount -t tmpfs tmpfs $c; "
        f"cp -p {new} $c/{shlex.quote(name)}; "
        f"mount -t overlay overlay -o ro,lowerdir=$c:{folder} {folder}; {{ {check}; }} </dev/null"
    )


def _in_sandbox(new: str, folder: str, name: str, check: Checker) -> str:
    """Commands that check a copy of the folder with the new file, in a transient unit.

    systemd mounts the copy over the folder: what is mounted elsewhere it does not see.
    """
    properties = " ".join(f"-p {shlex.quote(each)}" for each in check.properties())
    return (
        f"set -e; mkdir -pm 700 {CANDIDATES}; c=$(mktemp -d {CANDIDATES}/XXXXXX);"
        " trap 'rm -rf \"$c\"' EXIT; "
        f"cp -a {shlex.quote(folder)}/. $c; cp -p {new} $c/{shlex.quote(name)}; "
        f"systemd-run --quiet --pipe --wait --collect {properties}"
        f' -p "BindReadOnlyPaths=$c:{folder}" sh -c {shlex.quote(check.command)} </dev/null'
    )


def _tell(path: str, is_there: bool, text: str | None) -> None:
    """Tell that a file gets a new text, with the difference; with ``--diff`` a run prints that.

    ``text``: None where it is secret.
    """
    verb: Verb = "change" if is_there else "create"
    if text is None:
        tell(verb, path, why="its content is secret, and not shown")
    elif is_listening() or state.config.DIFF:
        before = host.get_fact(FileText, path=path) if is_there else []
        diff = tuple(difflib.unified_diff(before, text.splitlines(), path, path, lineterm=""))
        tell(verb, path, diff=diff)
        for line in diff if state.is_executing else ():
            logger.info(f"{host.print_prefix}{line}")


@operation()
def keep_previous(path: str, text: Secret, previous: str, group: str) -> Commands:
    """Have ``previous`` hold what ``path`` held, with its owner and mode, before it gets ``text``.

    Empty, and readable by ``group``, where there was nothing before.
    """
    found = host.get_fact(FileState, path=path)
    folder, _, name = previous.rpartition("/")
    old, new = shlex.quote(path), shlex.quote(f"{folder}/.{name}.chom-new")
    if found is not None and found["sha256"] != hashlib.sha256(text.reveal().encode()).hexdigest():
        yield StringCommand(f"cp -p {old} {new} && mv -fT {new} {shlex.quote(previous)}")
    elif host.get_fact(FileState, path=previous) is None:
        empty = f"install -m 640 -g {group} /dev/null {shlex.quote(previous)}"
        yield StringCommand(f"mkdir -p {shlex.quote(folder)} && {empty}")


@operation()
def put_link(path: str, to: str, unless: str | None, keep: Anothers = never) -> Commands:
    """Have ``path`` be a symbolic link to ``to``, at once if it leads elsewhere.

    One to ``unless`` stays, as long as that is there. ``keep``: as of a TextFile.
    """
    there, target = shlex.quote(path), shlex.quote(to)
    asked = f'[ "$(readlink {there})" = {target} ]'
    if unless:
        kept = shlex.quote(unless)
        asked += f' || {{ [ "$(readlink {there})" = {kept} ] && [ -e {kept} ]; }}'
    if not host.get_fact(Condition, shell=asked):
        new = shlex.quote(f"{path}.chom-new")
        kept = f"{keep_original(path)} && " if keep() else ""
        yield StringCommand(f"{kept}ln -sfnT {target} {new} && mv -fT {new} {there}")


@operation()
def remove_file(path: str, keep: Anothers = never) -> Commands:
    """Have no file and no link at ``path``. ``keep``: as of a TextFile."""
    if host.get_fact(FileState, path=path) is not None:
        tell("remove", path)
        kept = f"{keep_original(path)} && " if keep() else ""
        yield StringCommand(f"{kept}rm -f {shlex.quote(path)}")


@operation()
def remove_others(folder: str, pattern: str, names: Sequence[str]) -> Commands:
    """Have no file in ``folder`` that matches ``pattern`` but these ``names``.

    The pattern is one that only files of ours match, so no original is kept.
    """
    found = host.get_fact(FileNames, folder=folder, pattern=pattern)
    if others := sorted(set(found) - set(names)):
        for name in others:
            tell("remove", f"{folder}/{name}")
        yield StringCommand(f"cd {shlex.quote(folder)} && rm -f -- {shlex.join(others)}")
