"""Which versions are installed."""

import re
import shlex
from collections.abc import Mapping

from pyinfra.api import FactBase, StringCommand

_PACKAGE = re.compile(r"\bpackage ([a-z0-9][a-z0-9+.-]+)")
# dpkg is asked once, whatever the number of packages.
_ALL = """all="
$(dpkg-query -W -f='${{Package}} ${{Version}}\\n' {names} 2>/dev/null)
"
"""
_ONE = """package() {
case $all in (*"
$1 "*) v=${all#*"
$1 "}; echo "${v%%
*}"; esac
}
"""
_NAME = """[ -z "$v" ] || printf '%s=%s\\n' {name} "${{v%%
*}}\""""


def of_package(name: str) -> str:
    """A command for ``Versions``: that of a Debian package, nothing where dpkg knows none."""
    return f"package {name}"


class Versions(FactBase[dict[str, str]]):
    """Run one command per name, each printing an installed version, in one go.

    Its first line counts. A name whose command fails or prints nothing is left out.
    """

    default = dict

    # A command: it is never kept, nor asked again from a file.
    command_arguments = ("commands",)

    def command(self, commands: Mapping[str, str]) -> StringCommand:
        names = sorted({name for each in commands.values() for name in _PACKAGE.findall(each)})
        packages = _ALL.format(names=" ".join(names)) + _ONE if names else ""
        parts = [
            f"v=$({{ {command}; }} 2>/dev/null); {_NAME.format(name=shlex.quote(name))}"
            for name, command in commands.items()
        ]
        return StringCommand(packages + "\n".join([*parts, "true"]))

    def process(self, output: list[str]) -> dict[str, str]:
        return dict(line.split("=", 1) for line in output if "=" in line)
