"""What is unpacked: upstream releases with a pinned checksum, and folders of our own."""

import shlex

from pyinfra import host
from pyinfra.api import StringCommand, operation

from facts.files import FileText
from tasks.archives import Archive
from tasks.operations.commands import Commands
from tasks.operations.progress import END, telling


@operation()
def unpack_artifact(url: str, sha256: str, into: str) -> Commands:
    """Fetch a release tarball, check it, and unpack its one folder as ``into``.

    ``into/.sha256`` holds the checksum of what is there. A wrong checksum stops the lane and
    says what was expected and what came; nothing is unpacked then.
    """
    marker = host.get_fact(FileText, path=f"{into}/.sha256")
    if marker != [sha256]:
        yield StringCommand(artifact_script(url, sha256, into))


def artifact_script(url: str, sha256: str, into: str) -> str:
    """The shell script that fetches, checks, unpacks and swaps in one folder."""
    parent = into.rsplit("/", 1)[0]
    return "; ".join(
        [
            "set -e",
            f"mkdir -p {parent}",
            f"t=$(mktemp -d {parent}/.chom-XXXXXX)",
            telling("echo bytes $(stat -c %s $t/tarball)"),
            f"trap '{END}; rm -rf $t' EXIT",
            f"curl -fsSL --retry 3 --connect-timeout 15 -o $t/tarball {shlex.quote(url)}",
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
