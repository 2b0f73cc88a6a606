"""Outputs of well-known failures, as their programs print them, and what is said to do."""

import pytest

from state.remedies import remedy_for

SAMPLES = {
    "E: You don't have enough free space in /var/cache/apt/archives/.": "make room",
    "cp: error writing '/opt/x': No space left on device": "make room",
    "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 812 (apt-get)\n"
    "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process"
    " using it?": "apt's lock",
    "dpkg: error: dpkg frontend lock was locked by another process with pid 4183": "apt's lock",
    'nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)': "ss -Hltnp",
    'level=ERROR msg="listen tcp :9090: bind: address already in use"': "ss -Hltnp",
    "W: Failed to fetch http://deb.debian.org/debian/dists/trixie/InRelease  Temporary failure"
    " resolving 'deb.debian.org'": "resolv.conf",
    "curl: (6) Could not resolve host: github.com": "resolv.conf",
    "E: Failed to fetch http://deb.debian.org/debian/pool/main/n/nginx/nginx_1.26.3-3_amd64.deb"
    "  404  Not Found [IP: 151.101.2.132 80]": "mirror",
    "E: Failed to fetch http://x/Packages.xz  Hash Sum mismatch": "mirror",
    "curl: (22) The requested URL returned error: 404": "mirror",
    "mariadb.service: Main process exited, code=killed, status=9/KILL\n"
    "mariadb.service: Failed with result 'oom-kill'.": "memory",
    "sh: 1: Cannot allocate memory": "memory",
    "bash: line 1:  4711 Killed": "memory",
    "git@github.com: Permission denied (publickey).": "deploy key",
    "touch: cannot touch '/srv/x': Permission denied": "who owns",
    "touch: cannot touch '/srv/x': Read-only file system": "read-only",
    "the connection was lost, and could not be made again within 120 s: timed out;"
    " Service nginx was under way": "up and reachable",
    "FAILED: parsing YAML file prometheus.yml: yaml: line 3\n"
    "the new prometheus.yml was refused by its checker; the old one stays": "correct the setting",
    "http://m/prometheus.tar.gz: expected sha256 00, but 11 came; nothing was unpacked": "pinned",
    "E: Release file for http://x/InRelease is not valid yet (invalid for another 3h)": "clock",
    "curl: (28) Failed to connect to github.com port 443: Connection timed out": "does not reach",
    "E: Unable to locate package grafana": "no such package",
    "The following signatures couldn't be verified because the public key is not available:"
    " NO_PUBKEY 9E439B102CF3C0C6": "signed",
    "The following packages have unmet dependencies:": "contradict",
    "loki.service: not ready within 60 s; its journal says:": "answer in time",
    "the keys of shop did not all get to its own Redis: OOM command not allowed": "queue_memory_mb",
}  # fmt: skip


@pytest.mark.parametrize(("output", "words"), SAMPLES.items())
def test_well_known_failures_have_a_remedy(output: str, words: str) -> None:
    remedy = remedy_for(["its command failed", *output.splitlines()])
    assert words in remedy and "\n" not in remedy


def test_any_other_has_the_general_one() -> None:
    assert remedy_for(["its command failed", "the roof fell in"]) == "mend what the output names"
