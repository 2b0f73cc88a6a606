"""Nginx: which sites it has."""

import shlex

from pyinfra.api import FactBase

FOLDER = "/etc/nginx"
# How a file of ours begins.
MARK = "^# written by chom;"
# Which paths of its configuration Nginx reads; sites-available is read by nobody.
_READ = ("nginx.conf", "conf.d", "modules-enabled", "sites-enabled", "streams-enabled")
# A directive that opens a port, on a line that is no comment up to there.
_LISTENS = r"^([^#]*[[:space:];{])?listen[[:space:]]"


class Sites(FactBase[list[str]]):
    """The configuration files of Nginx that open a port, but for those of Debian's and of ours.

    ``ours`` comes first where the main configuration is ours, by the line that it begins with.
    Read from the files, as Nginx itself would write to its logs when it is asked.
    """

    default = list

    def command(self, folder: str = FOLDER) -> str:
        paths = shlex.join(f"{folder}/{name}" for name in _READ)
        main = shlex.quote(f"{folder}/nginx.conf")
        return (
            f'o() {{ head -n 1 "$1" 2>/dev/null | grep -q {shlex.quote(MARK)}; }}; '
            f"[ ! -d {shlex.quote(folder)} ] || {{ ! o {main} || echo ours;"
            " d=$(dpkg-query -W -f='${Conffiles}\\n' nginx-common nginx 2>/dev/null); "
            f"grep -RlsE {shlex.quote(_LISTENS)} {paths} | sort | while read -r f; do"
            ' r=$(readlink -f "$f"); m=$(md5sum < "$r" | cut -d" " -f1);'
            ' printf "%s\\n" "$d" | grep -qF " $r $m" || o "$f" || echo "$f"; done; }'
        )

    def process(self, output: list[str]) -> list[str]:
        return output
