"""Nginx: which sites it has."""

import shlex

from pyinfra.api import FactBase

FOLDER = "/etc/nginx"
# Which paths of its configuration Nginx reads; sites-available is read by nobody.
_READ = ("nginx.conf", "conf.d", "modules-enabled", "sites-enabled", "streams-enabled")
# A directive that opens a port, on a line that is no comment up to there.
_LISTENS = r"^([^#]*[[:space:];{])?listen[[:space:]]"


class Sites(FactBase[list[str]]):
    """The configuration files of Nginx that open a port, but for those that Debian brought.

    Read from the files, as Nginx itself would write to its logs when it is asked.
    """

    default = list

    def command(self, folder: str = FOLDER) -> str:
        paths = shlex.join(f"{folder}/{name}" for name in _READ)
        return (
            f"[ ! -d {shlex.quote(folder)} ] || {{ d=$(dpkg-query -W -f='${{Conffiles}}\\n'"
            " nginx-common nginx 2>/dev/null); "
            f"grep -RlsE {shlex.quote(_LISTENS)} {paths} | sort | while read -r f; do"
            ' r=$(readlink -f "$f"); m=$(md5sum < "$r" | cut -d" " -f1);'
            ' printf "%s\\n" "$d" | grep -qF " $r $m" || echo "$f"; done; }'
        )

    def process(self, output: list[str]) -> list[str]:
        return output
