"""What is true on a machine right now, asked of the machine itself."""

import socket
import urllib.error
import urllib.request
from typing import NamedTuple

from tasks import quoting
from tasks.redis.instances import queue
from tests.lab import Lab

# Of our own page, for jobs and sessions.
REDIS = queue("laravel").socket

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Unit(NamedTuple):
    """One life of a service: a restart changes all of it, a reload only ``since``."""

    pid: int
    invocation: str
    since: str


def units(lab: Lab, machine: str) -> dict[str, Unit]:
    """The services that run now; those of logged-in users are left out: asking is a login.

    So are those that timers start and that end by themselves.
    """
    listed = lab.run(
        machine,
        "systemctl show -p Id,Type,MainPID,InvocationID,StateChangeTimestampMonotonic"
        " $(systemctl list-units --type=service --state=running --plain --no-legend"
        " | awk '{print $1}')",
    ).stdout
    blocks = [dict(line.split("=", 1) for line in b.splitlines()) for b in listed.split("\n\n")]
    return {
        block["Id"]: Unit(
            int(block["MainPID"]), block["InvocationID"], block["StateChangeTimestampMonotonic"]
        )
        for block in blocks
        if block and block["Type"] != "oneshot" and not block["Id"].startswith("user@")
    }


def all_units(lab: Lab) -> dict[str, dict[str, Unit]]:
    """The running services of all machines."""
    return {machine.name: units(lab, machine.name) for machine in lab.machines}


def restarted(
    before: dict[str, dict[str, Unit]], after: dict[str, dict[str, Unit]]
) -> set[tuple[str, str]]:
    """The (machine, unit) pairs that run as another process than before, or no longer."""
    return {
        (machine, unit)
        for machine, its in before.items()
        for unit in its.keys() | after[machine].keys()
        if (old := its.get(unit)) is None
        or (new := after[machine].get(unit)) is None
        or old[:2] != new[:2]
    }


def answer(lab: Lab, machine: str, command: str) -> str:
    """What a command says on a machine, as root; it must succeed."""
    return lab.run(machine, command).stdout.strip()


def properties(lab: Lab, machine: str, unit: str, *names: str) -> dict[str, str]:
    """Properties of a unit, as systemd has them."""
    shown = answer(lab, machine, f"systemctl show -p {','.join(names)} {unit}")
    return dict(line.split("=", 1) for line in shown.splitlines())


def listeners(lab: Lab, machine: str, port: int) -> set[str]:
    """The local addresses on which something listens at a TCP port."""
    shown = answer(lab, machine, f"ss -Hltn 'sport = :{port}' | awk '{{print $4}}'")
    return {line.rsplit(":", 1)[0] for line in shown.splitlines()}


def processes(lab: Lab, machine: str) -> list[tuple[str, str]]:
    """User and command line of every process."""
    shown = answer(lab, machine, "ps -eo user:32=,args=")
    pairs = (line.split(maxsplit=1) for line in shown.splitlines())
    return [(user, command) for user, command in pairs]


def reachable(address: str, port: int, timeout_s: float = 2) -> bool:
    """Whether this computer can open a TCP connection."""
    try:
        with socket.create_connection((address, port), timeout_s):
            return True
    except OSError:
        return False


def page(url: str) -> tuple[int, str]:
    """A page as this computer gets it: status and text; status 0 where nothing answers."""
    try:
        with _DIRECT.open(url, timeout=15) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def redis(lab: Lab, machine: str, command: str, password: str | None = None) -> str:
    """The last line of what Redis says to its administrator's command.

    Without ``password``, with the right one. It is that of our own page, for jobs and sessions.
    """
    shown = "cat /etc/chom/redis/password" if password is None else "cat"
    said = lab.run(
        machine,
        f'REDISCLI_AUTH="$({shown})" redis-cli -s {REDIS} --user chom --no-auth-warning'
        f" {command} 2>&1",
        input=password or "",
    ).stdout
    return [line for line in said.splitlines() if line][-1]


def scrape(lab: Lab, machine: str, port: int, password: str | None = None) -> int:
    """The HTTP status of an exporter's metrics as the observability target is answered."""
    name = f"{machine}.metrics.chom.internal"
    user = quoting.option_file(f"prometheus:{password}") if password else ""
    login = f"-K - --cacert /etc/prometheus-server/logins/{machine}-*.crt"
    said = lab.run(
        "observability",
        f"curl -sS -m 5 -o /dev/null -w '%{{http_code}}' {login}"
        f" --resolve {name}:{port}:{lab.machine(machine).address} https://{name}:{port}/metrics",
        input=f"user = {user}\n" if user else "",
    ).stdout
    return int(said)


def grafana_admits(lab: Lab, password: str) -> int:
    """The HTTP status for who asks Grafana with this password, on its own machine."""
    said = lab.run(
        "observability",
        "curl -sS -o /dev/null -w '%{http_code}' -K - http://127.0.0.1:3000/grafana/api/user",
        input=f"user = {quoting.curl(f'admin:{password}')}\n",
    ).stdout
    return int(said)
