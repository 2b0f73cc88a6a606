"""The summary of a run in Markdown, as CI systems show it."""

from collections.abc import Mapping

from state.columns import printable
from state.outcome import Outcome
from state.record import Error

_MARKS = {"completed": "✅", "failed": "❌"}


def failures(errors: Mapping[str, Error], again: Mapping[str, str]) -> str:
    """Why targets failed, and what to do: target → error, and → the command to run it again."""
    return "".join(
        f"\n### {_text(name)} failed{_where(error)}\n\n{_text(error.message)}\n\n"
        + (_fenced(error.output) if error.output else "")
        + (f"**Do:** {_text(error.remedy)}\n\n" if error.remedy else "")
        + (f"**Again:** `{again[name]}`\n" if again[name] not in (error.remedy or "") else "")
        for name, error in errors.items()
    )


def outcome(found: Outcome) -> str:
    """What a run did."""
    lines = [f"\n## {found.title} in {found.record.duration_s} s\n"]
    lines += ["| target | what came of it | changed |", "| --- | --- | --- |"]
    for name, target in found.record.targets.items():
        mark = _MARKS.get(target.status, "⚠️")
        changes = ", ".join(found.changes(name)) or "nothing"
        lines.append(f"| {_text(name)} | {mark} {_text(found.line(name))} | {_text(changes)} |")
    lines.append("")
    for name, versions in found.versions.items():
        lines.append(f"- versions on {_text(name)}: {_text(', '.join(versions))}")
    lines += [f"- {_text(name)}: {_text(told)}" for name, told in found.releases]
    lines += [f"- note: {_text(warning)}" for warning in found.warnings]
    lines += [f"- look at: <{address}>" for address in found.looks]
    lines.append(f"- record: `{found.path}`")
    return "\n".join(lines) + "\n"


def _where(error: Error) -> str:
    where = " · ".join(each for each in (error.component, error.operation) if each)
    return f" ({error.stage})" + (f": {_text(where)}" if where else "")


def _text(text: str) -> str:
    """Words that are no markup, on one line."""
    escaped = printable(" ".join(text.split()))
    for each in "\\`*_[]<>|#":
        escaped = escaped.replace(each, f"\\{each}")
    return escaped


def _fenced(lines: list[str]) -> str:
    text = "\n".join(printable(line) for line in lines)
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text}\n{fence}\n\n"
