"""Packages are removed with a fake apt: what goes, what stays, and where it stops."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tasks.operations import uninstalling
from tasks.operations.apt import apt_script

# A machine's packages as a file: name → state, whether it was asked for, and what it needs. Each
# of these programs does with it what Debian's does, as far as the scripts go.
FAKE = '''\
#!{python}
import json, os, sys
from pathlib import Path
from typing import Any
path, log = Path(os.environ["FAKE_DPKG"]), Path(os.environ["FAKE_LOG"])
packages = json.loads(path.read_text())
program, words = os.path.basename(sys.argv[0]), sys.argv[1:]
plain, skip = [], False
for word in words:
    if skip:
        skip = False
    elif word in ("-o", "-W", "-f"):
        skip = word == "-o"
    elif not word.startswith("-"):
        plain.append(word)


def is_there(name):
    return packages.get(name, {{}}).get("state") == "installed"


def goes(names):
    """What cannot stay without these."""
    gone = set(names)
    while True:
        more = {{n for n, p in packages.items() if is_there(n) and n not in gone
                and any(not set(either.split("|")) - gone for either in p["needs"])}}
        if not more:
            return sorted(n for n in gone if is_there(n))
        gone |= more


if program == "dpkg-query":
    form = next(w for w in words if w.startswith("-f="))[3:]
    for name in plain or packages:
        if name in packages:
            p = packages[name]
            abbreviated = {{"installed": "ii ", "config-files": "rc "}}.get(p["state"], "un ")
            line = form.replace("${{db:Status-Status}}", p["state"]).replace("${{Package}}", name)
            line = line.replace("${{db:Status-Abbrev}}", abbreviated)
            line = line.replace("${{source:Package}}", p.get("source", name))
            sys.stdout.write(line.replace("\\\\n", "\\n"))
elif program == "apt-mark":
    for name in plain[1:]:
        if plain[0].startswith("show"):
            if packages[name]["manual"] == (plain[0] == "showmanual"):
                print(name)
        else:
            packages[name]["manual"] = plain[0] == "manual"
elif program == "apt-get":
    command, names = plain[0], plain[1:]
    if command == "autoremove":
        used = {{n for n, p in packages.items() if is_there(n) and p["manual"]}}
        while True:
            more = {{e for n in used for either in packages[n]["needs"]
                    for e in either.split("|") if is_there(e)}} - used
            if not more:
                break
            used |= more
        gone = sorted(n for n in packages if is_there(n) and n not in used)
    else:
        gone = goes(names) if command == "remove" else names
    if "-s" in words:
        for name in gone:
            print("Remv", name, "[1.0]")
    else:
        with log.open("a") as file:
            print(command, *sorted(gone), file=file)
        for name in gone:
            packages[name]["state"] = {{"remove": "config-files", "purge": "gone",
                                       "install": "installed"}}[command]
        if command == "remove" and "FAKE_CUT" in os.environ:
            path.write_text(json.dumps(packages))
            os.kill(os.getppid(), 9)
            # Nobody waits for this one now: what it wrote later would be read half written.
            os._exit(0)
path.write_text(json.dumps(packages))
'''


class Machine:
    """A folder of fake programs, and the packages that they think there are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        for name in ("dpkg-query", "dpkg", "apt-get", "apt-mark", "systemctl"):
            program = folder / "bin" / name
            program.write_text(FAKE.format(python=sys.executable))
            program.chmod(0o755)
        self.log = folder / "log"

    def has(self, **packages: str) -> None:
        """Packages as ``manual`` or ``auto``, then what they need; ``_`` stands for ``-``."""
        made = {}
        for name, words in packages.items():
            marked, *needs = words.split()
            made[name.replace("_", "-")] = {
                "state": "installed", "manual": marked == "manual", "needs": needs,
            }  # fmt: skip
        (self.folder / "dpkg").write_text(json.dumps(made))

    def set(self, name: str, **values: str) -> None:
        found = self.packages()
        found[name].update(values)
        (self.folder / "dpkg").write_text(json.dumps(found))

    def packages(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = json.loads((self.folder / "dpkg").read_text())
        return found

    def states(self) -> dict[str, str]:
        return {name: each["state"] for name, each in self.packages().items()}

    def run(self, script: str, **more: str) -> "subprocess.CompletedProcess[str]":
        script = script.replace("/var/lib/chom", str(self.folder / "lib"))
        script = script.replace("/run/chom", str(self.folder / "run"))
        script = script.replace("/var/log/chom-apt.log", str(self.folder / "apt.log"))
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        environment: Mapping[str, str] = {
            **os.environ, **more, "PATH": path,
            "FAKE_DPKG": str(self.folder / "dpkg"), "FAKE_LOG": str(self.log),
        }  # fmt: skip
        return subprocess.run(
            ["sh", "-c", script], env=dict(environment), capture_output=True, text=True
        )

    def brought(self, *names: str) -> None:
        (self.folder / "lib").mkdir(exist_ok=True)
        (self.folder / "lib" / "packages.brought").write_text("".join(f"{n}\n" for n in names))

    def remove(
        self, purged: list[str], removed: list[str], last: bool = False, **more: str
    ) -> "subprocess.CompletedProcess[str]":
        return self.run(uninstalling.removal_script(purged, removed, True, last, 4), **more)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_what_came_along_goes_along(machine: Machine) -> None:
    machine.has(
        nginx="manual nginx-common", nginx_common="auto libc", libc="auto", sudo="manual libc"
    )
    machine.brought("nginx", "nginx-common")
    done = machine.remove(["nginx"], [])
    assert done.returncode == 0, done.stderr
    assert machine.states() == {
        "nginx": "gone", "nginx-common": "gone", "libc": "installed", "sudo": "installed",
    }  # fmt: skip


def test_what_somebody_has_installed_since_keeps_what_it_needs(machine: Machine) -> None:
    machine.has(
        python="manual libpython", libpython="auto", theirs="manual python extra", extra="auto"
    )
    machine.brought("python", "libpython")
    assert machine.remove(["python"], []).returncode == 0
    assert set(machine.states().values()) == {"installed"}
    # It is no longer there for our sake.
    assert machine.packages()["python"]["manual"] is False


def test_what_was_there_before_stays_even_if_nobody_needs_it(machine: Machine) -> None:
    machine.has(ours="manual old", old="auto", forgotten="auto")
    machine.brought("ours")
    assert machine.remove(["ours"], []).returncode == 0
    assert machine.states() == {"ours": "gone", "old": "installed", "forgotten": "installed"}


def test_one_that_could_stand_in_for_another_goes_too(machine: Machine) -> None:
    machine.has(base="manual mawk|gawk", mawk="auto", gawk="auto", ours="manual gawk")
    machine.brought("ours", "gawk")
    assert machine.remove(["ours"], []).returncode == 0
    assert machine.states() == {
        "base": "installed", "mawk": "installed", "gawk": "gone", "ours": "gone",
    }  # fmt: skip


def test_without_a_list_only_what_is_named_goes(machine: Machine) -> None:
    machine.has(ours="manual lib", lib="auto")
    assert machine.remove(["ours"], []).returncode == 0
    assert machine.states() == {"ours": "gone", "lib": "installed"}


def test_packages_of_the_source_that_has_data_keep_their_configuration(machine: Machine) -> None:
    machine.has(redis_server="manual redis-tools lib", redis_tools="auto", lib="auto", web="manual")
    machine.brought("redis-server", "redis-tools", "lib", "web")
    for name in ("redis-server", "redis-tools"):
        machine.set(name, source="redis")
    assert machine.remove(["web"], ["redis-server"]).returncode == 0
    assert machine.states() == {
        "redis-server": "config-files", "redis-tools": "config-files", "lib": "gone", "web": "gone",
    }  # fmt: skip
    # With the data, the rest goes; and nothing is left of what was noted down.
    assert machine.remove(["redis-server"], [], last=True).returncode == 0
    assert set(machine.states().values()) == {"gone"}
    assert list((machine.folder / "lib").iterdir()) == []


def test_nothing_goes_where_apt_would_touch_anything_else(machine: Machine) -> None:
    machine.has(ours="manual", old="auto ours")
    machine.brought("ours")
    done = machine.remove(["ours"], [])
    assert done.returncode == 1
    assert "apt would touch old, which are not ours" in done.stderr
    assert set(machine.states().values()) == {"installed"}
    assert machine.packages()["ours"]["manual"] is True


def test_a_removal_that_was_cut_off_is_purged_by_the_next(machine: Machine) -> None:
    machine.has(ours="manual lib", lib="auto")
    machine.brought("ours", "lib")
    assert machine.remove(["ours"], [], FAKE_CUT="1").returncode != 0
    assert machine.states() == {"ours": "config-files", "lib": "config-files"}
    assert machine.remove(["ours"], []).returncode == 0
    assert machine.states() == {"ours": "gone", "lib": "gone"}


def test_with_nothing_to_remove_nothing_is_asked_of_apt(machine: Machine) -> None:
    machine.has(other="manual")
    machine.set("other", state="config-files")
    assert machine.remove([], [], last=True).returncode == 0
    assert not machine.log.exists()
    assert machine.states() == {"other": "config-files"}


def test_what_a_transaction_brings_along_is_noted(machine: Machine) -> None:
    machine.has(old="manual", new="manual")
    machine.set("new", state="not-installed")
    script = apt_script(["new"], update=False, lock_timeout_s=4)
    script = script.replace("/usr/sbin/policy-rc.d", str(machine.folder / "policy"))
    done = machine.run(script.replace("/run/systemd", str(machine.folder / "systemd")))
    assert done.returncode == 0, done.stderr
    assert (machine.folder / "lib" / "packages.brought").read_text() == "new\n"
    assert not (machine.folder / "lib" / "packages.before").exists()
