"""What many questions about services have in common: one command that answers all of them.

Each of them asks systemd, the list of who listens, curl and sha256sum; to start these costs a host
more than what they tell, and a stack has a dozen services.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import NamedTuple

from facts.services import (
    PROPERTIES,
    REPLACED_MAPPING,
    STARTED_WITH,
    ServiceState,
    answers,
    condition_fails,
)

AT_ONCE = 15
LONGEST = 2000
_NAME = r"[A-Za-z0-9_.@:-]+"
# A path whose last part may be a shell pattern.
_FILE = re.compile(r"(/[A-Za-z0-9_.@:+-]+)*/[A-Za-z0-9_.@:+*-]+")
_QUESTION = re.compile(
    rf"s=\$\(systemctl show -p {PROPERTIES} (?P<unit>{_NAME}) \); .* esac;"
    r" (?P<runs>.*?) && echo same_runs=yes;"
    r" (?P<reads>.*?) && echo same_reads=yes; \{ (?P<ready>.*); \} >/dev/null 2>&1"
    r" && echo ready=yes; true"
)
_HASHED = re.compile(r"sha256sum (.*) 2>/dev/null \| cmp -s - \S+")
_ANSWERS = re.compile(
    rf"o=\$\(ss -Hltnp 'sport = :(?P<port>\d+)'\); .* in \(\*/(?P<unit>{_NAME})\*\)"
    r" curl (?P<options>(?:-\w )*)-sS -m 5 -o /dev/null (?P<url>[\w:/.?=-]+);; \(\*\) false; esac"
)
_MARK = "@"
# The units among many that are inactive because a condition failed when they were last started.
_NOT_STARTED = (
    'awk \'BEGIN {RS = ""; FS = "\\n"} /ActiveState=inactive/ && /ConditionResult=no/'
    " && !/TimestampMonotonic=0/ {for (i = 1; i <= NF; i++) if ($i ~ /^Id=/) print substr($i, 4)}'"
)
_ASK_CONDITIONS = (
    f'for u in $(echo "$s" | {_NOT_STARTED}); do'
    f" {condition_fails('UNIT').replace('UNIT', '$u')} && echo $u; done"
)


@dataclass(frozen=True)
class Asked:
    """What a question asks of one service. ``ready``: as ``true`` for one that is always."""

    unit: str
    runs: tuple[str, ...]
    reads: tuple[str, ...]
    ready: str

    @property
    def stamps(self) -> tuple[str, str]:
        return f"{STARTED_WITH}/{self.unit}.runs", f"{STARTED_WITH}/{self.unit}.reads"


def asked_by(text: str) -> Asked | None:
    """What a command asks, if it is one of ``ServiceState`` and nothing is special about it."""
    found = _QUESTION.fullmatch(text) if len(text) <= LONGEST else None
    if not found:
        return None
    asked = Asked(found["unit"], _files(found["runs"]), _files(found["reads"]), found["ready"])
    ready = None if asked.ready == "true" else asked.ready
    again = ServiceState().command(asked.unit, list(asked.runs), list(asked.reads), ready)
    files = (*asked.runs, *asked.reads)
    if again.get_raw_value() != text or not all(map(_FILE.fullmatch, files)):
        return None
    # One that ends the shell has no answer of its own.
    return None if re.search(r"\b(exit|exec)\b", asked.ready) else asked


def _files(compared: str) -> tuple[str, ...]:
    hashed = _HASHED.fullmatch(compared)
    return tuple(hashed[1].split(" ")) if hashed else ()


def about_all(services: Sequence[Asked]) -> str:
    """A shell command that tells of all ``services``, in parts that end with a mark.

    What systemd says of each; the memory maps of processes whose program was replaced; the units
    that a condition keeps off; the hashes of all files; the size of each stamp, and what is in it;
    the numbers of those that are ready.
    """
    files = dict.fromkeys(file for each in services for file in (*each.runs, *each.reads))
    stamps = " ".join(stamp for each in services for stamp in each.stamps)
    return "; ".join(
        [
            f"s=$(systemctl show -p Id,{PROPERTIES} {' '.join(each.unit for each in services)})",
            'echo "$s"',
            f"echo {_MARK}",
            f"grep -lsE '{REPLACED_MAPPING}' /dev/null"
            """ $(echo "$s" | sed -n 's#^MainPID=\\([1-9].*\\)#/proc/\\1/maps#p')""",
            f"echo {_MARK}",
            f"case $s in (*ConditionResult=no*) {_ASK_CONDITIONS};; esac",
            f"echo {_MARK}",
            f"sha256sum {' '.join(files)} 2>/dev/null" if files else "true",
            f"echo {_MARK}",
            f"stat -c '%s|%n' {stamps} 2>/dev/null",
            f"echo {_MARK}",
            f"grep -aH '' {stamps} 2>/dev/null",
            f"echo {_MARK}",
            *_readiness(services),
            "true",
        ]
    )


def _readiness(services: Sequence[Asked]) -> Iterator[str]:
    """Commands that print the numbers of services that are ready.

    Who listens is asked once, and all pages are asked for by one curl.
    """
    yield "set --; n='\n'; all=$(ss -Hltnp)"
    for number, each in enumerate(services):
        if found := _answering(each.ready):
            page = (
                f"{found['options']}-sS -m 5 -o /dev/null"
                f" -w '{number}=%{{exitcode}}\\n' {found['url']}"
            )
            yield (
                f'o=${{all#*:{found["port"]} }}; [ "$o" != "$all" ] || o=; o=${{o%%"$n"*}};'
                " o=${o#*pid=}; c=;"
                ' while read -r l; do c="$c $l"; done 2>/dev/null < /proc/${o%%,*}/cgroup;'
                f' case $c in (*/{found["unit"]}*) set -- "$@" --next {page};; esac'
            )
        elif each.ready == "true":
            yield f"echo {number}=0"
        else:
            yield f"( {each.ready}; ) >/dev/null 2>&1 && echo {number}=0"
    yield '[ $# = 0 ] || { shift; curl "$@" 2>/dev/null; }'


def _answering(ready: str) -> re.Match[str] | None:
    """The parts of a command that asks whether a service answers; None for any other."""
    found = _ANSWERS.fullmatch(ready)
    if found:
        given = found["unit"], found["url"], "-f " not in found["options"]
        return found if answers(*given) == ready else None
    return None


class _Told(NamedTuple):
    """What a host says of many services. ``stamps``: path → content.

    ``replaced``: the ids of processes whose program was replaced; ``kept_off``: the units that a
    condition keeps off.
    """

    shown: Mapping[str, list[str]]
    replaced: set[str]
    kept_off: set[str]
    hashes: Mapping[str, str]
    stamps: Mapping[str, str]
    ready: set[int]


class Services:
    """Questions about services; what is told of each is its own command's lines."""

    at_once = AT_ONCE

    def subjects(self, text: str) -> tuple[str, ...]:
        """What a question is about: itself; nothing for any other question."""
        return (text,) if asked_by(text) else ()

    def together(self, subjects: Sequence[str]) -> str:
        return about_all([asked for text in subjects if (asked := asked_by(text))])

    def apart(self, subjects: Sequence[str], lines: Sequence[str]) -> Mapping[str, list[str]]:
        """Question → the lines that it prints alone. Raises ValueError: that is not it."""
        services = [asked for text in subjects if (asked := asked_by(text))]
        told = _understood(services, lines)
        return {
            text: _alone(number, service, told)
            for number, (text, service) in enumerate(zip(subjects, services, strict=True))
        }

    def answer(self, text: str, told: Mapping[str, list[str]]) -> list[str]:
        return told[text]


def _understood(services: Sequence[Asked], lines: Sequence[str]) -> _Told:
    parts: list[list[str]] = [[]]
    for line in lines:
        if line == _MARK:
            parts.append([])
        else:
            parts[-1].append(line)
    shown, maps, kept_off, hashes, sizes, stamped, ready = parts
    units = {each.unit for each in services}
    if not units.issuperset(kept_off):
        raise ValueError("a unit that was not asked for")
    texts: dict[str, str] = {}
    for line in sizes:
        texts[line.split("|", 1)[1]] = ""
    for line in stamped:
        path, _, text = line.partition(":")
        if path not in texts:
            raise ValueError(f"not asked for: {line}")
        texts[path] += f"{text}\n"
    if sizes != [f"{len(text.encode())}|{path}" for path, text in texts.items()]:
        raise ValueError("a stamp is not what was written")
    codes = dict(line.split("=") for line in ready)
    return _Told(
        dict(zip((each.unit for each in services), _blocks(services, shown), strict=True)),
        set(map(_process, maps)),
        set(kept_off),
        {path: digest for digest, path in map(_hash, hashes)},
        texts,
        {int(number) for number, code in codes.items() if code == "0"},
    )


def _blocks(services: Sequence[Asked], shown: Sequence[str]) -> list[list[str]]:
    """What systemd says of each service. Raises ValueError where it speaks of another."""
    blocks: list[list[str]] = [[]]
    for line in shown:
        if line:
            blocks[-1].append(line)
        else:
            blocks.append([])
    both = zip(services, blocks, strict=True)
    if not all(f"Id={each.unit}" in block for each, block in both):
        raise ValueError("a unit has another name")
    return [[line for line in block if not line.startswith("Id=")] for block in blocks]


def _process(path: str) -> str:
    found = re.fullmatch(r"/proc/([0-9]+)/maps", path)
    if not found:
        raise ValueError(f"no memory map: {path}")
    return found[1]


def _hash(line: str) -> tuple[str, str]:
    digest, _, path = line.partition("  ")
    if len(digest) != 64:
        raise ValueError(f"no hash: {line}")
    return digest, path


def _alone(number: int, service: Asked, told: _Told) -> list[str]:
    """The lines that the question about one service prints."""
    lines = list(told.shown[service.unit])
    if any(f"MainPID={process}" in lines for process in told.replaced):
        lines.append("replaced=yes")
    if service.unit in told.kept_off:
        lines.append("condition_fails=yes")
    for name, files, stamp in zip(
        ("same_runs", "same_reads"), (service.runs, service.reads), service.stamps, strict=True
    ):
        hashed = [f"{told.hashes[path]}  {path}\n" for path in _matching(files, told.hashes)]
        if told.stamps.get(stamp) == "".join(hashed):
            lines.append(f"{name}=yes")
    return lines + (["ready=yes"] if number in told.ready else [])


def _matching(files: Sequence[str], there: Mapping[str, str]) -> Iterator[str]:
    """Those that are there of ``files``, where patterns are what the shell makes of them."""
    for file in files:
        if "*" not in file:
            yield from [file] if file in there else []
            continue
        folder, _, pattern = file.rpartition("/")
        for path in sorted(there):
            its, _, name = path.rpartition("/")
            if its == folder and fnmatchcase(name, pattern) and not name.startswith("."):
                yield path
