"""Conflicts: what is on a target before us, in the way of what a stack declares."""

from collections.abc import Collection, Container, Iterable, Sequence

from pyinfra import host

from configs.findings import Finding
from facts.existing import Existing
from facts.firewall import ENABLE, Firewall, denied_by, is_admitted, rule_tuples
from facts.services import ActiveUnits
from tasks.component import Step
from tasks.resources import database_login

# Kind → what such a thing is called, and how it is got out of the way.
KINDS = {
    "databases": ("database", "dump it and drop it (a dump can be loaded after the deploy)"),
    "database_users": ("database user", "rename it: rename user {name}@localhost to …"),
    "artifacts": ("folder", "move it away: mv {name} {name}.before"),
    "services": ("service", "stop it, if nobody needs it: systemctl disable --now {name}"),
}
# Services that every Debian may run, and those that checks of their own are about.
_SHARED = {
    "mariadb.service",
    "nginx.service",
    "redis-server.service",
    "systemd-timesyncd.service",
    "unattended-upgrades.service",
}
# Kinds of paths: what was a folder once may be known as data today.
_PATHS = ("artifacts", "data", "directories", "files")

Resource = tuple[str, str]


def find_conflicts(
    steps: Iterable[Step], owned: Container[Resource], adopted: Collection[Resource] = ()
) -> list[Finding]:
    """Refuse what exists, is not ours, and would be replaced or taken over.

    + steps: what is declared for the target
    + owned: what is ours by the records, kind and name
    + adopted: what may become ours although it exists, by the operator's word
    """
    declared = list(dict.fromkeys(
        (kind, name) for step in steps for operation in step.operations
        for kind, name, _ in operation.creates
    ))  # fmt: skip
    foreign = [each for each in declared if not _is_ours(each, owned) and each not in adopted]
    return [
        *(_refused(*each) for each in _existing(foreign)),
        *_denied(name for kind, name in declared if kind == "firewall_rules" and name != ENABLE),
    ]


def _is_ours(resource: Resource, owned: Container[Resource]) -> bool:
    kind, name = resource
    if kind == "artifacts":
        # Those of an application are checked with its name (tasks/laravel/preflight.py).
        is_of_an_app = name.startswith(("/var/www/", "/var/cache/chom/"))
        return is_of_an_app or any((each, name) in owned for each in _PATHS)
    return resource in owned or (kind == "services" and ("files", _mark(*resource)) in owned)


def _mark(kind: str, name: str) -> str:
    """A file that a deploy puts beside such a thing: it is ours, also where no record tells."""
    match kind:
        case "artifacts":
            return f"{name}/.sha256"
        case "services":
            return f"/etc/systemd/system/{name}.d/chom.conf"
        case "database_users":
            return f"/etc/chom/{name}.cnf"
        case _:
            return database_login(name)


def _existing(foreign: Sequence[Resource]) -> list[Resource]:
    """Those that exist, without a mark of ours; of services those that run."""
    units = [name for kind, name in foreign if kind == "services" and name not in _SHARED]
    others = [each for each in foreign if each[0] in KINDS and each[0] != "services"]
    # The user of a database has its name.
    users = {("database_users", name): database_login(name)
             for kind, name in foreign if kind == "databases"}  # fmt: skip
    marks = {each: _mark(*each) for each in [*others, *(("services", unit) for unit in units)]}
    marks |= users
    if not marks:
        return []
    asked = [*others, *users, *(("data", path) for path in marks.values())]
    found: list[Resource] = host.get_fact(Existing, resources=list(dict.fromkeys(asked)))
    active: list[str] = host.get_fact(ActiveUnits, units=units) if units else []
    there = {*found, *(("services", name) for name in active)}
    return [each for each, mark in marks.items() if each in there and ("data", mark) not in there]


def _refused(kind: str, name: str) -> Finding:
    what, remedy = KINDS[kind]
    return Finding(
        f"{what} {name}",
        f"a {what} {name} that no deploy made",
        f"no {what} of that name: the deploy makes one, and would replace it or take it over",
        f"{remedy.format(name=name)}; or hand it over to the deploy, which then changes it, and"
        f" removes it in a teardown: --data adopt={kind}/{name}; if it is of an earlier deploy"
        " whose records are lost, fetch them: python -m state sync",
    )


def _denied(rules: Iterable[str]) -> list[Finding]:
    """Refuse a firewall that denies what it is to admit."""
    wanted = list(rules)
    if not wanted:
        return []
    ufw = host.get_fact(Firewall)
    denials = {
        command: rule
        for rule in wanted
        for each in rule_tuples(rule, ufw["ipv6"])
        if not is_admitted(each, ufw["rules"])
        for command in denied_by(each, ufw["rules"])
    }
    return [
        Finding(
            "firewall",
            f"a rule of ufw that denies what {rule} is to admit",
            "no such rule",
            f"if it may be admitted, run on the target: {command}",
        )
        for command, rule in denials.items()
    ]
