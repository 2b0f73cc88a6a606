"""Asks real machines the same alone and in a batch: ``python -m tests.e2e.asking``.

Prints what differs, a line for each question, and at last how many answers were the same. The
machines are those of the inventory. A folder may be named in which stands what a deploy asked them.
"""

# ruff: noqa: E402
from gevent import monkey

monkey.patch_all()

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pyinfra.api import Host, StringCommand
from pyinfra.connectors.util import CommandOutput, OutputLine

import configs
from state.batch import Answer, ask
from state.breath import Breath
from state.connection import usual_arguments
from state.questions import Question, Questions, question_of
from state.reaching import reached
from state.record_key import required
from state.remembered import load

WAYS: list[dict[str, Any]] = [
    {},
    {"_sudo": False},
    {"_sudo": True, "_sudo_user": "nobody"},
    {"_sudo": True, "_preserve_sudo_env": True},
    {"_sudo": True, "_use_sudo_login": True},
    {"_sudo": True, "_sudo_user": "nobody-at-all"},
    {"_env": {"A": "b c", "LC_ALL": "C"}, "_chdir": "/tmp", "_shell_executable": "bash"},
]
COMMANDS = [
    "env | sort",
    "pwd; umask; id; ulimit -a; nice; trap",
    "cat; echo its end",
    "no-such-program; true",
    "no-such-program",
    "ls /proc/self/fd; readlink /proc/self/fd/[012] | sed 's/[0-9].*//'",
    "cat /proc/self/limits /proc/self/oom_score_adj; grep 'Sig[BIC]' /proc/self/status",
    "printf 'one\\r\\ntwo\\n\\n\\000three'; printf 'no end' >&2",
    "seq 40000; seq 40000 >&2",
    f": {'x' * 6000}; env | sort",
    "echo 'first\nsecond'",
    "exit 3",
]


def _unlike(host: Host, way: Mapping[str, Any]) -> Iterator[str]:
    """What differs, and an empty text for each answer that is the same."""
    usual = usual_arguments(host)
    arguments = {**usual, **way}
    questions = {each: question_of(StringCommand(each), arguments, usual) for each in COMMANDS}
    found = ask(host, [each for each in questions.values() if each])
    for command, question in questions.items():
        succeeded, output = host.run_shell_command(StringCommand(command), **arguments)
        if question is None or question not in found:
            if succeeded and question:
                yield f"{host} {way} {command[:40]!r} has no answer"
            continue
        answer = CommandOutput(list(found[question].lines))
        alone, together = _streams(output), _streams(answer)
        if succeeded and alone == together:
            yield ""
        else:
            lost, came = (
                [str(it) for it in one if it not in other]
                for one, other in ((alone, together), (together, alone))
            )
            yield f"{host} {way} {command[:40]!r}: {lost[:5]} alone, {came[:5]} in a batch"


def _unlike_a_deploys(host: Host, folder: Path) -> Iterator[str]:
    """The same of what a deploy asked, but for what differs from one moment to the next."""
    asking = Breath(host, Questions(), str, lambda: None)
    asking.remind(load(folder / f"{host.name}.json", required()))
    asked = asking.remembered
    questions = [each for each in (*asked.before, *asked.during) if not each.become]
    found = ask(host, questions)
    for each in questions:
        if _together(found, each) == _alone(host, each.text):
            yield ""
            continue
        # It may have changed since: an age, the size of a log.
        before, together = _alone(host, each.text), _together(ask(host, [each]), each)
        if before == _alone(host, each.text) != together:
            yield f"{host} {each.text[:80]!r}: {before} alone, {together} in a batch"


def _together(found: Mapping[Question, Answer], question: Question) -> list[OutputLine] | None:
    return _streams(CommandOutput(list(found[question].lines))) if question in found else None


def _alone(host: Host, text: str) -> list[OutputLine]:
    _, output = host.run_shell_command(StringCommand(text), **usual_arguments(host))
    return _streams(output)


def _streams(output: CommandOutput) -> list[OutputLine]:
    """The lines of each stream; how the two come together is chance."""
    return sorted(output.combined_lines, key=lambda line: line.buffer_name)


def main() -> None:
    targets = configs.load(environ=os.environ).targets.values()
    with reached(targets, {}) as (hosts, failed):
        told = [each for host in hosts for way in WAYS for each in _unlike(host, way)]
        for folder in map(Path, sys.argv[1:]):
            told += [each for host in hosts for each in _unlike_a_deploys(host, folder)]
    for line in [*map(str, failed), *filter(None, told)]:
        print(line)
    print(told.count(""))


if __name__ == "__main__":
    main()
