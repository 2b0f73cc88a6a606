"""The application that releases are tried with, as its developers and its visitors have it."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from state.record import Record, Release
from tests.e2e.command import Outcome
from tests.e2e.machines import answer
from tests.e2e.platform import Platform

SOURCE = Path(__file__).parent.parent / "apps" / "shop"
DOMAIN = "shop.chom.test"
MACHINE = "vpsmanager"
ROOT = "/var/www/shop"
PROGRAM = "python3 -s -m releases deploy shop"


class Shop:
    """A working copy of the application, and the one application ``shop`` made of it."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self.platform = platform
        self.folder = folder
        self.settings: dict[str, Any] = {"path": str(folder), "domain": DOMAIN}
        self._count = 0
        shutil.copytree(SOURCE, folder)

    def changes(self, **settings: Any) -> dict[str, Any]:
        """The changes of the inventory that give the target this application.

        Our own page stays beside it: with that goes Debian's Laravel, which the shop needs.
        """
        return {"settings.apps": {"laravel": {}, "shop": {**self.settings, **settings}}}

    def edit(self) -> None:
        """Change what is of no consequence, so that there is something to release."""
        self._count += 1
        (self.folder / "public" / "note.txt").write_text(f"{self._count}\n")

    @contextmanager
    def broken(self, files: Mapping[str, str]) -> Iterator[None]:
        """Meanwhile the application has these files, by their paths."""
        before = {path: self._text(path) for path in files}
        for path, text in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text)
        try:
            yield
        finally:
            for path, earlier in before.items():
                if earlier is None:
                    (self.folder / path).unlink()
                else:
                    (self.folder / path).write_text(earlier)

    def _text(self, path: str) -> str | None:
        file = self.folder / path
        return file.read_text() if file.exists() else None

    def try_to_deploy(self, **settings: Any) -> Outcome:
        """Deploy the application's target alone, whatever comes of it."""
        self.platform.unsettle()
        return self.platform.project.deploy(
            "-y", "--limit", MACHINE, changes=self.changes(**settings)
        )

    def deploy(self, **settings: Any) -> Record:
        """The same, which must succeed."""
        outcome = self.try_to_deploy(**settings)
        assert outcome.code == 0, outcome
        return self.platform.project.record()

    def roll_back(self, *arguments: str) -> Outcome:
        """``pyinfra inventory.py rollback.py`` for it."""
        return self.platform.project.pyinfra(
            *("inventory.py", "rollback.py", "-y", "--limit", MACHINE, "--data", "app=shop"),
            *arguments,
            changes=self.changes(),
        )

    def ask(self, path: str, *options: str, host: str = DOMAIN) -> tuple[int, str]:
        """The status and the body that a visitor gets."""
        said = answer(
            self.platform.lab,
            MACHINE,
            f"curl -sS -m 20 -w '\\n%{{http_code}}' -H 'Host: {host}' {' '.join(options)}"
            f" http://127.0.0.1{path}",
        )
        body, _, status = said.rpartition("\n")
        return int(status), body

    def serves(self) -> str:
        """The release that answers."""
        status, body = self.ask("/version")
        assert status == 200, body
        return str(json.loads(body)["release"])

    def artisan(self, command: str) -> str:
        """What artisan of the release that serves says."""
        return answer(
            self.platform.lab,
            MACHINE,
            f"cd {ROOT}/current && runuser -u shop -- php artisan {command}",
        )

    def report(self) -> dict[str, Any]:
        """What became of its jobs."""
        found = json.loads(self.artisan("shop:report"))
        assert isinstance(found, dict)
        return found

    def releases(self) -> list[str]:
        """The folders that there are, oldest first."""
        return answer(self.platform.lab, MACHINE, f"ls {ROOT}/releases").split()


def release_of(record: Record, app: str = "shop") -> Release:
    """What a record says of an application's releases."""
    target = record.targets[MACHINE]
    told = [each for component in target.components.values() for each in component.releases]
    [found] = [each for each in told if each.app == app]
    return found
