"""What the stand-in for Grafana answers, over HTTP."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import grafana_provisioning as provisioning
from . import package
from .grafana_provisioning import ProvisioningError
from .grafana_settings import Settings
from .grafana_store import Store
from .web import HTML, Answer, Metrics, Request

VERSION = package.version("13.2.3")
SHORTEST_PASSWORD = 4
_LOGIN = "<!doctype html><title>Grafana</title><h1>Grafana</h1><p>A stand-in: not the real one.</p>"
# What a datasource is asked to find out whether it is there.
_HEALTH = {
    "prometheus": "/api/v1/query?query=1%2B1",
    "loki": "/loki/api/v1/query?query=vector(1)%2Bvector(1)",
}


class Api:
    """The answers.

    Args:
        settings: Who may ask, and where the provisioning is.
        store: The admin and the annotations.
        sources: The datasources; read again only when that is asked for, as by the real one.
        plugins_ready_at: When the processes of the data source plugins answer, by `time.monotonic`;
            Grafana itself answers before.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        sources: list[dict[str, Any]],
        plugins_ready_at: float = 0,
    ) -> None:
        self._settings, self._store, self._sources = settings, store, sources
        self._plugins_ready_at = plugins_ready_at
        disabled = settings.get("plugins", "disable_plugins").replace(",", " ")
        self._disabled = set(disabled.split())
        self._folder = Path(settings.get("paths", "provisioning"))
        self._metrics = Metrics()
        self._metrics.set("grafana_build_info", 1, version=VERSION, edition="standin")

    def answer(self, request: Request) -> Answer:
        """What a client gets."""
        given = self._route(replace(request, path=self._below_root(request.path)))
        self._metrics.add("grafana_http_request_duration_seconds_count", 1, code=str(given.status))
        return given

    def _route(self, request: Request) -> Answer:
        match request.path.strip("/").split("/"):
            case ["api", "health"]:
                return Answer.json({"database": "ok", "version": VERSION, "commit": "standin"})
            case ["metrics"] if self._settings.is_on("metrics", "enabled"):
                return Answer(200, self._metrics.text())
            case ["login"] if request.method == "POST":
                return self._log_in(request)
            case ["login"]:
                return Answer(200, _LOGIN, HTML)
            case ["api", *rest]:
                return self._authorised(rest, request)
            case [""]:
                return Answer(302, headers=(("Location", "/login"),))
        return _message(404, "Not found")

    def _below_root(self, path: str) -> str:
        """The path without that of the root URL, where Grafana is told to answer below it."""
        root = urllib.parse.urlsplit(self._settings.get("server", "root_url")).path.rstrip("/")
        if root and self._settings.is_on("server", "serve_from_sub_path"):
            return path.removeprefix(root)
        return path

    def _log_in(self, request: Request) -> Answer:
        given = json.loads(request.body or b"{}")
        known = self._store.user(str(given.get("user", "")), str(given.get("password", "")))
        if known is None:
            return _message(401, "Invalid username or password")
        return _message(200, "Logged in")

    def _authorised(self, path: list[str], request: Request) -> Answer:
        pair = request.basic_auth()
        user = self._store.user(*pair) if pair else None
        if pair and user is None:
            return _message(401, "Invalid username or password")
        if user is None and not self._anonymous_may(path, request):
            return _message(401, "Unauthorized")
        try:
            return self._api(path, request, user)
        except (ValueError, KeyError, TypeError) as error:
            return _message(400, f"bad request data: {error!r}")
        except ProvisioningError as error:
            return _message(500, str(error))

    def _anonymous_may(self, path: list[str], request: Request) -> bool:
        reads = request.method == "GET" and path[0] in ("search", "dashboards", "annotations")
        return reads and self._settings.is_on("auth.anonymous", "enabled")

    def _api(self, path: list[str], request: Request, user: int | None) -> Answer:
        match request.method, path:
            case "GET", ["datasources"]:
                return Answer.json([_shown(each) for each in self._sources])
            case "GET", ["datasources", ("uid" | "name") as key, value]:
                found = [_shown(each) for each in self._sources if each[key] == value]
                return Answer.json(found[0]) if found else _message(404, "Data source not found")
            case "GET", ["datasources", "uid", uid, "health"]:
                return self._health(uid)
            case "GET", ["search"]:
                return self._search(request)
            case "GET", ["dashboards", "uid", uid]:
                return self._dashboard(uid)
            case "GET", ["annotations"]:
                return self._annotations(request)
            case "POST", ["annotations"]:
                number = self._store.annotate(json.loads(request.body), int(time.time() * 1000))
                return Answer.json({"id": number, "message": "Annotation added"})
            case "DELETE", ["annotations", number]:
                there = self._store.forget(int(number))
                return _message(200, "Annotation deleted") if there else _message(404, "Not found")
            case "GET", ["user"]:
                login = (request.basic_auth() or ("",))[0]
                return Answer.json({"id": user, "login": login, "isGrafanaAdmin": True})
            case "GET", ["org"]:
                return Answer.json({"id": 1, "name": "Main Org."})
            case "PUT", ["admin", "users", number, "password"]:
                return self._set_password(int(number), json.loads(request.body)["password"])
            case "POST", [
                "admin",
                "provisioning",
                ("datasources" | "dashboards") as kind,
                "reload",
            ]:
                self._sources = provisioning.datasources(self._folder)
                return _message(200, f"{kind.capitalize()} config reloaded")
            case "PUT", ["user", "password"]:
                return self._change_password(request, user)
        return _message(404, "Not found")

    def _set_password(self, user: int, password: str) -> Answer:
        if len(password) < SHORTEST_PASSWORD:
            return _message(400, "New password too short")
        if not self._store.set_password(user, password):
            return _message(404, "user not found")
        return _message(200, "User password updated")

    def _change_password(self, request: Request, user: int | None) -> Answer:
        given, (login, _) = json.loads(request.body), request.basic_auth() or ("", "")
        if user is None or self._store.user(login, str(given["oldPassword"])) != user:
            return _message(401, "Invalid old password")
        answer = self._set_password(user, str(given["newPassword"]))
        return _message(200, "User password changed") if answer.status == 200 else answer

    def _search(self, request: Request) -> Answer:
        wanted = request.parameter("query").lower()
        return Answer.json(
            [
                {
                    "uid": uid,
                    "title": each["dashboard"]["title"],
                    "type": "dash-db",
                    "uri": f"db/{uid}",
                    "url": f"/d/{uid}/{uid}",
                    "tags": each["dashboard"].get("tags") or [],
                    "folderTitle": each["folder"],
                }
                for uid, each in provisioning.dashboards(self._folder).items()
                if wanted in str(each["dashboard"]["title"]).lower()
            ]
        )

    def _dashboard(self, uid: str) -> Answer:
        found = provisioning.dashboards(self._folder).get(uid)
        if not found:
            return _message(404, "Dashboard not found")
        meta = {
            "provisioned": True,
            "provisionedExternalId": found["file"],
            "folderTitle": found["folder"],
        }
        return Answer.json({"dashboard": found["dashboard"], "meta": meta})

    def _annotations(self, request: Request) -> Answer:
        tags = set(request.query.get("tags", []))
        begun, ended = int(request.parameter("from", "0")), int(request.parameter("to", "0"))
        found = [
            each
            for each in self._store.annotations()
            if tags <= set(each["tags"])
            and each["time"] >= begun
            and (not ended or each["time"] <= ended)
        ]
        return Answer.json(found[: int(request.parameter("limit", "100"))])

    def _health(self, uid: str) -> Answer:
        found = [each for each in self._sources if each["uid"] == uid]
        if not found:
            return _message(404, "Data source not found")
        if found[0]["type"] in self._disabled:
            return _message(404, "[plugin.notRegistered] plugin not registered")
        if time.monotonic() < self._plugins_ready_at:
            return _message(503, "[plugin.unavailable] plugin unavailable")
        if words := _refusal(found[0]):
            return Answer.json({"status": "ERROR", "message": words}, 400)
        return Answer.json({"status": "OK", "message": "Data source successfully connected."})


def _refusal(source: dict[str, Any]) -> str:
    """What is wrong with a datasource; empty where it answers as it should."""
    address = f"{source.get('url', '')}".rstrip("/") + _HEALTH.get(source["type"], "")
    try:
        request = urllib.request.Request(address)
        if source.get("basicAuth"):
            password = (source.get("secureJsonData") or {}).get("basicAuthPassword", "")
            pair = f"{source.get('basicAuthUser', '')}:{password}".encode()
            request.add_header("Authorization", f"Basic {base64.b64encode(pair).decode()}")
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=10) as answer:
            body = answer.read()
    except urllib.error.HTTPError as error:
        return f"{address}: {error.code} {error.reason}"
    except (OSError, ValueError) as error:
        return f"{address}: {error}"
    if source["type"] in _HEALTH and b'"success"' not in body:
        return f"{address}: not what a {source['type']} answers"
    return ""


def _shown(source: dict[str, Any]) -> dict[str, Any]:
    """Without what nobody may read back."""
    hidden = source.get("secureJsonData") or {}
    fields = {name: bool(value) for name, value in hidden.items()}
    shown = {name: value for name, value in source.items() if name != "secureJsonData"}
    return {**shown, "readOnly": not source.get("editable", False), "secureJsonFields": fields}


def _message(status: int, words: str) -> Answer:
    return Answer.json({"message": words}, status)
