"""`python -m configs check | schema | docs | show | versions | secrets | migrate`.

Only `versions` connects to targets. An entry point as deploy.py is one: it asks the components
which secrets they need, and hands what `migrate` takes over on to the history.
"""

import argparse
import os
import sys
from collections.abc import Sequence

from configs.arguments import parser
from configs.loader import inventory_path, judge, load, read_sources
from configs.paths import PROJECT
from configs.problems import ConfigurationError


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0, 1 with problems in the settings, or 130 after Ctrl-C."""
    chosen = parser().parse_args(arguments)
    try:
        return _run(chosen)
    except ConfigurationError as error:
        # `check` was asked for the problems; for the others they are why nothing came out.
        print(error, file=sys.stdout if chosen.command == "check" else sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        print("\ninterrupted", file=sys.stderr)
        return 130


def _run(chosen: argparse.Namespace) -> int:
    match chosen.command:
        case "check":
            _check(_data(chosen))
        case "schema":
            _schema(write=chosen.write)
        case "docs":
            _docs(write=chosen.write)
        case "show":
            _show(chosen)
        case "versions":
            return _versions(chosen)
        case "secrets":
            from configs.secrets import commands

            return commands.run(chosen)
        case "migrate":
            _migrate(chosen)
    return 0


def _check(data: dict[str, str]) -> None:
    """The settings, and whether the secrets are there that the components cannot make.

    CI may check them without the key, and so may somebody who is not to have it.
    """
    from configs.secrets.providing import check
    from tasks.stacks import needed_secrets

    problems, unopened = check(needed_secrets(load(data=data).targets.values()))
    if problems:
        raise ConfigurationError(problems)
    print("ok")
    for problem in unopened:
        print("note: the secrets cannot be opened here, so no deploy can begin here")
        print(f"  {problem.file}: {problem.found}")
        print(f"  do: {problem.remedy}".replace("\n", "\n      "))


def _data(chosen: argparse.Namespace) -> dict[str, str]:
    return {key: value for key, _, value in (each.partition("=") for each in chosen.data)}


def _schema(*, write: bool) -> None:
    from configs import json_schema

    if write:
        json_schema.PUBLISHED.write_text(json_schema.text(), encoding="utf-8")
    else:
        print(json_schema.text(), end="")


def _docs(*, write: bool) -> None:
    from configs import settings_page

    if write:
        settings_page.PUBLISHED.write_text(settings_page.text(), encoding="utf-8")
    else:
        print(settings_page.text(), end="")


def _show(chosen: argparse.Namespace) -> None:
    from configs import showing

    path = inventory_path()
    sources = read_sources(path, os.environ, _data(chosen))
    targets = showing.effective(judge(path, sources, allow_example=True), sources, chosen.target)
    print(showing.as_json(targets) if chosen.json else showing.as_text(targets))


def _versions(chosen: argparse.Namespace) -> int:
    from state.commands import versions
    from state.refusing import Refusal

    try:
        return versions.run(chosen)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1


def _migrate(chosen: argparse.Namespace) -> None:
    """All that can be refused is refused first; killed in between, a repeat completes it."""
    from configs.migration import command
    from state.importing import Import, prepare
    from state.store import FOLDER, Store

    plan = command.plan(chosen)
    imported: Import | None = None
    if plan.state:
        store = Store((chosen.output or PROJECT) / FOLDER)
        targets = plan.migration.inventory["targets"]
        imported = prepare(plan.state, targets, plan.migration.sha256, store)
    plan.store_secrets()
    if imported:
        imported.save()
    plan.write_inventory()
    path, notes = (imported.path, imported.notes) if imported else (None, ())
    print(command.report(plan, path, notes, as_json=chosen.json))


if __name__ == "__main__":
    sys.exit(main())
