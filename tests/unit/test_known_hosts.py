"""Lookups in known_hosts files have the results of OpenSSH's own."""

import subprocess
from pathlib import Path

import pytest

from state.known_hosts import known_keys


def _key(folder: Path, name: str, kind: str = "ed25519") -> str:
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)
    return " ".join(path.with_name(f"{name}.pub").read_text().split()[:2])


@pytest.mark.parametrize(
    ("hosts", "name"),
    [
        ("10.71.0.12", "10.71.0.12"),
        ("10.71.0.*", "10.71.0.12"),
        ("10.71.0.*", "10.72.0.12"),
        ("10.71.0.1?", "10.71.0.12"),
        ("*,!10.71.0.12", "10.71.0.12"),
        ("*,!10.71.0.12", "10.71.0.13"),
        ("web.example.org,10.71.0.12", "10.71.0.12"),
        ("WEB.example.org", "web.example.org"),
        ("[10.71.0.12]:2222", "[10.71.0.12]:2222"),
        ("[10.71.0.12]:2222", "10.71.0.12"),
        ("[10.71.0.*]:2222", "[10.71.0.12]:2222"),
        ("*", "[10.71.0.12]:2222"),
        ("web[1].example.org", "web1.example.org"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
@pytest.mark.parametrize("hashed", [False, True])
def test_a_line_is_about_the_servers_that_openssh_says(
    tmp_path: Path, hosts: str, name: str, hashed: bool
) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"{hosts} {_key(tmp_path, 'a')}\n")
    if hashed:
        subprocess.run(["ssh-keygen", "-H", "-f", known], check=True, capture_output=True)
    said = subprocess.run(["ssh-keygen", "-F", name, "-f", known], capture_output=True)
    assert bool(known_keys([known], name).keys) == (said.returncode == 0)


def test_markers_and_damaged_lines_concern_no_other_line(tmp_path: Path) -> None:
    first, authority, bad, last = (_key(tmp_path, name) for name in "abcd")
    known = tmp_path / "known_hosts"
    known.write_text(
        "# a comment\n\n"
        f"web {first}\n"
        f"@cert-authority *.example.org,web {authority}\n"
        f"@revoked * {bad}\n"
        f"@something web {bad}\n"
        "web ssh-ed25519 no-base64!\n"
        "web\n"
        f"web {last} a comment\n"
    )
    found = known_keys([known, tmp_path / "missing"], "web")
    assert len(found.keys) == 2
    assert len(found.authorities) == len(found.revoked) == 1
    assert not found.keys.keys() & (found.authorities.keys() | found.revoked.keys())


def test_a_port_falls_back_to_the_plain_name(tmp_path: Path) -> None:
    plain, ported = _key(tmp_path, "a"), _key(tmp_path, "b")
    known = tmp_path / "known_hosts"
    known.write_text(f"web {plain}\n")
    assert len(known_keys([known], "[web]:2222", "web").keys) == 1
    known.write_text(f"web {plain}\n[web]:2222 {ported}\n")
    assert known_keys([known], "[web]:2222", "web").keys == known_keys([known], "[web]:2222").keys
