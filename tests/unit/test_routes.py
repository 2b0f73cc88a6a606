"""The way to an address is the one that OpenSSH's configuration makes of it."""

import os
import pwd
from pathlib import Path

import pytest

from configs.routes import Route, RouteError, route_from, route_of
from configs.schema import Ssh


def _route(folder: Path, config: str, address: str = "web", **ssh: object) -> Route:
    path = folder / "ssh_config"
    path.write_text(config)
    return route_of(address, Ssh.model_validate({"config": str(path), **ssh}))


def test_an_address_of_its_own_leads_nowhere_else(tmp_path: Path) -> None:
    route = _route(tmp_path, "", "10.9.0.11")
    assert (route.hostname, route.port, route.destination) == ("10.9.0.11", 22, "")
    assert not route.has_proxy


def test_a_host_name_leads_elsewhere_and_says_so(tmp_path: Path) -> None:
    route = _route(tmp_path, "Host w*\n HostName 10.9.0.99\n Port 2222\n")
    assert route.destination == "to 10.9.0.99, port 2222"
    assert route.key_name == "[10.9.0.99]:2222"


def test_what_the_inventory_says_wins(tmp_path: Path) -> None:
    known = tmp_path / "known"
    config = "Host *\n Port 2222\n UserKnownHostsFile /nowhere/else\n"
    route = _route(tmp_path, config, port=2200, known_hosts=str(known))
    assert route.port == 2200
    assert known in route.known_hosts and Path("/nowhere/else") not in route.known_hosts


def test_jumps_may_be_nested(tmp_path: Path) -> None:
    route = _route(tmp_path, "Host web\n ProxyJump a,me@b:2201\n")
    assert route.has_proxy
    assert "a,me@b:2201" in route.destination
    command = route.proxy_command
    assert command[0] == "ssh" and command[-1] == "ssh://me@b:2201"
    assert command[command.index("-J") + 1] == "a"
    assert command[command.index("-W") + 1] == "[web]:22"
    assert command[command.index("-F") + 1] == str(tmp_path / "ssh_config")


@pytest.mark.parametrize("option", ["ProxyJump", "ProxyCommand"])
def test_none_means_no_proxy(tmp_path: Path, option: str) -> None:
    config = f"Host web\n {option} none\nHost *\n {option} other\n"
    assert not _route(tmp_path, config).has_proxy


def test_the_tokens_of_a_proxy_command_are_replaced(tmp_path: Path) -> None:
    config = "Host web\n HostName real\n ProxyCommand relay %h %p %r %n %%\n"
    assert _route(tmp_path, config, user="me").command == "relay real 22 me web %"


def test_a_proxy_command_that_cannot_be_followed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RouteError, match="%C in ProxyCommand"):
        _route(tmp_path, "Host web\n ProxyCommand relay %C\n")


def test_a_proxy_command_that_hands_over_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RouteError, match="ProxyUseFdpass yes for web") as refusal:
        _route(tmp_path, "Host web\n ProxyCommand relay\n ProxyUseFdpass yes\n")
    assert refusal.value.trouble.expected == "a ProxyCommand that carries the connection itself"
    assert refusal.value.trouble.remedy == (
        "leave out ProxyUseFdpass for this host, and let the command connect its own input and"
        " output, as nc does"
    )


def test_the_tokens_that_there_are_are_named(tmp_path: Path) -> None:
    with pytest.raises(RouteError) as refusal:
        _route(tmp_path, "Host web\n ProxyCommand relay %z\n")
    assert refusal.value.trouble.expected.startswith("one of the tokens %%, %L, %d, %h")
    assert "without it, or use ProxyJump" in refusal.value.trouble.remedy


def test_a_configuration_that_ssh_refuses_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(RouteError, match="ssh refuses its configuration: ") as refusal:
        _route(tmp_path, "Nonsense yes\n")
    assert refusal.value.trouble.expected == "a configuration that ssh accepts"
    assert refusal.value.trouble.remedy.startswith("see what it says: ssh -G -F ")


def test_a_configuration_without_ssh_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RouteError, match="no program ssh, and a configuration of it") as refusal:
        _route(tmp_path, "", "10.9.0.250")
    assert refusal.value.trouble.expected == "OpenSSH's client, which reads it"
    assert refusal.value.trouble.remedy == "install it: apt-get install openssh-client"


def test_agents_certificates_and_aliases_are_taken_over(tmp_path: Path) -> None:
    config = (
        "Host web\n IdentityAgent ~/agent.sock\n CertificateFile ~/c-cert.pub\n"
        " HostKeyAlias known-as\n ConnectTimeout 7\n"
    )
    route = _route(tmp_path, config)
    assert route.agent == str(Path("~/agent.sock").expanduser())
    assert route.certificates == (Path("~/c-cert.pub").expanduser(),)
    assert (route.key_name, route.certificate_name) == ("known-as", "known-as")
    assert route.connect_timeout_s == 7


def test_a_job_that_has_another_home_finds_the_file_that_it_wrote_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Path(pwd.getpwuid(os.getuid()).pw_dir)
    monkeypatch.setenv("HOME", str(tmp_path / "github"))
    options = {"userknownhostsfile": [f"{account}/.ssh/known_hosts /etc/others"]}
    found = route_from(options, "web", "root").known_hosts
    assert found[:3] == (
        tmp_path / "github/.ssh/known_hosts",
        account / ".ssh/known_hosts",
        Path("/etc/others"),
    )
    monkeypatch.setenv("HOME", str(account))
    assert route_from(options, "web", "root").known_hosts[0] == account / ".ssh/known_hosts"
