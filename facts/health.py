"""Whether a host is fit to be deployed to, beyond its hardware."""

from typing import TypedDict

from pyinfra.api import FactBase

from facts.records import listing


class HealthData(TypedDict):
    """``root``: commands run as root. ``resolves``: the package mirror's name has an address.

    ``mirror``: its name. ``broken_packages``: packages that dpkg cannot repair by configuring.
    ``ssh_ports``: where sshd is configured to listen, which need not be where we came in.
    ``records``: the deployments that it has copies of the records of.
    """

    root: bool
    mirror: str
    resolves: bool
    broken_packages: list[str]
    ssh_ports: list[int]
    records: list[str]


class Health(FactBase[HealthData]):
    """Ask for root, name resolution, dpkg's state, sshd's ports and records in one command."""

    # `R` as dpkg's third letter means "reinstallation required": configuring cannot repair it.
    # While dpkg works, packages pass through that state, so it is not asked then; ours and
    # everybody's lock tell.
    def command(self) -> str:
        return (
            'echo "uid=$(id -u)"; '
            "mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list"
            " /etc/apt/sources.list.d/*.sources 2>/dev/null"
            " | sed -n 's#^[^\\#]*https*://\\([^/: ]*\\).*#\\1#p' | head -n 1); "
            'echo "mirror=$mirror"; '
            '[ -z "$mirror" ] || { timeout 10 getent ahosts "$mirror" >/dev/null'
            " && echo resolves=yes; }; "
            "i=$(stat -c %i /var/lib/dpkg/lock-frontend 2>/dev/null || echo none); "
            'grep -q ":$i " /proc/locks || { [ -e /run/chom/apt.lock ]'
            " && ! flock -n /run/chom/apt.lock true; } "
            "|| dpkg-query -W -f='${db:Status-Abbrev}${Package}\\n' | sed -n 's/^..R/broken=/p'; "
            "/usr/sbin/sshd -T 2>/dev/null | sed -n 's/^port /ssh_port=/p'; "
            f"{listing()} | sed 's/^/record=/'"
        )

    def process(self, output: list[str]) -> HealthData:
        lines = [line.split("=", 1) for line in output if "=" in line]
        found = dict(lines)
        return HealthData(
            root=found.get("uid") == "0",
            mirror=found.get("mirror", ""),
            resolves=found.get("resolves") == "yes",
            broken_packages=[value for key, value in lines if key == "broken"],
            ssh_ports=[int(value) for key, value in lines if key == "ssh_port"],
            records=[value for key, value in lines if key == "record"],
        )
