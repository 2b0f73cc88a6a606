"""Which PHP versions on a host are ours."""

import re

from pyinfra.api import FactBase

_VERSION = re.compile(r"[0-9]+\.[0-9]+")


class OurVersions(FactBase[list[str]]):
    """The versions whose PHP-FPM has a drop-in of ours."""

    default = list

    def command(self) -> str:
        return (
            "ls -d /etc/systemd/system/php*-fpm.service.d 2>/dev/null"
            " | sed -n 's#.*/php\\([0-9.]*\\)-fpm.service.d#\\1#p'"
        )

    def process(self, output: list[str]) -> list[str]:
        return [line for line in output if _VERSION.fullmatch(line)]
