"""The command line of `python -m configs`; kept apart, so that it imports no command's code."""

import argparse
from pathlib import Path
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """A parser that does not repeat what it cannot use: it may be a secret."""

    def error(self, message: str) -> NoReturn:
        """End with code 2 and a message."""
        if message.startswith("unrecognized arguments"):
            message = "more arguments than this command takes; a secret's value is not one of them"
        super().error(message)


def parser() -> argparse.ArgumentParser:
    """All commands with their options."""
    whole = Parser(prog="python -m configs")
    commands = whole.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="check the settings, without any connection")
    schema = commands.add_parser("schema", help="print the inventory's JSON Schema")
    schema.add_argument("--write", action="store_true", help="write it to inventory.schema.json")
    docs = commands.add_parser("docs", help="print the page of all settings")
    docs.add_argument("--write", action="store_true", help="write it to docs/settings.md")
    show = commands.add_parser("show", help="every setting in force, and where it is written")
    show.add_argument("target", metavar="TARGET", nargs="?", help="this target alone")
    show.add_argument("--json", action="store_true")
    for command in (check, show):
        command.add_argument(
            "--data", metavar="KEY=VALUE", action="append", default=[], help="as pyinfra's --data"
        )
    _versions(commands.add_parser("versions", help="pinned and installed versions of packages"))
    _secrets(commands.add_parser("secrets", help="keep the secrets, encrypted"))
    _migrate(commands.add_parser("migrate", help="take over an inventory of version 4"))
    return whole


def _versions(versions: argparse.ArgumentParser) -> None:
    versions.add_argument(
        "targets", metavar="TARGET", nargs="*", help="these targets alone; otherwise all"
    )
    versions.add_argument(
        "--upgrade",
        metavar="NAME[=VERSION]",
        help="move the pin of a package in versions.yaml; without VERSION, to the newest one",
    )
    versions.add_argument("--json", action="store_true", help="the versions as JSON")


def _secrets(secrets: argparse.ArgumentParser) -> None:
    actions = secrets.add_subparsers(dest="action", required=True)
    init = actions.add_parser("init", help="begin the file, and make a key if there is none")
    init.add_argument(
        "--passphrase", action="store_true", help="derive the key from a passphrase instead"
    )
    change = actions.add_parser("set", help="store a value, asked for or from standard input")
    change.add_argument("name", metavar="NAME")
    change.add_argument(
        "--generate",
        choices=("password", "laravel_app_key", "private_key", "tls_key"),
        help="store a random value, unless there is one already",
    )
    actions.add_parser("get", help="print a value").add_argument("name", metavar="NAME")
    actions.add_parser("edit", help="edit all values in $EDITOR, in memory")
    for name, text in (("list", "the names"), ("check", "whether every value opens")):
        actions.add_parser(name, help=text).add_argument("--json", action="store_true")
    actions.add_parser("rotate", help="seal everything with a new key")
    actions.add_parser("export-key", help="print the key, for CI or a colleague")


def _migrate(migrate: argparse.ArgumentParser) -> None:
    migrate.add_argument("inventory", metavar="OLD_INVENTORY", type=Path)
    migrate.add_argument(
        "state",
        metavar="OLD_STATE",
        type=Path,
        nargs="?",
        help="its .deploy-state/deployment.state: becomes the first record of the history",
    )
    migrate.add_argument(
        "--output", metavar="DIR", type=Path, help="default: configs, and .deploy-state beside it"
    )
    migrate.add_argument(
        "--force", action="store_true", help="replace an inventory or a secret that differs"
    )
    migrate.add_argument("--json", action="store_true", help="the report as JSON")
