"""Whether a target's applications fit together, and have what they need."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from configs.apps import App
from configs.explaining import secret_advice
from configs.paths import resolved
from configs.schema import GitSettings, PhpSettings
from configs.secret_names import OF_TARGETS

# The deployment itself gives them their values.
MADE = ("APP_KEY", "DB_PASSWORD", "REDIS_PASSWORD")
DEPLOY_KEY = "DEPLOY_KEY"


@dataclass(frozen=True)
class Flaw:
    """What is wrong, and the setting to blame: the keys on the way to it."""

    setting: tuple[str, ...]
    found: str
    expected: str
    remedy: str


def flaws(apps: Any, php: Any, git: Any) -> Iterator[Flaw]:
    """What is wrong with the sections of these names, each of which the schema has accepted."""
    versions = PhpSettings.model_validate(php)
    known = GitSettings.model_validate(git).host_keys
    if versions.default and versions.default not in versions.versions:
        yield _unlisted(("php", "default"), versions.default, versions)
    names: dict[str, str] = {}
    known_apps = {name: App.model_validate(written or {}) for name, written in apps.items()}
    for name, app in known_apps.items():
        yield from _source(name, app, known)
        if app.php and app.php not in versions.versions:
            yield _unlisted(("apps", name, "php"), app.php, versions)
        yield from _taken(name, app, names)
        yield from _made_by_us(name, app)
        yield from _secrets(name, app)
        yield from _secrets_of_targets(name, app)
    yield from _one_secret_twice(known_apps)


def ssh_host(repository: str) -> str | None:
    """The server of a repository that is reached by SSH, as known_hosts names it; else None."""
    if "://" not in repository:
        return repository.partition("@")[2].partition(":")[0].lower()
    url = urlsplit(repository)
    if url.scheme != "ssh":
        return None
    return f"[{url.hostname}]:{url.port}" if url.port not in (None, 22) else url.hostname


def _source(name: str, app: App, known: Mapping[str, str]) -> Iterator[Flaw]:
    at = ("apps", name)
    if app.repository and app.path:
        yield Flaw(
            (*at, "path"),
            "a path beside a repository",
            "one of both",
            "remove one of them: the application comes from one place",
        )
    elif app.path:
        folder = resolved(app.path)
        if not (folder / "artisan").is_file():
            found = "a folder without artisan" if folder.is_dir() else "no folder"
            yield Flaw(
                (*at, "path"),
                f'"{app.path}", {found}',
                "the folder of a Laravel application",
                "write the path of the folder that holds composer.json and artisan",
            )
    host = ssh_host(app.repository) if app.repository else None
    if host and host not in {each.lower() for each in known}:
        yield Flaw(
            (*at, "repository"),
            f"a repository at {host}, whose host key is not known",
            f"a server of git.host_keys, which has: {', '.join(known)}",
            f"see what answers ({_keyscan(host)}), compare it with what its makers publish, and"
            f' write the type and the key into git.host_keys as `"{host}": "ssh-ed25519 …"`',
        )
    if app.deploy_key and not host:
        yield Flaw(
            (*at, "deploy_key"),
            "true, for an application that no SSH server gives out",
            "a repository such as git@github.com:acme/shop.git",
            "write the repository's address for SSH, or remove deploy_key",
        )


def _keyscan(host: str) -> str:
    """The command that asks a server for its keys; ``host``: as known_hosts names it."""
    if match := re.fullmatch(r"\[(.+)\]:(\d+)", host):
        return f"ssh-keyscan -p {match[2]} {match[1]}"
    return f"ssh-keyscan {host}"


def _unlisted(setting: tuple[str, ...], version: str, php: PhpSettings) -> Flaw:
    return Flaw(
        setting,
        f'"{version}", which is not in php.versions',
        f"one of: {', '.join(php.versions)}",
        f'add "{version}" to php.versions, or write one of these',
    )


def _taken(name: str, app: App, names: dict[str, str]) -> Iterator[Flaw]:
    """Host names that another application has already; notes the others in ``names``."""
    for host_name in dict.fromkeys(app.domain.lower().split()):
        if other := names.get(host_name):
            what = "every name" if host_name == "_" else host_name
            yield Flaw(
                ("apps", name, "domain"),
                f"{what}, which {other} answers to",
                "host names of its own for every application",
                "write the names that its visitors use, such as shop.example.org",
            )
        names.setdefault(host_name, name)


def _made_by_us(name: str, app: App) -> Iterator[Flaw]:
    written: list[tuple[tuple[str, ...], str]]
    written = [(("environment", key), key) for key in app.environment if key in MADE]
    written += [(("secrets",), key) for key in app.secrets if key in (*MADE, DEPLOY_KEY)]
    for setting, key in written:
        yield Flaw(
            ("apps", name, *setting),
            f"{key}, which is {'the key of git' if key == DEPLOY_KEY else 'made'} for {name}",
            "names of the application's own",
            f"remove {key} here; to change its value: python -m configs secrets set"
            f" {name.upper()}_{key}",
        )


def _one_secret_twice(apps: Mapping[str, App]) -> Iterator[Flaw]:
    """Secrets that two applications would share since their names run together."""
    owners: dict[str, str] = {}
    for name, app in apps.items():
        for key in (*MADE, *([DEPLOY_KEY] if app.deploy_key else [])):
            owners[f"{name.upper()}_{key}"] = name
    for name, app in apps.items():
        for key in app.secrets:
            secret = f"{name.upper()}_{key}"
            if owners.setdefault(secret, name) != name:
                yield Flaw(
                    ("apps", name, "secrets"),
                    f"{key}, whose value would be the secret {secret}, which {owners[secret]} has",
                    "secrets of its own for every application",
                    f"write another name for {key}, or for the application",
                )


def _secrets_of_targets(name: str, app: App) -> Iterator[Flaw]:
    """Secrets of an application that a target's could have the name of."""
    made = (*MADE, *([DEPLOY_KEY] if app.deploy_key else []))
    for key in (*made, *app.secrets):
        secret = f"{name.upper()}_{key}"
        if kind := next((each for each in OF_TARGETS if secret.startswith(f"{each}_")), None):
            setting = ("apps", name, "secrets") if key in app.secrets else ("apps", name)
            yield Flaw(
                setting,
                f"{key}, whose value would be the secret {secret}",
                f"no secret whose name begins with {kind}_: those are the targets' own",
                f"write another name for {key}, or for the application",
            )


def _secrets(name: str, app: App) -> Iterator[Flaw]:
    for key, value in app.environment.items():
        if key in MADE:
            continue  # told already
        if key in app.secrets:
            yield Flaw(
                ("apps", name, "environment", key),
                "a value, and the same name among its secrets",
                "one of both",
                "remove one of them",
            )
        elif secret_advice(key) and not re.fullmatch(r"(true|false|null|\d*)", value):
            yield Flaw(
                ("apps", name, "environment", key),
                "what its name says is a secret",
                "no secret in this file",
                f"remove it, and change that secret since this file keeps none; add {key} to"
                f" apps.{name}.secrets and run: python -m configs secrets set"
                f" {name.upper()}_{key}",
            )
