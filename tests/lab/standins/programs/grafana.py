"""A stand-in for Grafana: its health, its provisioning, its admin and annotations, and no pages."""

from __future__ import annotations

import getpass
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from . import flags
from . import grafana_provisioning as provisioning
from .grafana_api import SHORTEST_PASSWORD, VERSION, Api
from .grafana_provisioning import ProvisioningError
from .grafana_settings import Settings, SettingsError
from .grafana_store import ADMIN_ID, Store
from .web import log, serve

# Seconds from the start until the processes of data source plugins answer, as on a slow machine.
PLUGINS_AFTER = "STANDIN_PLUGINS_AFTER_S"
SERVER_FLAGS = ("config", "homepath", "pidfile", "packaging", "configOverrides", "pluginsDir")
CLI_VALUES = (*SERVER_FLAGS, "user-id")


def main(arguments: Sequence[str]) -> int:
    """`grafana server`, `grafana cli admin reset-admin-password`, or `grafana --version`."""
    match list(arguments):
        case ["server", *rest]:
            return _command(_server, rest)
        case ["cli", *rest]:
            return _command(_cli, rest)
        case ["--version" | "-v" | "version"]:
            return _version()
    print("usage: grafana server|cli [flags]", file=sys.stderr)
    return 1


def _command(command: Callable[[list[str]], int], arguments: list[str]) -> int:
    try:
        return command(arguments)
    except (flags.FlagError, SettingsError, ProvisioningError, OSError) as error:
        log("error", "*Error", error=error)
        return 1


def _version() -> int:
    print(f"grafana version {VERSION} (a stand-in: not the real program)")
    return 0


def _server(arguments: list[str]) -> int:
    found, words = flags.parse(arguments, ("version", "v"), SERVER_FLAGS)
    if flags.is_on(found, "version") or flags.is_on(found, "v"):
        return _version()
    log("info", "Starting Grafana", version=VERSION, note="stand-in: not the real program")
    settings = _settings(found, words)
    store = Store(_database(settings))
    if not settings.is_on("security", "disable_initial_admin_creation"):
        login = settings.get("security", "admin_user")
        if store.create_admin(login, settings.get("security", "admin_password")):
            log("info", "Created default admin", user=login)
    folder = Path(settings.get("paths", "provisioning"))
    provisioning.dashboards(folder)
    if not settings.is_on("plugins", "preinstall_disabled"):
        log("error", "Failed to install plugin", pluginId="loki", error="no way to grafana.com")
    ready_at = time.monotonic() + float(os.environ.get(PLUGINS_AFTER, "0"))
    api = Api(settings, store, provisioning.datasources(folder), ready_at)
    address, port = settings.get("server", "http_addr"), int(settings.get("server", "http_port"))
    serve(address, port, api.answer)
    log("info", "HTTP Server Listen", address=f"{address or '[::]'}:{port}")
    if pidfile := found.get("pidfile"):
        Path(pidfile).write_text(str(os.getpid()))
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    ended.wait()
    return 0


def _cli(arguments: list[str]) -> int:
    switches = ("version", "v", "password-from-stdin", "debug")
    found, words = flags.parse(arguments, switches, CLI_VALUES)
    if flags.is_on(found, "version") or flags.is_on(found, "v"):
        return _version()
    if words[:2] != ["admin", "reset-admin-password"]:
        print("usage: grafana cli admin reset-admin-password PASSWORD", file=sys.stderr)
        return 1
    password = words[2] if len(words) > 2 else ""
    if flags.is_on(found, "password-from-stdin"):
        password = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if len(password) < SHORTEST_PASSWORD:
        print("Error: ✗ failed to reset password: New password too short", file=sys.stderr)
        return 1
    overrides = found.get("configOverrides", "").split()
    store = Store(_database(_settings(found, overrides)))
    user = int(found.get("user-id", ADMIN_ID))
    if not store.set_password(user, password):
        print("Error: ✗ could not read user from database. Error: user not found", file=sys.stderr)
        return 1
    print("\nAdmin password changed successfully ✔")
    return 0


def _settings(found: dict[str, str], overrides: Sequence[str]) -> Settings:
    text = Path(found["config"]).read_text() if "config" in found else ""
    return Settings(text, os.environ, overrides)


def _database(settings: Settings) -> Path:
    return Path(settings.get("paths", "data")) / "grafana.db"
