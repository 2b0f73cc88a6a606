"""The stand-in for Grafana: where its settings come from, whom it admits, what it was given."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.standins.programs import grafana
from tests.lab.standins.programs import grafana_provisioning as provisioning
from tests.lab.standins.programs.grafana_api import Api
from tests.lab.standins.programs.grafana_provisioning import ProvisioningError
from tests.lab.standins.programs.grafana_settings import Settings, SettingsError
from tests.lab.standins.programs.grafana_store import Store
from tests.lab.standins.programs.web import Answer, Request, serve

# settings


def test_where_a_setting_comes_from(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-a-file\n")
    text = f"""
instance_name = x
[server]
http_port = 3001 ; a comment
root_url = https://a.example/#top
[security]
admin_password = $__file{{{secret}}}
[auth.anonymous]
enabled = true
"""
    settings = Settings(text, {"GF_SERVER_HTTP_PORT": "3002"}, ["cfg:default.paths.data=/data"])
    assert settings.get("server", "http_port") == "3002"
    assert settings.get("server", "root_url") == "https://a.example/#top"
    assert settings.get("security", "admin_password") == "from-a-file"
    assert settings.get("security", "admin_user") == "admin"
    assert settings.get("paths", "data") == "/data"
    assert settings.is_on("auth.anonymous", "enabled")
    off = Settings(text, {"GF_AUTH_ANONYMOUS_ENABLED": "false"}, ["cfg:server.http_port=3003"])
    assert not off.is_on("auth.anonymous", "enabled")
    assert off.get("server", "http_port") == "3003"


def test_a_setting_made_of_others() -> None:
    text = "[server]\ndomain = a.example\nroot_url = %(protocol)s://%(domain)s/grafana/\n"
    assert Settings(text, {}).get("server", "root_url") == "http://a.example/grafana/"


def test_settings_that_cannot_be_read() -> None:
    with pytest.raises(SettingsError, match=r"failed to parse grafana\.ini"):
        Settings("[server\nno section\n", {})
    missing = Settings("[security]\nadmin_password = $__file{/no/such/file}\n", {})
    with pytest.raises(SettingsError, match="/no/such/file"):
        missing.get("security", "admin_password")


def test_variables_of_the_container_image_are_of_no_use(
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = Settings("", {"GF_SECURITY_ADMIN_PASSWORD__FILE": "/x"})
    assert settings.get("security", "admin_password") == "admin"
    assert "GF_SECURITY_ADMIN_PASSWORD__FILE" in capsys.readouterr().err


# provisioning


def _provision(folder: Path, kind: str, text: str) -> None:
    (folder / kind).mkdir(parents=True, exist_ok=True)
    (folder / kind / f"{kind}.yaml").write_text(text)


def test_datasources_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_PASSWORD", "geheim")
    _provision(
        tmp_path,
        "datasources",
        "datasources:\n"
        "  - {name: One, type: loki, url: http://l, no_such_key: 1,"
        " secureJsonData: {basicAuthPassword: $A_PASSWORD, other: a$$b}}\n",
    )
    [source] = provisioning.datasources(tmp_path)
    assert source["secureJsonData"] == {"basicAuthPassword": "geheim", "other": "a$b"}
    assert source["access"] == "proxy"
    assert source["uid"]
    assert "no_such_key" not in source
    assert provisioning.datasources(tmp_path / "missing") == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "datasources: [{name: a, type: x, isDefault: true},"
            " {name: b, type: x, isDefault: true}]",
            "Only one datasource per organization can be marked as default",
        ),
        ("datasources: [{type: x}]", "name is required"),
        ("datasources: [", "Failed to read"),
    ],
)
def test_datasources_that_grafana_does_not_start_with(
    tmp_path: Path, text: str, words: str
) -> None:
    _provision(tmp_path, "datasources", text)
    with pytest.raises(ProvisioningError, match=words):
        provisioning.datasources(tmp_path)


# its answers


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    """One with a dashboard and two datasources, of which one answers."""
    loki = serve("127.0.0.1", 0, lambda request: Answer.json({"status": "success"}))
    _provision(
        tmp_path / "provisioning",
        "datasources",
        "datasources:\n"
        f"  - {{name: Loki, uid: loki, type: loki, url: 'http://127.0.0.1:{loki.server_port}',"
        " secureJsonData: {x: y}}\n"
        "  - {name: Gone, uid: gone, type: prometheus, url: 'http://127.0.0.1:1'}\n",
    )
    _provision(
        tmp_path / "provisioning",
        "dashboards",
        f"providers: [{{name: a, folder: Ours, options: {{path: {tmp_path / 'boards'}}}}}]\n",
    )
    (tmp_path / "boards").mkdir()
    (tmp_path / "boards/hosts.json").write_text('{"title": "Hosts", "uid": "hosts"}')
    (tmp_path / "boards/broken.json").write_text("{")
    settings = Settings(f"[paths]\nprovisioning = {tmp_path / 'provisioning'}\n", {})
    store = Store(tmp_path / "grafana.db")
    assert store.create_admin("admin", "first")
    assert not store.create_admin("admin", "second")
    yield Api(settings, store, provisioning.datasources(tmp_path / "provisioning"))
    loki.shutdown()
    loki.server_close()


def _ask(api: Api, how: str, password: str = "first", body: Any = None) -> tuple[int, Any]:
    method, _, path = how.partition(" ")
    path, _, query = path.partition("?")
    pairs = {name: [value] for name, _, value in (each.partition("=") for each in query.split("&"))}
    pair = b64encode(f"admin:{password}".encode()).decode()
    headers = {"authorization": f"Basic {pair}"} if password else {}
    given = api.answer(Request(method, path, pairs, headers, json.dumps(body).encode()))
    return given.status, json.loads(given.body)


def test_who_is_admitted(api: Api) -> None:
    assert _ask(api, "GET /api/health", "") == (
        200,
        {"database": "ok", "version": "13.2.3", "commit": "standin"},
    )
    assert _ask(api, "GET /api/datasources", "")[0] == 401
    assert _ask(api, "GET /api/datasources", "second")[0] == 401
    assert _ask(api, "GET /api/org")[0] == 200
    assert _ask(api, "POST /login", "", {"user": "admin", "password": "first"})[0] == 200
    assert _ask(api, "POST /login", "", {"user": "admin", "password": "no"})[0] == 401


def test_datasources_are_shown_without_their_secrets(api: Api) -> None:
    status, sources = _ask(api, "GET /api/datasources")
    assert status == 200
    assert [source["name"] for source in sources] == ["Loki", "Gone"]
    assert sources[0]["secureJsonFields"] == {"x": True}
    assert "secureJsonData" not in sources[0]
    assert _ask(api, "GET /api/datasources/uid/loki/health")[1]["status"] == "OK"
    status, answer = _ask(api, "GET /api/datasources/uid/gone/health")
    assert (status, answer["status"]) == (400, "ERROR")
    assert _ask(api, "GET /api/datasources/uid/no/health")[0] == 404


def test_data_sources_are_plugins_that_are_disabled_or_late(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ini = f"[paths]\nprovisioning = {tmp_path}/provisioning\n[plugins]\ndisable_plugins = mysql,x\n"
    sources = [{"name": "My", "uid": "my", "type": "mysql"}]
    store = Store(tmp_path / "grafana.db")
    disabled = Api(Settings(ini, {}), store, sources)
    status, answer = _ask(disabled, "GET /api/datasources/uid/my/health")
    assert status == 404 and "not registered" in answer["message"]

    monkeypatch.setattr("time.monotonic", lambda: 100.0)
    sources[0]["type"] = "other"
    late = Api(Settings(ini, {}), store, sources, plugins_ready_at=101)
    assert _ask(late, "GET /api/health", "")[0] == 200
    status, answer = _ask(late, "GET /api/datasources/uid/my/health")
    assert status == 503 and "unavailable" in answer["message"]
    monkeypatch.setattr("time.monotonic", lambda: 102.0)
    assert _ask(late, "GET /api/datasources/uid/my/health")[0] == 400


def test_datasources_are_read_again_when_asked(api: Api, tmp_path: Path) -> None:
    reload = "POST /api/admin/provisioning/datasources/reload"
    file = tmp_path / "provisioning/datasources/datasources.yaml"
    file.write_text("datasources: [{name: New, type: loki}]")
    assert len(_ask(api, "GET /api/datasources")[1]) == 2
    assert _ask(api, reload)[0] == 200
    assert [each["name"] for each in _ask(api, "GET /api/datasources")[1]] == ["New"]
    file.write_text("datasources: [{type: loki}]")
    assert _ask(api, reload)[0] == 500
    assert _ask(api, reload, "")[0] == 401


def test_below_a_path_of_a_proxy(tmp_path: Path) -> None:
    ini = "[server]\nroot_url = https://a.example/grafana/\nserve_from_sub_path = true\n"
    below = Api(Settings(ini, {}), Store(tmp_path / "grafana.db"), [])
    assert _ask(below, "GET /grafana/api/health", "")[0] == 200


def test_dashboards(api: Api) -> None:
    [found] = _ask(api, "GET /api/search?query=host")[1]
    assert (found["uid"], found["folderTitle"]) == ("hosts", "Ours")
    assert _ask(api, "GET /api/dashboards/uid/hosts")[1]["dashboard"]["title"] == "Hosts"
    assert _ask(api, "GET /api/dashboards/uid/broken")[0] == 404


def test_annotations_are_kept(api: Api) -> None:
    posted = {"text": "deployed", "tags": ["chom"], "time": 1000}
    assert _ask(api, "POST /api/annotations", body=posted)[1]["id"] == 1
    assert _ask(api, "POST /api/annotations", body={"tags": []})[0] == 400
    [kept] = _ask(api, "GET /api/annotations?tags=chom")[1]
    assert (kept["text"], kept["time"], kept["timeEnd"]) == ("deployed", 1000, 1000)
    assert _ask(api, "GET /api/annotations?tags=other")[1] == []
    assert _ask(api, "DELETE /api/annotations/1")[0] == 200
    assert _ask(api, "GET /api/annotations")[1] == []


def test_passwords_are_changed(api: Api) -> None:
    change = "PUT /api/admin/users/1/password"
    assert _ask(api, change, body={"password": "abc"})[0] == 400
    assert _ask(api, change, body={"password": "third"})[0] == 200
    assert _ask(api, "GET /api/org")[0] == 401
    own = {"oldPassword": "third", "newPassword": "fourth", "confirmNew": "fourth"}
    assert _ask(api, "PUT /api/user/password", "third", own)[0] == 200
    assert _ask(api, "GET /api/org", "fourth")[0] == 200


def test_the_admin_is_reset_on_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ini = tmp_path / "grafana.ini"
    ini.write_text(f"[paths]\ndata = {tmp_path}\n")
    command = ["cli", f"--config={ini}", "admin", "reset-admin-password"]
    assert grafana.main([*command, "longer"]) == 1
    store = Store(tmp_path / "grafana.db")
    store.create_admin("admin", "first")
    assert grafana.main([*command, "abc"]) == 1
    monkeypatch.setattr("sys.stdin", io.StringIO("from-stdin\n"))
    assert grafana.main([*command, "--password-from-stdin"]) == 0
    assert store.user("admin", "from-stdin") == 1
    assert "changed successfully" in capsys.readouterr().out
    assert grafana.main(["--version"]) == 0
    assert "stand-in" in capsys.readouterr().out
