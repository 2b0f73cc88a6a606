"""One mail for one fault: the cause is told, what follows from it is not, and its end is."""

from collections.abc import Callable

import pytest

from tests.drills.drill import Drills, Fault
from tests.lab import Lab

MACHINE = "vpsmanager"


def on_machine(command: str) -> Callable[[Lab], object]:
    return lambda lab: lab.run(MACHINE, command)


def cable(connected: bool) -> Callable[[Lab], object]:
    return lambda lab: lab.network.connect(MACHINE, connected)


def stopped(unit: str, alert: str, *follows: str, severity: str = "critical") -> Fault:
    """A unit that somebody stopped."""
    return Fault(
        alert,
        frozenset(follows),
        on_machine(f"systemctl stop {unit}"),
        on_machine(f"systemctl start {unit}"),
        severity,
    )


def killed(unit: str, alert: str, *follows: str) -> Fault:
    """A unit that died, and that nothing starts again: it has failed.

    A masked one would not do: node_exporter says nothing of it.
    """
    folder = f"/run/systemd/system/{unit}.service.d"
    return Fault(
        alert,
        frozenset({"HostUnitFailed", *follows}),
        on_machine(
            f"mkdir -p {folder} && printf '[Service]\\nRestart=no\\n' > {folder}/zz-drill.conf"
            f" && systemctl daemon-reload && systemctl kill -s KILL {unit}"
        ),
        on_machine(
            f"rm {folder}/zz-drill.conf && systemctl daemon-reload && systemctl start {unit}"
        ),
    )


# A file system of its own, as node_exporter does not show the overlay that these machines have.
DISK = "/srv/drill"
# Of the front page; the page that is probed needs none.
VIEW = "/var/www/laravel/current/resources/views/status.blade.php"

FAULTS = {
    "MariaDB is stopped": stopped("mariadb", "MariadbDown", "AppDown", "NginxServerErrors"),
    "a disk fills up": Fault(
        "HostDiskFull",
        # Of both severities, of which the critical one is told.
        frozenset({"HostDiskFull", "HostDiskFilling"}),
        on_machine(f"head -c 64M /dev/zero > {DISK}/zeros || true"),
        on_machine(f"rm {DISK}/zeros"),
        prepare=on_machine(f"mkdir {DISK} && mount -t tmpfs -o size=64m drill {DISK} && sleep 15"),
    ),
    # Its sockets alone would start it at the next request.
    "PHP-FPM is stopped": stopped(
        "laravel-php8.4.socket laravel-php8.4", "PhpFpmDown", "AppDown", "NginxServerErrors"
    ),
    "Nginx dies": killed(
        "nginx", "NginxDown", "PhpFpmDown", "LogShipperDown", "ExporterDown", "AppDown"
    ),
    "the log shipper is stopped": stopped("alloy", "LogShipperDown", severity="warning"),
    "node_exporter is stopped": stopped(
        "prometheus-node-exporter", "ExporterDown", severity="warning"
    ),
    "the machine is cut off": Fault(
        "HostDown",
        frozenset({"ExporterDown", "PhpFpmDown", "LogShipperDown", "AppDown"}),
        cable(False),
        cable(True),
    ),
    "Redis is stopped": stopped("redis-server", "RedisDown", "AppDown", "NginxServerErrors"),
    "the application is not let into its database": Fault(
        "AppDown",
        frozenset({"NginxServerErrors"}),
        on_machine("mariadb -e 'alter user laravel@localhost account lock'"),
        on_machine("mariadb -e 'alter user laravel@localhost account unlock'"),
    ),
    "a page of the application fails": Fault(
        "NginxServerErrors",
        frozenset(),
        on_machine(f"mv {VIEW} {VIEW}.aside"),
        on_machine(f"mv {VIEW}.aside {VIEW}"),
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_one_fault_is_one_mail(drills: Drills, name: str) -> None:
    drills.run(name, FAULTS[name])
