"""The messages that no other test comes upon, each produced here."""

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.exceptions import OperationError
from pyinfra.context import ctx_host, ctx_state

import configs
from configs import ConfigurationError
from configs.__main__ import main
from configs.given import problems_of
from configs.migration import read_old_state
from configs.problems import render
from configs.secrets.initialising import initialise
from configs.secrets.store import changing, open_store
from state import integrity, naming, target_lock
from state.commands.alone import alone
from state.commands.remote import targets
from state.pruning import FILE, read_pruned
from state.reading import Unreadable
from state.refusing import Refusal
from state.store import Store
from tasks.component import Site
from tasks.operations.apt import add_suites
from tasks.preflight import check
from tasks.releases.rollback import chosen_app
from tasks.stacks import STACKS
from tasks.teardown.request import plans
from tasks.verification import verify
from tasks.verification.check import settle
from tests.unit.helpers import KEY, configuration, fake_state, hardware
from tests.unit.histories import Commands, deployed
from tests.unit.test_checkout_lock import HOLDS
from tests.unit.test_migrate import OLD
from tests.unit.test_preflight import health
from tests.unit.test_seam import read as read_options
from tests.unit.test_target_lock import ALICE, lock

TWO_IN_ONE_PLACE = """\
targets:
  watch: {role: observability, address: 10.9.0.11}
  web: {role: vpsmanager, address: 10.9.0.11}
"""
OLD_PHP = """\
targets:
  watch: {role: observability, address: 10.9.0.11}
  web: {role: vpsmanager, address: 10.9.0.21, settings: {php: {versions: ["8.4", "9.9"]}}}
"""


def test_two_targets_at_one_address(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        configuration(tmp_path, TWO_IN_ONE_PLACE)
    assert "10.9.0.11 with port 22, which watch has" in str(caught.value)
    assert "another address, or another SSH port, for every target" in str(caught.value)


def test_an_old_state_that_is_not_there_or_is_something_else(tmp_path: Path) -> None:
    state = tmp_path / "deployment.state"
    with pytest.raises(ConfigurationError, match="expected: a file to read"):
        read_old_state(state)
    state.write_text("status: completed\n")
    with pytest.raises(ConfigurationError, match="expected: the state in JSON"):
        read_old_state(state)


def test_a_secret_that_is_not_there(tmp_path: Path) -> None:
    environ = {"CHOM_SECRETS_KEY_FILE": str(tmp_path / "key")}
    path = tmp_path / ".secrets.env"
    initialise(path, environ)
    with pytest.raises(ConfigurationError, match=r"nothing\n.*expected: an encrypted value"):
        open_store(path, environ).secret("SMTP_PASSWORD")
    path.write_text(f"{path.read_text()}SMTP_PASSWORD=\n")
    with pytest.raises(ConfigurationError, match=r"nothing on line \d+\n.*an encrypted value"):
        open_store(path, environ).secret("SMTP_PASSWORD")


def on_fake(function: Any, responses: Mapping[str, Any]) -> Any:
    """What a function finds on a host with these answers."""
    state = fake_state(["web"], responses)
    with ctx_state.use(state), ctx_host.use(state.inventory.get_host("@fake/web")):
        return function()


def test_a_server_without_debians_archive() -> None:
    with pytest.raises(OperationError, match="apt reads no archive of trixie by that name"):
        on_fake(lambda: list(add_suites._inner(mirror=None, path="/etc/apt/x.sources")), {})


def test_a_server_that_does_not_tell_what_it_is(tmp_path: Path) -> None:
    target = configuration(tmp_path).targets["vpsmanager"]
    (finding,) = check(target, None, health())
    assert finding.found == "no answer to nproc, /proc/meminfo and df"
    (finding,) = check(target, hardware(disk_free_mb=4), health())
    assert finding.remedy == "free some, or lower preflight.vpsmanager.free_disk_mb"


def test_a_target_where_nothing_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.verification.check.PAUSE_S", 0.001)
    for module in ("verify", "dashboards", "metrics", "logs", "alerts"):
        monkeypatch.setattr(
            f"tasks.verification.{module}.settle",
            lambda find, limit_s: settle(find, 0.01),
            raising=False,
        )
    every = list(configuration(tmp_path).targets.values())
    site = Site(every[0], hardware(), every, [each.name for each in every], [22], {})
    checks = on_fake(lambda: verify.verify(site), {"curl": ["refused", "000"], "logger": ["no"]})
    told = {each.name: each.problem for each in checks}
    for name in (
        "its journal takes a line",
        "Prometheus hands its alerts to Alertmanager",
        "Grafana's datasource loki answers",
    ):
        assert told[name], name


def test_a_command_that_is_not_alone(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)],
        cwd=configs.PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout and other.stdout.readline() == "held\n"
        with (
            pytest.raises(Refusal, match="expected: nobody else at work in this checkout"),
            alone(Store(tmp_path), "prune"),
        ):
            pass
        other.kill()


def test_targets_are_not_reached_by_wrong_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gevent.monkey.patch_all", lambda: None)
    monkeypatch.setenv("CHOM_INVENTORY", str(tmp_path / "nowhere.yaml"))
    with (
        pytest.raises(Refusal, match="expected: settings that tell how targets are reached"),
        targets([]),
    ):
        pass


def test_a_record_and_a_list_that_cannot_be_read(tmp_path: Path) -> None:
    store = Store(tmp_path / "state")
    first = deployed(store, 1).deployment_id
    deployed(store, 2)
    store.path_of(first).unlink()
    store.path_of(first).mkdir()  # whoever is root may read every file
    with pytest.raises(Refusal, match="do: let your user read it"):
        naming.read(store, first)
    found = [each for each in integrity.verify(store).findings if each.kind == "unreadable"]
    assert [each.remedy for each in found] == ["let your user read it"]
    (store.folder / FILE).mkdir()
    with pytest.raises(Unreadable) as caught:
        read_pruned(store.folder)
    assert caught.value.found.startswith("cannot be read: ")


@pytest.mark.parametrize(
    ("message", "found"), [("x" * 201, "201 characters"), ("two\nlines", "more than one line")]
)
def test_a_message_that_is_no_short_line(message: str, found: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_options(yes=True, data=(f"message={message}",))
    assert found in str(caught.value)
    assert "one line of at most 200 characters" in str(caught.value)


def test_a_target_that_is_silent_about_its_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(host: object, command: str) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(target_lock, "start_command", start)
    with pytest.raises(target_lock.NoAnswer, match="did not answer for its lock: no route"):
        lock(ALICE).take()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "expected: a YAML file"),
        ("targets: [", "correct that line or the one above it"),
        ("ssh: {known_hosts: /}\n", "write the path of the file itself"),
        ("ssh: {known_hosts: nowhere}\n", "a file with the servers' host keys"),
    ],
)
def test_what_an_inventory_may_be_instead(tmp_path: Path, text: str | None, expected: str) -> None:
    inventory = tmp_path / "inventory.yaml"
    if text is not None:
        whole = "targets: {a: {role: observability, address: 10.9.0.1}}\n"
        inventory.write_text(text if text.startswith("targets") else f"{text}{whole}")
    with pytest.raises(ConfigurationError) as caught:
        configs.load(inventory, environ={})
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("lock_wait=soon", "say for how long to wait for another deploy to end"),
        ("only=", "name one, or leave it out"),
        ("plan=", "expected: a file's name"),
    ],
)
def test_data_that_make_no_sense(given: str, told: str) -> None:
    assert told in render(problems_of([given], ["deploy.py"]))


def test_a_key_at_a_place_that_there_cannot_be(tmp_path: Path) -> None:
    environ = {"CHOM_SECRETS_KEY_FILE": str(tmp_path / ("x" * 300))}
    path = tmp_path / ".secrets.env"
    initialise(path, {"CHOM_SECRETS_KEY_FILE": str(tmp_path / "key")})
    with pytest.raises(ConfigurationError, match="expected: a key file that you can read"):
        open_store(path, environ)


def test_a_secret_that_is_no_text(tmp_path: Path) -> None:
    environ = {"CHOM_SECRETS_KEY_FILE": str(tmp_path / "key")}
    path = tmp_path / ".secrets.env"
    initialise(path, environ)
    with (
        pytest.raises(ConfigurationError, match=r"do: +store it in base64"),
        changing(path, environ) as store,
    ):
        store.write({"SMTP_PASSWORD": "\udcff"})


def test_a_server_whose_packages_are_no_good(tmp_path: Path) -> None:
    target = configuration(tmp_path).targets["vpsmanager"]
    (finding,) = check(target, hardware(), health(mirror=""))
    assert finding.expected == "a Debian mirror in /etc/apt/sources.list or sources.list.d"
    (finding,) = check(target, hardware(), health(broken_packages=["a", "b"]))
    assert finding.found == "packages that must be reinstalled: a, b"


def test_names_that_must_be_given(tmp_path: Path) -> None:
    text = OLD_PHP.replace(
        "php: {",
        "apps: {blog: {domain: blog.example.org}, shop: {domain: shop.example.org}}, php: {",
    )
    every = list(configuration(tmp_path, text).targets.values())
    with pytest.raises(ConfigurationError) as caught:
        chosen_app(every, {})
    assert "nothing, and there are several applications" in str(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        plans(every, lambda name: [], {"only": "reddis"}, STACKS)
    assert "components, with commas between them: " in str(caught.value)
    shown = subprocess.run(
        [sys.executable, "-m", "configs", "show", "nobody"],
        env={**os.environ, "CHOM_INVENTORY": str(tmp_path / "inventory.yaml")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (shown.returncode, "name one of these, or none for all" in shown.stderr) == (1, True)


@pytest.mark.parametrize("command", [("prune", "--keep", "1"), ("sync",)])
def test_a_list_of_what_was_pruned_that_is_broken(
    tmp_path: Path,
    command: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store(tmp_path / "state")
    deployed(store, 1)
    deployed(store, 2)
    (store.folder / FILE).write_text("{")
    monkeypatch.setattr("state.commands.remote.targets", lambda names: nullcontext(([], [])))
    monkeypatch.setattr("state.record_key.required", lambda: KEY)
    said = Commands(store, capsys)(*command, code=1)
    assert "expected: the list of what was pruned before" in said


def test_a_target_that_is_in_no_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path / "state")
    deployed(store, 1)
    said = Commands(store, capsys)("show", "current", "nobody", code=1)
    assert "do: name one of these, or none for all" in said


def test_a_new_inventory_that_cannot_be_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new"
    old.write_text(OLD)
    (new / "inventory.yaml").mkdir(parents=True)
    assert main(["migrate", str(old), "--output", str(new)]) == 1
    said = capsys.readouterr().err
    assert "expected: a file that you can read" in said
    assert "do:       give --output DIR\n" in said
