"""Everything about one deployment.

ID may be shortened to any part of its beginning or its random end; current and previous are names.

--json: {"record": the whole record (record.schema.json), "current": true or false,
"last_matched": {TARGET: {"at", "by", "differs", "differs_at"}}}. "by" is the deployment that
matched when it completed, null for a dry run; "differs" is what a later dry run would change.
"""

import argparse
from dataclasses import asdict
from typing import Any

from state.commands import terminal, words
from state.commands.table import Column, lines
from state.commands.terminal import COLOURS, say
from state.last_matched import Match, last_matches
from state.naming import read
from state.record import Component, Error, Record, Release, Resource, Target
from state.refusing import Refusal
from state.release_words import held_back, restore_command
from state.signing import left_alone
from state.store import Store

READS_RECORDS = True
HELP = "everything about one deployment"


def arguments(parser: argparse.ArgumentParser) -> None:
    """What the command takes."""
    parser.add_argument("id", metavar="ID", help="an id, a part of it, current or previous")
    parser.add_argument("target", metavar="TARGET", nargs="?", help="this target alone")


def run(chosen: argparse.Namespace, store: Store) -> int:
    """Print one deployment. Raises Refusal."""
    record = read(store, chosen.id)
    if chosen.target is not None:
        if chosen.target not in record.targets:
            known = ", ".join(record.targets) or "none"
            raise Refusal(
                f"no target {chosen.target} in {record.deployment_id}",
                f"one of: {known}",
                "name one of these, or none for all",
            )
        record.targets = {chosen.target: record.targets[chosen.target]}
    matches = last_matches(store, list(record.targets))
    is_current = record.deployment_id == store.current()
    if chosen.json:
        terminal.document(
            {
                "record": record.model_dump(mode="json"),
                "current": is_current,
                "last_matched": {name: asdict(match) for name, match in matches.items()},
            }
        )
        return 0
    _deployment(record, is_current, _signature(record, store))
    for name, target in record.targets.items():
        say()
        _target(name, target, matches[name], record.started_at)
    return 0


def _signature(record: Record, store: Store) -> str:
    """What is to be said of a record's signature; nothing if it holds."""
    if store.key is None:
        return f"not verified: {store.without_key}" if store.signing.exists else ""
    content = store.path_of(record.deployment_id).read_bytes()
    return "" if store.trusts(content) else left_alone(str(store.judge(content)))


def _deployment(record: Record, is_current: bool, signature: str) -> None:
    took = f" in {words.duration(record.duration_s)}" if record.duration_s is not None else ""
    say(
        f"{record.action} {record.deployment_id}: {record.status}{took}"
        + (", current" if is_current else ""),
        COLOURS[record.status],
    )
    who = record.deployer
    if record.message:
        _fact("message", record.message)
    _fact("when", f"{record.started_at} ({words.ago(record.started_at)})")
    _fact("who", f"{who.user}@{who.hostname} ({who.ip})")
    if ci := who.ci:
        _fact("job", ", ".join(each for each in (ci.system, ci.job, ci.actor, ci.url) if each))
    if who.git_revision:
        _fact("revision", who.git_revision + (", and what was not committed" * bool(who.git_dirty)))
    if record.config.settings_from:
        _fact("settings", f"those of {record.config.settings_from}")
    tools = {"project": record.config.script_version, **record.tools}
    _fact("tools", ", ".join(f"{name} {version}" for name, version in tools.items()))
    if signature:
        _fact("signature", signature)
    _fact("previous", record.previous.deployment_id if record.previous else "none")


def _target(name: str, target: Target, match: Match, since: str) -> None:
    seconds = words.between(target.started_at, target.completed_at)
    took = f" in {words.duration(seconds)}" if seconds is not None else ""
    changes = sum(each.changed for each in target.components.values())
    role = "" if target.role == name else f"{target.role}, "
    say(
        f"{name} ({role}{target.address}): {target.status}{took}, {words.count(changes, 'change')}",
        COLOURS.get(target.status),
    )
    if target.leads:
        _fact("address leads", target.leads)
    if target.hardware:
        _fact("machine", _machine(target.hardware))
    _fact("last matched", _matched(match))
    if match.differs_at:
        label = f"differs since the dry run {words.ago(match.differs_at)}"
        _fact("", f"{label}: {'; '.join(match.differs)}")
    if target.error:
        _error(target.error)
    if target.components:
        _components(target.components)
    _resources(target)
    for component in target.components.values():
        for release in component.releases:
            _release(release, since)
    for check in target.checks:
        mark = f"✗ {check.name}: {check.problem}" if check.problem else f"✓ {check.name}"
        say(mark, "red" if check.problem else None, indent=1)
        if check.problem and check.remedy:
            say(f"do: {check.remedy}", indent=2)


def _fact(name: str, text: str) -> None:
    say(f"{name}: {text}" if name else text, indent=1)


def _machine(found: dict[str, Any]) -> str:
    def of(key: str) -> str:
        return str(found.get(key, "?"))

    return (
        f"{of('cpu')} vCPU, {of('memory_mb')} MB, {of('disk_gb')} GB ({of('disk_free_gb')} GB free)"
        f", {of('os')} {of('architecture')}, Linux {of('kernel')}"
    )


def _matched(match: Match) -> str:
    if match.at is None:
        return "never, as far as the history tells"
    if match.by is None:
        return f"{words.ago(match.at)}, by a dry run"
    return f"{words.ago(match.at)}, when {match.by} completed"


def _error(error: Error) -> None:
    where = " | ".join(each for each in (error.component, error.operation) if each)
    say(f"failed ({error.stage}){': ' + where if where else ''}: {error.message}", "red", indent=1)
    if error.command:
        code = f" (exit code {error.exit_code})" if error.exit_code is not None else ""
        terminal.verbatim(f"command{code}: {error.command}", indent=2)
    for line in error.output:
        terminal.verbatim(f"| {line}", indent=2)
    if error.remedy:
        say(f"do: {error.remedy}", indent=2)


def _components(components: dict[str, Component]) -> None:
    all_of_them = list(components.values())
    columns = [
        Column("component", list(components)),
        Column("version", [each.version or "" for each in all_of_them], rank=4, least=8),
        Column("status", [each.status for each in all_of_them]),
        Column("changes", [str(each.changed) for each in all_of_them], rank=1, right=True),
        Column(
            "took",
            [
                words.duration(words.between(each.started_at, each.completed_at))
                for each in all_of_them
            ],
            rank=3,
            right=True,
        ),
        Column("created", [_number(each.created) for each in all_of_them], rank=2, right=True),
        Column("removed", [_number(each.removed) for each in all_of_them], rank=2, right=True),
        Column("reason", [each.reason or "" for each in all_of_them], rank=5, least=10),
    ]
    colours = [None if each.status == "completed" else COLOURS.get(each.status)
               for each in all_of_them]  # fmt: skip
    for line in lines(columns, colours, terminal.width() - 2):
        print(f"  {line}")


def _number(resources: list[Resource]) -> str:
    return str(len(resources)) if resources else ""


def _resources(target: Target) -> None:
    """By component; what older records list has none."""
    for name, component in target.components.items():
        for what, resources in (("created", component.created), ("removed", component.removed)):
            if resources:
                listed = ", ".join(f"{each.kind} {each.name}" for each in resources)
                say(f"{what} for {name}: {listed}", indent=1)
    if any(each.created for each in target.components.values()):
        return
    for kind, names in target.resources_created.model_dump().items():
        if names:
            say(f"created {kind.replace('_', ' ')}: {', '.join(names)}", indent=1)


def _release(release: Release, since: str) -> None:
    text = f"{release.app}: {release.release or 'no release'}"
    if release.revision:
        text += f", revision {release.revision}"
    if release.held:
        text += f"; {held_back(release.app, release.held)}"
    last = release.last
    bad = last is not None and last.event == "bad" and last.at >= since
    if last and bad:
        text += f"; {last.release} is bad: {last.step}"
    say(text, "red" if bad else None, indent=1)
    for line in last.output if last and bad else ():
        terminal.verbatim(f"| {line}", indent=2)
    if last and last.dump and last.at >= since:
        say("to have the database as before:", indent=2)
        terminal.verbatim(restore_command(release.app, last.dump), indent=2)
