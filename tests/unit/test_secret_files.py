"""A secret gets into a file by the ways that keep it from being shown, and by no other."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyinfra import host
from pyinfra.api import Host, State
from pyinfra.context import ctx_host, ctx_state

from configs.secrets import Needed, Secret
from tasks.component import Site, component, declare
from tasks.resources import secret, secret_text, text_file
from tests.unit.helpers import configuration, fake_state, hardware

DOOR = Needed("DOOR_PASSWORD", "what opens the door", "password")
VALUE = 'open "sesame"'


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Host]:
    """A host on which operations are declared now."""
    state: State = fake_state(["vpsmanager"])
    declaring = state.inventory.get_host("@fake/vpsmanager")
    with ctx_state.use(state), ctx_host.use(declaring):
        yield declaring


def site(folder: Path) -> Site:
    settings = configuration(folder)
    targets = list(settings.targets.values())
    secrets = {DOOR.name: Secret(DOOR.name, VALUE)}
    return Site(targets[1], hardware(), targets, ["vpsmanager"], [22], secrets)


def test_what_was_not_declared_is_not_given(door: Host, tmp_path: Path) -> None:
    @component(version="true")
    def burglar(site: Site) -> None:
        secret(DOOR)

    with pytest.raises(LookupError, match="burglar does not declare that it needs DOOR_PASSWORD"):
        declare({"vpsmanager": [burglar]}, site(tmp_path))


def test_a_file_that_is_shown_takes_no_secret(door: Host, tmp_path: Path) -> None:
    @component(version="true", secrets=[DOOR])
    def careless(site: Site) -> None:
        text_file("/etc/door", f"password: {secret(DOOR).reveal()}")

    with pytest.raises(ValueError, match="only secret_file") as refusal:
        declare({"vpsmanager": [careless]}, site(tmp_path))
    assert VALUE not in str(refusal.value)


def test_operations_do_not_show_what_they_write(door: Host, tmp_path: Path) -> None:
    @component(version="true", secrets=[DOOR])
    def careful(site: Site) -> None:
        secret_text("/etc/door", secret(DOOR).reveal())

    declare({"vpsmanager": [careful]}, site(tmp_path))
    (code,) = door.op_hash_order
    meta = door.state.op_meta[code]
    data = door.state.get_op_data_for_host(door, code)
    commands = list(data.command_generator())
    assert VALUE not in repr((meta, meta.names, meta.args, data, commands, host.data))
    assert commands[0].connector_arguments["_stdin"] == VALUE
    assert f"head -c {len(VALUE)} >" in str(commands[0])
    assert "umask 077" in str(commands[0]) and "chmod 600" in str(commands[0])
