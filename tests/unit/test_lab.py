"""The lab's logic, as far as it needs neither root nor a network."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

from configs.versions import load_versions
from tests.lab import __main__ as command_line
from tests.lab import (
    names,
    network,
    paths,
    preflight,
    report,
    resolver,
    shell,
    standin_packages,
    state,
)
from tests.lab.base import carried_apt_settings, recipe_key
from tests.lab.grafana_repository import Repository
from tests.lab.inventory import inventory_text
from tests.lab.keys import known_hosts
from tests.lab.lab import Lab, plan
from tests.lab.machine import Login, Machine, console
from tests.lab.mounts import mounts
from tests.lab.php_repository import PhpRepository
from tests.lab.pins import newest_first, pinned
from tests.lab.process import Process, start_time
from tests.lab.prometheus import Release, tar_gz, upstream_version
from tests.lab.shell import LabError
from tests.lab.size import Size, cpuinfo, meminfo, online, parse_sizes

SUBNET = IPv4Network("10.66.0.0/24")
MACHINE = Machine("vpsmanager", "vpsmanager", "10.66.0.21", Size(2, 4096))


# names


@pytest.mark.parametrize("lab", ["demo", "a", "a-lab-with-quite-a-long-name"])
@pytest.mark.parametrize("machine", ["observability", "vpsmanager", "vpsmanager12"])
def test_interface_names_fit_the_kernel(lab: str, machine: str) -> None:
    for name in (names.bridge_name(lab), names.veth_name(lab, machine)):
        assert 0 < len(name) <= 15


def test_interface_names_differ() -> None:
    labs = ["demo", "demo-2", "a-lab-with-quite-a-long-name", "a-lab-with-quite-a-long-game"]
    machines = ["observability", "vpsmanager", "vpsmanager1", "vpsmanager2"]
    made = [names.bridge_name(lab) for lab in labs]
    made += [names.veth_name(lab, machine) for lab in labs for machine in machines]
    assert len(set(made)) == len(made)


def test_short_names_stay_readable() -> None:
    assert names.bridge_name("demo") == "lab-demo"


def test_no_labs_namespaces_are_taken_for_anothers() -> None:
    other = names.namespace_name("demo-2", "vpsmanager")
    assert not other.startswith(names.namespace_prefix("demo"))


@pytest.mark.parametrize("name", ["", "Demo", "a.b", "a/b", "-a", "2a", "a_b", "a" * 31])
def test_bad_lab_names_are_refused(name: str) -> None:
    with pytest.raises(LabError, match="cannot name a lab"):
        Lab(name)


# sizes


def test_sizes_are_read() -> None:
    assert parse_sizes(["observability=1x2048", "vpsmanager2=4x8192"]) == {
        "observability": Size(1, 2048),
        "vpsmanager2": Size(4, 8192),
    }


@pytest.mark.parametrize("text", ["vpsmanager", "=1x1024", "a=1", "a=0x1024", "a=1x1g", "a=1x64"])
def test_bad_sizes_are_refused(text: str) -> None:
    with pytest.raises(LabError):
        parse_sizes([text])


def test_meminfo_says_the_size() -> None:
    lines = dict(line.split(":") for line in meminfo(Size(1, 2048)).splitlines())
    amounts = {name: int(amount.split()[0]) for name, amount in lines.items()}
    assert amounts["MemTotal"] == 2048 * 1024
    assert 0 < amounts["MemFree"] < amounts["MemAvailable"] < amounts["MemTotal"]
    assert amounts["SwapTotal"] == 0


def test_cpuinfo_keeps_the_first_cpus() -> None:
    whole = "processor\t: 0\nflags\t: a\n\nprocessor\t: 1\nflags\t: a\n\n"
    assert cpuinfo(Size(1, 1024), whole) == "processor\t: 0\nflags\t: a\n\n"
    assert cpuinfo(Size(2, 1024), whole) == whole
    assert (online(Size(1, 1024)), online(Size(2, 1024))) == ("0\n", "0-1\n")


# the plan


def test_default_plan() -> None:
    observability, vpsmanager = plan(SUBNET, 1, {})
    assert observability == Machine("observability", "observability", "10.66.0.11", Size(1, 2048))
    assert vpsmanager == MACHINE


def test_a_machines_own_size_wins_over_its_roles() -> None:
    sizes = {"vpsmanager": Size(1, 1024), "vpsmanager2": Size(2, 2048)}
    machines = {machine.name: machine for machine in plan(SUBNET, 3, sizes)}
    assert list(machines) == ["observability", "vpsmanager1", "vpsmanager2", "vpsmanager3"]
    assert machines["vpsmanager1"].size == machines["vpsmanager3"].size == Size(1, 1024)
    assert machines["vpsmanager2"].size == Size(2, 2048)
    assert machines["vpsmanager3"].address == "10.66.0.23"


@pytest.mark.parametrize(
    ("subnet", "apps", "sizes"),
    [
        (SUBNET, 0, {}),
        (SUBNET, 1, {"vpsmanager2": Size(1, 1024)}),
        (IPv4Network("10.66.0.0/28"), 1, {}),
        (SUBNET, 300, {}),
    ],
)
def test_impossible_plans_are_refused(
    subnet: IPv4Network, apps: int, sizes: dict[str, Size]
) -> None:
    with pytest.raises(LabError):
        plan(subnet, apps, sizes)


# the network

ROUTES = json.dumps(
    [
        {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"},
        {"dst": "192.0.2.0/24", "dev": "eth0"},
        {"dst": "198.51.100.7", "dev": "tun0"},
        {"dst": "10.66.0.0/24", "dev": "lab-demo"},
    ]
)


def test_a_free_subnet_and_ones_own_are_accepted() -> None:
    routes = network.parse_routes(ROUTES)
    network.refuse_taken_subnet(SUBNET, "lab-demo", routes, {})
    network.refuse_taken_subnet(IPv4Network("10.67.0.0/24"), "lab-other", routes, {})


@pytest.mark.parametrize(
    ("subnet", "named"),
    [
        ("10.66.0.0/25", "10.66.0.0/24 by lab-demo"),
        ("192.0.0.0/16", "192.0.2.0/24 by eth0"),
        ("198.51.100.0/24", "198.51.100.7/32 by tun0"),
        ("203.0.113.0/24", "a mirror"),
    ],
)
def test_a_taken_subnet_is_refused_by_name(subnet: str, named: str) -> None:
    routes = network.parse_routes(ROUTES)
    with pytest.raises(LabError, match=named) as refusal:
        network.refuse_taken_subnet(
            IPv4Network(subnet), "lab-new", routes, {"203.0.113.80": "a mirror"}
        )
    assert "--subnet" in str(refusal.value)


@pytest.mark.parametrize("text", ["10.66.0.1/24", "somewhere", "10.66.0.0/33"])
def test_no_subnet(text: str) -> None:
    with pytest.raises(LabError, match="--subnet"):
        network.parse_subnet(text)


def test_only_the_labs_subnet_is_masqueraded() -> None:
    rules = network.nft_ruleset("two-words", SUBNET)
    assert rules.startswith("table ip chom_lab_two_words {")
    assert "ip saddr 10.66.0.0/24 ip daddr != 10.66.0.0/24 masquerade" in rules


def test_loopback_name_servers_are_not_handed_on(tmp_path: Path) -> None:
    stub, real = tmp_path / "stub", tmp_path / "real"
    stub.write_text("nameserver 127.0.0.53\noptions edns0\n")
    with pytest.raises(LabError, match="no name server"):
        resolver.resolv_conf((stub, real))
    real.write_text("# a comment\nnameserver 192.0.2.53\nnameserver fe80::1%eth0\n")
    assert resolver.resolv_conf((stub, real)) == real.read_text()
    assert resolver.name_servers(real.read_text()) == ["192.0.2.53", "fe80::1"]


# processes


@pytest.fixture
def sleeper() -> Iterator[Process]:
    with subprocess.Popen(["sleep", "60"]) as child:
        yield Process.of(child.pid)
        child.kill()


def test_a_process_is_recognised_and_ended(sleeper: Process) -> None:
    assert sleeper.alive()
    assert sleeper.terminate(limit=5)
    assert not sleeper.alive()


def test_a_number_given_to_another_process_is_left_alone(sleeper: Process) -> None:
    earlier = replace(sleeper, started=sleeper.started - 1)
    assert not earlier.alive()
    assert earlier.terminate(limit=0)
    assert sleeper.alive()


def test_a_program_that_could_not_start_is_not_alive() -> None:
    assert not Process(os.getpid(), 0).alive()


def test_start_time_of_a_program_with_an_awkward_name(tmp_path: Path) -> None:
    def stat(status: str) -> str:
        return f"7 (a) b (c)) {status} " + " ".join(str(number) for number in range(1, 40))

    (tmp_path / "7").mkdir()
    (tmp_path / "7/stat").write_text(stat("S"))
    assert start_time(7, tmp_path) == 19
    (tmp_path / "7/stat").write_text(stat("Z"))
    assert start_time(7, tmp_path) is None
    assert start_time(8, tmp_path) is None


# files


def test_inventory_is_what_the_deploy_reads() -> None:
    release = Release("2.53.3", "amd64", "ab" * 32)
    repository = Repository("http://10.66.0.1:8066/grafana", "CD" * 20, ("loki",))
    php = PhpRepository("http://10.66.0.1:8066/php", "EF" * 20)
    text = inventory_text(".lab/demo", plan(SUBNET, 1, {}), "10.66.0.1", release, repository, php)
    assert text.startswith("# written by tests.lab; safe to delete\n")
    assert yaml.safe_load(text) == {
        "ssh": {
            "user": "deploy",
            "port": 22,
            "key": ".lab/demo/key",
            "known_hosts": ".lab/demo/known_hosts",
        },
        "targets": {
            "observability": {"role": "observability", "address": "10.66.0.11"},
            "vpsmanager": {"role": "vpsmanager", "address": "10.66.0.21"},
        },
        "settings": {
            "network": {"admin_networks": ["10.66.0.1/32"]},
            "prometheus": {
                "version": "2.53.3",
                "base_url": "http://10.66.0.1:8066/prometheus/prometheus/releases/download",
                "sha256": {"amd64": "ab" * 32},
            },
            "grafana_apt": {
                "url": "http://10.66.0.1:8066/grafana",
                "key_url": "http://10.66.0.1:8066/grafana/gpg.key",
                "fingerprints": ["CD" * 20],
            },
            "php_apt": {
                "url": "http://10.66.0.1:8066/php",
                "key_url": "http://10.66.0.1:8066/php/apt.gpg",
                "fingerprints": ["EF" * 20],
            },
        },
    }


def test_inventory_names_versions_only_of_packages_without_their_pin() -> None:
    """With real packages of other releases; one of the pinned version needs no setting."""
    versions = {"loki": ["3.9.0", "3.8.1"], "grafana": [pinned("grafana")], "alloy": ["1.20.1-1"]}
    repository = Repository("http://10.66.0.1:8066/grafana", "CD" * 20, (), versions)
    release, php = Release("2.53.3", "amd64", "ab" * 32), PhpRepository("http://x/php", "EF" * 20)
    text = inventory_text(".lab/demo", plan(SUBNET, 1, {}), "10.66.0.1", release, repository, php)
    settings = yaml.safe_load(text)["settings"]
    assert settings["loki"] == {"version": "3.9.0"}
    assert settings["logs"] == {"version": "1.20.1-1"}
    assert "grafana" not in settings


def test_pins_are_read_as_the_deploy_reads_them() -> None:
    for name in standin_packages.NAMES:
        assert pinned(name) == load_versions().pins.version_of(name)
    with pytest.raises(LabError, match="pins no tempo"):
        pinned("tempo")
    assert newest_first(["1.9-1", "1.18.1-1", "1.10~rc1"]) == ["1.18.1-1", "1.10~rc1", "1.9-1"]


def test_ssh_takes_the_path_of_known_hosts_as_it_is() -> None:
    """With blanks it would take one path for several, and expand what begins with a %."""
    folder = '/home/a b/my "lab" 5%h'
    command = Login(Path(f"{folder}/key"), Path(f"{folder}/known")).command("10.0.0.1", "root")
    done = subprocess.run([command[0], "-G", *command[1:]], capture_output=True, text=True)
    options = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert options["userknownhostsfile"] == f"{folder}/known"


def test_known_hosts_leaves_the_comment_out() -> None:
    text = known_hosts({"10.66.0.11": ["ssh-ed25519 AAAA root@observability\n", "ssh-rsa BBBB x"]})
    assert text == "10.66.0.11 ssh-ed25519 AAAA\n10.66.0.11 ssh-rsa BBBB\n"


def test_state_survives_the_disk(tmp_path: Path) -> None:
    here = Process.of(os.getpid())
    saved = state.State(
        "demo", str(SUBNET), [MACHINE], "/base", here, {"vpsmanager": here}, ready=True
    )
    saved.save(tmp_path / "lab.json")
    assert state.load(tmp_path / "lab.json") == saved
    assert saved.running()
    assert not replace(saved, ready=False).running()
    assert not replace(saved, booted={"vpsmanager": Process(here.pid, 1)}).running()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 0}', '{"format": 1}'])
def test_a_state_that_cannot_be_read_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "lab.json").write_text(text)
    assert state.load(tmp_path / "lab.json") is None
    assert state.load(tmp_path / "missing") is None


def test_mounts_with_blanks_in_their_names(tmp_path: Path) -> None:
    table = tmp_path / "mounts"
    table.write_text("none /a\\040b cgroup2 rw 0 0\n")
    [mount] = mounts(table)
    assert (mount.target, mount.kind, mount.options) == (Path("/a b"), "cgroup2", "rw")


# the base and the mirror


def test_only_what_apt_needs_to_download_is_carried_over() -> None:
    dump = (
        'APT::Architecture "amd64";\n'
        'Acquire::Check-Date "false";\n'
        'Acquire::http::Proxy "http://192.0.2.9:3128";\n'
        'Acquire::GzipIndexes "true";\n'
    )
    carried = carried_apt_settings(dump)
    assert (
        carried == 'Acquire::Check-Date "false";\nAcquire::http::Proxy "http://192.0.2.9:3128";\n'
    )
    assert recipe_key(carried) != recipe_key("")


@pytest.mark.parametrize("debian", ["2.53.3+ds1-2", "2.53.3-1~bpo12+1", "1:2.53.3", "2.53.3"])
def test_upstream_version(debian: str) -> None:
    assert upstream_version(debian) == "2.53.3"


def test_the_same_files_make_the_same_tarball(tmp_path: Path) -> None:
    program, text = tmp_path / "program", tmp_path / "text"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o775)
    text.write_text("words\n")
    first = tar_gz("top", {"b": text, "a": program})
    os.utime(text, (1, 1))
    assert tar_gz("top", {"a": program, "b": text}) == first
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        assert archive.getnames() == ["top", "top/a", "top/b"]
        assert [entry.mode for entry in archive] == [0o755, 0o755, 0o644]


# errors


def test_a_failing_program_is_one_line() -> None:
    with pytest.raises(LabError) as failure:
        shell.run("sh", "-c", "echo first >&2; echo no such thing >&2; exit 3")
    line = str(failure.value)
    assert line.endswith("failed with exit code 3: no such thing")
    assert "\n" not in line


def test_a_missing_program_and_a_slow_one() -> None:
    with pytest.raises(LabError, match="no-such-program-here is not installed"):
        shell.run("no-such-program-here")
    with pytest.raises(LabError, match="did not end within"):
        shell.run("sleep", "5", timeout=0.05)


def test_missing_programs_are_named_by_package(monkeypatch: pytest.MonkeyPatch) -> None:
    gone: Callable[[str], str | None] = {"ssh": "/usr/bin/ssh", "ip": "/usr/sbin/ip"}.get
    monkeypatch.setattr("shutil.which", gone)
    with pytest.raises(LabError, match=r"apt-get install .*debootstrap.*nftables.*") as missing:
        preflight.check_programs()
    assert "iproute2" not in str(missing.value)


def test_old_kernels_and_those_without_overlayfs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preflight.check_kernel("6.12.0-amd64")
    with pytest.raises(LabError, match="too old"):
        preflight.check_kernel("5.10.0-28-amd64")
    filesystems = tmp_path / "filesystems"
    filesystems.write_text("nodev\tproc\n")
    monkeypatch.setattr(preflight, "run", lambda *command, check: None)
    with pytest.raises(LabError, match="overlayfs"):
        preflight.check_overlay(filesystems)


def test_the_console_is_readable(tmp_path: Path) -> None:
    log = tmp_path / "console"
    log.write_text("\n".join(f"\x1b[0;32mline {number}\x1b[0m\r" for number in range(30)))
    said = console(log, lines=2)
    assert said == "; its console said last:\n  line 28\n  line 29"
    assert console(tmp_path / "missing") == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["up", "--size", "vpsmanager=big"], "is not a size"),
        (["up", "--subnet", "nowhere"], "--subnet nowhere"),
        (["up", "--name", "No"], "cannot name a lab"),
        (["ssh", "vpsmanager", "--name", "no-such-lab", "true"], "there is no lab no-such-lab"),
        (["reset", "--name", "no-such-lab"], "there is no lab no-such-lab"),
    ],
)
def test_errors_are_printed_as_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("lab: ")
    assert words in printed.err
    assert printed.err.count("\n") == 1


def test_not_root(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert command_line.main(["up", "--name", "no-such-lab"]) == 1
    assert capsys.readouterr().err == "lab: the lab needs root: run it with sudo\n"


# status


def test_status_of_a_lab_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["status", "--name", "no-such-lab", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["running"] is False
    assert found["machines"] == []


def test_status_of_a_crashed_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "lab_folder", lambda name: tmp_path)
    dead = Process(os.getpid(), 1)
    crashed = state.State(
        "demo", str(SUBNET), [MACHINE], "/base", dead, {"vpsmanager": dead}, ready=True
    )
    crashed.save(tmp_path / "lab.json")
    found = report.status(Lab.saved("demo"))
    assert found["running"] is False
    assert found["mirror"] == {"url": "http://10.66.0.1:8066", "pid": None}
    assert found["machines"] == [
        {
            "name": "vpsmanager",
            "address": "10.66.0.21",
            "role": "vpsmanager",
            "vcpus": 2,
            "memory_mb": 4096,
            "state": "stopped",
            "pid": None,
        }
    ]


def test_importing_the_lab_needs_no_package() -> None:
    bare = [sys.executable, "-S", "-c", "import tests.lab.__main__"]
    assert subprocess.run(bare, cwd=paths.PROJECT, timeout=120).returncode == 0
