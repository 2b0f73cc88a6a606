"""A machine for the program that releases applications: a folder, and commands that only pretend.

What they do, they do to files, so that it outlives a process that is killed.
"""

import io
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tasks import archives
from tasks.releases.host import (
    build,
    commands,
    contents,
    deploying,
    history,
    rolling_back,
    serving,
)
from tasks.releases.host.app import App, Confinement
from tasks.releases.host.commands import Failed
from tasks.releases.host.history import Event, History

NAME = "shop"
FULL = SimpleNamespace(total=100 << 30, used=95 << 30, free=5 << 30)
ROOMY = SimpleNamespace(total=100 << 30, used=50 << 30, free=50 << 30)
Health = Callable[[str, bool], str]
CONFINED = "confined"


def confined(
    unit: str, properties: Sequence[str], command: Sequence[str], cwd: Path, env: Mapping[str, str]
) -> list[str]:
    """The command line of a confined command on a machine that has no systemd."""
    return [CONFINED, str(cwd), *command]


class Clock:
    """In place of datetime: every look at it is a second later."""

    def __init__(self) -> None:
        self.time = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)

    def now(self, _: tzinfo) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


class Machine:
    """``commands``: what was run, each by its name such as ``artisan migrate``; ``command_lines``:
    the same with all arguments. ``fails``: those
    that do not succeed. ``states``: of units that are not active. ``before``: is told of each
    command before it is run. ``health``: the status for a release's name, and whether it is asked
    for as a candidate.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.commands: list[str] = []
        self.command_lines: list[list[str]] = []
        self.fails: set[str] = set()
        self.says: dict[str, str] = {}
        self.states: dict[str, str] = {}
        self.before: Callable[[str], None] = lambda name: None
        self.health: Health = lambda release, candidate: "200"
        self.usage = ROOMY
        self.clock = Clock()
        self.files = folder / "files"
        self._furnish()
        self.app = self.described()
        self._really_run = subprocess.run
        patch.setattr(subprocess, "run", self._run)
        patch.setattr(commands, "confined_command", confined)
        patch.setattr(os, "geteuid", lambda: os.stat(folder).st_uid)
        patch.setattr(time, "sleep", lambda _: None)
        patch.setattr(shutil, "chown", lambda *_: None)
        patch.setattr(shutil, "disk_usage", lambda _: self.usage)
        patch.setattr(deploying, "datetime", self.clock)
        patch.setattr(history, "datetime", self.clock)
        patch.setattr(build, "SPARE_MB", 100)
        patch.setattr(App, "dumps", property(lambda app: app.base.parent / "dumps"))
        patch.setattr(App, "cache", property(lambda app: app.base.parent / "cache"))
        self._patch = patch

    def _furnish(self) -> None:
        base = self.folder / NAME
        for name in ("releases", "shared/storage/framework"):
            (base / name).mkdir(parents=True)
        (base / "shared/.env").write_text("APP_KEY=one\n")
        self.write("public/index.php", "<?php")
        self.write("artisan", "#!/usr/bin/env php")
        self.write("composer.json", "{}")
        self.write("bootstrap/cache/services.php", "of somebody's own computer")

    def described(self, **changes: Any) -> App:
        """The application as a deployment would describe it now."""
        described: dict[str, Any] = {
            "name": NAME,
            "owner": NAME,
            "database_login": "/etc/chom/mariadb/shop.cnf",
            "database_elsewhere": "",
            "build": Confinement(f"_{NAME}", ("User=_shop",)),
            "runtime": Confinement(NAME, ("User=shop",)),
            "base": self.folder / NAME,
            "php": "/usr/bin/php8.4",
            "fpm": "php8.4-fpm.service",
            "repository": None,
            "branch": "main",
            "revision": archives.pack(self.files).sha256,
            "deploy_key": None,
            "known_hosts": "/etc/chom/apps/known_hosts",
            "url": "http://shop.example.org/up",
            "workers": ("shop-worker-1.service", "shop-worker-2.service"),
            "queues": ("default",),
            "redis": (),
            "keep_releases": 3,
            "keep_dumps": 2,
        }
        return App(**{**described, **changes})

    # What a person does

    def write(self, path: str, text: str) -> None:
        """A file of the application."""
        (self.files / path).parent.mkdir(parents=True, exist_ok=True)
        (self.files / path).write_text(text)

    def change(self, word: str) -> None:
        """Another version of the application."""
        self.write("public/version.txt", word)
        self.app = self.described()

    def change_database(self, word: str) -> None:
        """Another version, with a migration of its own."""
        self.write(f"database/migrations/{word}.php", word)
        self.change(word)

    def deploy(self) -> str:
        """Deploy the application as it is now; the release that serves then. Raises Failed."""
        packed = io.BytesIO(archives.pack(self.files).base64.encode())
        self._patch.setattr(sys, "stdin", SimpleNamespace(buffer=packed))
        deploying.deploy(self.app)
        return self.live

    def fail(self) -> Failed:
        """Deploy what does not go live."""
        with pytest.raises(Failed) as failure:
            self.deploy()
        return failure.value

    def roll_back(self, name: str | None = None) -> str:
        """Roll back; the release that serves then. Raises Failed."""
        rolling_back.roll_back(self.app, name, by="ada@laptop")
        return self.live

    # What can be seen

    @property
    def live(self) -> str:
        release = serving.live(self.app)
        assert release is not None, "nothing serves"
        return release.name

    @property
    def releases(self) -> set[str]:
        return {path.name for path in self.app.releases.iterdir()}

    @property
    def history(self) -> History:
        return History(self.app)

    def last(self) -> Event:
        return self.history.events()[-1]

    def left_behind(self) -> set[str]:
        """What only an unfinished deployment has: links, and what belongs to no release."""
        base, views = self.app.base, self.app.views
        links = {path.name for path in base.iterdir() if path.is_symlink()} - {"current"}
        dumps = {path.name for path in self.app.dumps.glob("*.part")}
        stray = {path.name for path in views.iterdir()} if views.exists() else set()
        return links | dumps | (stray - self.releases)

    # What the commands do

    def _run(self, command: Sequence[str], **options: Any) -> "subprocess.CompletedProcess[Any]":
        here = self.folder
        if command[0] == CONFINED:
            here, command = Path(command[1]), command[2:]
        name = _name(command)
        self.before(name)
        self.commands.append(name)
        self.command_lines.append(list(command))
        said = self.says.get(name, "")
        code = 1 if name in self.fails else 0
        if not code:
            try:
                said = self._do(name, command, here, options) or said
            except contents.Refused as error:
                said, code = str(error), 1
            except subprocess.CalledProcessError as error:
                code = error.returncode
        output: str | bytes = said if options.get("text") else said.encode()
        return subprocess.CompletedProcess(list(command), code, output, output)

    def _do(self, name: str, command: Sequence[str], here: Path, options: dict[str, Any]) -> str:
        database = self.folder / "database"
        if name == "unpack":
            with patched_stdin(options["input"]):
                contents.unpack(Path(command[-1]))
        elif name == "furnish":
            contents.furnish(*map(Path, command[-3:]))
        elif name in ("chmod", "find", "test"):
            return self._really_run(command, capture_output=True, text=True, check=True).stdout
        elif name == "mkdir":
            Path(command[-1]).mkdir(parents=True, exist_ok=True)
        elif name == "rm":
            shutil.rmtree(command[-1], ignore_errors=True)
        elif name == "composer install":
            (here / "vendor").mkdir()
            (here / "vendor/autoload.php").write_text("<?php")
        elif name == "artisan config:cache":
            settings = (here / ".env").read_text()
            (here / "bootstrap/cache/config.php").write_text(settings)
        elif name == "artisan migrate:status":
            wanted = {path.name for path in here.glob("database/migrations/*")}
            done = set(database.read_text().split()) if database.exists() else set()
            return "".join(f"{each} Pending\n" for each in sorted(wanted - done))
        elif name == "artisan migrate":
            names = [path.name for path in here.glob("database/migrations/*")]
            database.write_text(" ".join(sorted(names)))
        elif name == "mariadb show tables":
            return database.read_text() if database.exists() else ""
        elif name == "dump":
            Path(command[-1]).write_text(database.read_text() if database.exists() else "")
        elif name == "systemctl show":
            return "\n\n".join(self.states.get(unit, "active") for unit in command[4:])
        elif name == "curl":
            return self._answer(" ".join(command))
        return ""

    def _answer(self, asked: str) -> str:
        candidate = serving.CANDIDATE in asked
        link = self.app.candidate if candidate else self.app.current
        page = link / "public/index.php"
        status = self.health(link.resolve().name, candidate) if page.exists() else "404"
        return f"page\n{status}"


def _name(command: Sequence[str]) -> str:
    """A command by what it does."""
    program, *words = command
    if program == sys.executable:
        return words[2]
    if program.startswith("/usr/bin/php"):
        return f"{os.path.basename(words[0])} {words[1]}"
    if program == "bash":
        return "dump"
    if program == "mariadb":
        return f"mariadb {words[2]}"
    return f"{program} {words[0]}" if program in ("systemctl", "git") else program


@contextmanager
def patched_stdin(content: bytes) -> Iterator[None]:
    """Standard input with these bytes, for code that a process of its own would run."""
    before, sys.stdin = sys.stdin, SimpleNamespace(buffer=io.BytesIO(content))
    try:
        yield
    finally:
        sys.stdin = before
