"""What to do about a failed command, by the words that well-known programs fail with."""

import re
from collections.abc import Sequence

_GENERAL = "mend what the output names"
# The first that is found counts: what is more telling comes first.
_REMEDIES: Sequence[tuple[str, str]] = (
    (
        r"did not all get to its own Redis",
        "nothing is lost, what did not get there is where it was: mend what the line names (OOM:"
        " raise redis.queue_memory_mb)",
    ),
    (
        r"connection (was|is) lost|lost again and again",
        "see that the target is up and reachable, and why it went (last -x reboot;"
        " journalctl -b -1 -n 50)",
    ),
    (
        r"no space left on device|enough free space|disk quota exceeded",
        "make room on the target: df -h shows where it is full; apt-get clean and"
        " journalctl --vacuum-size=200M help at once",
    ),
    (
        r"read-only file system",
        "a file system of the target is read-only, as after an error of its disk:"
        " dmesg tells which; mend or replace it",
    ),
    (
        r"out of memory|oom-kill|cannot allocate memory|\bKilled$|status=9/KILL|result 'oom",
        "the target has too little memory: free shows what is left, journalctl -k what was killed;"
        " take a larger server, or lower the sizes in the settings",
    ),
    (
        r"could not get lock|unable to (acquire|lock) .*(dpkg|apt)|dpkg frontend lock"
        r"|unable to lock directory",
        "another program holds apt's lock on the target: wait for its end (ps -ef | grep -e apt"
        " -e dpkg), or raise apt.lock_timeout_s",
    ),
    (
        r"address already in use",
        "another program has that port: ss -Hltnp on the target tells which; stop it, or give it"
        " another port",
    ),
    (
        r"temporary failure (in name )?resolution|temporary failure resolving"
        r"|could not resolve|name or service not known",
        "the target cannot look up that name: mend /etc/resolv.conf there, or correct the name",
    ),
    (
        r"not valid yet|is not yet valid|certificate has expired",
        "compare the target's clock with the right time (timedatectl); if it is right, the"
        " certificate or the repository is out of date",
    ),
    (
        r"no_pubkey|expkeysig|is not signed|signatures (couldn't|could not) be verified",
        "the repository is not signed by the key that we know: see whether its vendor has a new"
        " one, and that no proxy changes what comes",
    ),
    (
        r"expected sha256",
        "what came is not what was pinned: if the version was changed, change its sha256 with it;"
        " else somebody changed the file or a mirror is broken",
    ),
    (
        r"hash sum mismatch|file has unexpected size|404 +not found|error: 404|"
        r"does not have a release file|failed to fetch",
        "the mirror lacks it or is being updated: run it again in some minutes, or set another"
        " mirror",
    ),
    (
        r"unable to locate package|has no installation candidate|version .* was not found",
        "the target's repositories have no such package: correct its name or version, or the"
        " repository in the settings",
    ),
    (
        r"unmet dependencies|held broken packages|dpkg was interrupted",
        "packages of the target contradict each other: apt-get -f install there tells which",
    ),
    (
        r"was refused by its checker|refused configuration",
        "correct the setting that the lines above name; the old configuration is still in force",
    ),
    (
        r"permission denied \(publickey",
        "let that server admit the key: add the public half of the deploy key there",
    ),
    (
        r"permission denied|operation not permitted",
        "see who owns the path that is named and who may write there (ls -ld; mount shows what"
        " is read-only)",
    ),
    (
        r"connection timed out|connection refused|could not connect|no route to host"
        r"|network is unreachable|operation timed out",
        "the target does not reach that address: see its routes and the firewalls between them,"
        " and whether the other side is up",
    ),
    (
        r"not ready within",
        "it started but does not answer in time: its journal tells what it waits for; on a slow"
        " server run it again",
    ),
)  # fmt: skip


def remedy_for(lines: Sequence[str]) -> str:
    """The most likely remedy for what a failed operation said, in one line."""
    text = "\n".join(lines)
    for pattern, remedy in _REMEDIES:
        if re.search(pattern, text, re.IGNORECASE | re.MULTILINE):
            return remedy
    return _GENERAL
