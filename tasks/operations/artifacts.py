"""What is unpacked: upstream releases with a pinned checksum, and folders of our own."""

import shlex

from pyinfra import host
from pyinfra.api import StringCommand, operation

from facts.files import FileText
from tasks.archives import Archive
from tasks.artifacts import Artifact
from tasks.operations.commands import Commands
from tasks.operations.progress import END, telling

# Where a tarball waits that came beside an apt transaction; "apt-get clean" takes it away, too.
AHEAD = "/var/cache/apt/archives/chom-"
# Part of every apt; curl may be among the packages that are being installed.
HELPER = "/usr/lib/apt/apt-helper -o Acquire::Retries=1 download-file"


@operation()
def unpack_artifact(artifact: Artifact) -> Commands:
    """Fetch a release tarball, check it, and unpack its one folder.

    A wrong checksum stops the lane and says what was expected and what came; nothing is unpacked
    then.
    """
    marker = host.get_fact(FileText, path=artifact.marker)
    if marker != [artifact.sha256]:
        yield StringCommand(artifact_script(artifact))


def fetch_ahead(artifact: Artifact) -> str:
    """A shell command that starts fetching a tarball, beside what the shell does next.

    It tries again as long as that shell lives: what it needs may be yet to be installed.
    """
    ahead = f"{AHEAD}{artifact.sha256}"
    fetch = f"{HELPER} {shlex.quote(artifact.url)} {ahead}.part SHA256:{artifact.sha256}"
    return (
        f"( flock -n 8 || exit 0; until {fetch} && mv {ahead}.part {ahead}; do"
        f" kill -0 $$ || exit 1; sleep 2; done ) 8>{ahead}.lock </dev/null >/dev/null 2>&1 &"
    )


def artifact_script(artifact: Artifact) -> str:
    """The shell script that fetches, checks, unpacks and swaps in one folder."""
    url, sha256, into = artifact.url, artifact.sha256, artifact.into
    parent = into.rsplit("/", 1)[0]
    ahead = f"{AHEAD}{sha256}"
    return "; ".join(
        [
            "set -e",
            f"mkdir -p {parent}",
            f"t=$(mktemp -d {parent}/.chom-XXXXXX)",
            telling(f"echo bytes $(stat -c %s $t/tarball {ahead}.part | head -n 1)"),
            f"trap '{END}; rm -rf $t' EXIT",
            f"[ ! -e {ahead}.lock ] || flock {ahead}.lock rm -f {ahead}.part {ahead}.lock",
            f"[ ! -e {ahead} ] || mv {ahead} $t/tarball",
            "[ -e $t/tarball ] || curl -fsSL --retry 3 --connect-timeout 15 -o $t/tarball"
            f" {shlex.quote(url)}",
            "came=$(sha256sum < $t/tarball | cut -d' ' -f1)",
            f'[ "$came" = {sha256} ] || {{ echo "{url}: expected sha256 {sha256},'
            ' but $came came; nothing was unpacked" >&2; exit 1; }',
            "mkdir $t/new",
            "tar -xzf $t/tarball -C $t/new --strip-components=1 --no-same-owner",
            "chmod 755 $t/new",
            f"echo {sha256} > $t/new/.sha256",
            f"rm -rf {into}",
            f"mv -T $t/new {into}",
        ]
    )


@operation()
def put_folder(archive: Archive, into: str) -> Commands:
    """Have the folder ``into`` consist of the files of ``archive``, by ``into/.sha256``."""
    if host.get_fact(FileText, path=f"{into}/.sha256") == [archive.sha256]:
        return
    parent = into.rsplit("/", 1)[0]
    script = "; ".join(
        [
            "set -e",
            f"mkdir -p {parent}",
            f"t=$(mktemp -d {parent}/.chom-XXXXXX)",
            "trap 'rm -rf $t' EXIT",
            "mkdir -m 755 $t/new",
            "base64 -d | tar -xzf - -C $t/new --no-same-owner",
            f"echo {archive.sha256} > $t/new/.sha256",
            f"rm -rf {into}",
            f"mv -T $t/new {into}",
        ]
    )
    yield StringCommand(script, _stdin=archive.base64)
