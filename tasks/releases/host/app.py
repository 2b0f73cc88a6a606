"""One application on this machine, as the deployment described it."""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

DESCRIPTIONS = Path("/etc/chom/apps")


class Unknown(Exception):
    """There is no such application here, as far as this program can tell."""


@dataclass(frozen=True)
class Confinement:
    """A user of an application and the systemd sandbox in which it runs commands.

    properties: lines of a unit's ``[Service]`` section, among them the user.
    """

    user: str
    properties: tuple[str, ...]


@dataclass(frozen=True)
class App:
    """What is known of an application before anything of it is released.

    revision: the commit to release, or the hash of the files that are handed over; None: the
    newest commit of ``branch``. url: the page that answers 200 if it works; fpm and workers:
    systemd units. queues: of its jobs; redis: how redis-cli reaches them, and at last the file of
    the password. owner: the system user that runs it, whose database has the same name.
    database_login: the option file by which the ``mariadb`` client logs in as that user.
    database_elsewhere: why the application's database is not that one; empty if it is.
    build: who makes releases; runtime: who serves them.
    """

    name: str
    owner: str
    database_login: str
    database_elsewhere: str
    build: Confinement
    runtime: Confinement
    base: Path
    php: str
    fpm: str
    repository: str | None
    branch: str
    revision: str | None
    deploy_key: str | None
    known_hosts: str
    url: str
    workers: tuple[str, ...]
    queues: tuple[str, ...]
    redis: tuple[str, ...]
    keep_releases: int
    keep_dumps: int

    @classmethod
    def read(cls, name: str, folder: Path = DESCRIPTIONS) -> "App":
        """The application of that name. Raises Unknown if there is none, or of another version."""
        try:
            return cls._read(folder / f"{name}.json")
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise Unknown(f"{name} is not described as it should be: deploy it ({error})") from None

    @classmethod
    def _read(cls, path: Path) -> "App":
        written = json.loads(path.read_text())
        lists = {key: tuple(each) for key, each in written.items() if isinstance(each, list)}
        users = {
            key: Confinement(written[key]["user"], tuple(written[key]["properties"]))
            for key in ("build", "runtime")
        }
        return cls(**{**written, **lists, **users, "base": Path(written["base"])})

    @classmethod
    def all(cls, folder: Path = DESCRIPTIONS) -> "list[App]":
        """Every application of this machine that can be read, by name."""
        found = []
        for path in sorted(folder.glob("*.json")):
            with suppress(Unknown):
                found.append(cls.read(path.stem, folder))
        return found

    @property
    def releases(self) -> Path:
        return self.base / "releases"

    @property
    def current(self) -> Path:
        """The link that Nginx and the workers follow."""
        return self.base / "current"

    @property
    def candidate(self) -> Path:
        """The link that Nginx follows for this machine alone, when it is asked to."""
        return self.base / "candidate"

    @property
    def shared(self) -> Path:
        return self.base / "shared"

    @property
    def storage(self) -> Path:
        """The only folder of the application that it may write to: root stays out of it."""
        return self.shared / "storage"

    @property
    def views(self) -> Path:
        """Compiled views, a folder for each release: two releases must not share them."""
        return self.storage / "framework/views"

    @property
    def mirror(self) -> Path:
        """The copy of the git repository; it belongs to the build user."""
        return self.base / "repository.git"

    @property
    def dumps(self) -> Path:
        return Path("/var/backups/chom") / self.name

    @property
    def cache(self) -> Path:
        """The build user's folders: ``composer`` (its cache) and ``storage`` (a scratch one)."""
        return Path("/var/cache/chom") / self.name
