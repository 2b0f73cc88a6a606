"""Preflight check of MariaDB: root gets in, and one that was there before can go on as ours."""

from collections.abc import Container, Sequence

from pyinfra import host

from configs import Target
from configs.findings import Finding
from facts.databases import Databases, DatabaseServer
from tasks.mariadb.component import CONFIG
from tasks.operations.databases import strangers

# Who serves this machine alone.
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_DENIED = ("ERROR 1045", "ERROR 1698")


def check_mariadb(target: Target, owned: Container[tuple[str, str]]) -> list[Finding]:
    """Refuse a MariaDB that the deploy could not set up, and tell of one that it would take over.

    + owned: what is ours by the records, kind and name
    """
    if target.role != "vpsmanager":
        return []
    is_ours = ("packages", "mariadb-server") in owned
    said: list[str] = host.get_fact(DatabaseServer, config=CONFIG)
    is_set_up = is_ours or "set_up" in said or ("files", CONFIG) in owned
    found = [each for each in said if each != "set_up"]
    if "stopped" in found:
        return [] if is_set_up else [_stopped()]
    values = [each.partition("/") for each in found]
    for kind, _, why in values:
        if kind == "refused" and (not is_set_up or why.startswith(_DENIED)):
            return [_refused(why)]
    if is_set_up:
        return [] if is_ours else _open(found)
    addresses = [name for kind, _, name in values if kind == "listens"]
    if elsewhere := sorted({*",".join(addresses).split(",")} - _LOOPBACK - {""}):
        return [_listens(elsewhere)]
    databases = [name for kind, _, name in values if kind == "database"]
    return [*([_taken_over(databases)] if found else []), *_open(found)]


def _stopped() -> Finding:
    return Finding(
        "MariaDB",
        "a MariaDB that no deploy made, and that does not run: what it holds is not known",
        "one that runs, or none",
        "run on the target: systemctl start mariadb; or, if nobody needs it, apt-get purge"
        " mariadb-server",
    )


def _refused(why: str) -> Finding:
    return Finding(
        "MariaDB",
        f"root does not get in by the socket: {why}",
        "root of the system as root of MariaDB (unix_socket)",
        "log in with its password, which stays valid, and let root come by the socket as well:"
        ' mariadb -u root -p -e "alter user root@localhost identified via unix_socket or'
        " mysql_native_password using password('THE PASSWORD')\"",
    )


def _listens(addresses: Sequence[str]) -> Finding:
    return Finding(
        "MariaDB",
        f"a MariaDB that no deploy made listens at {', '.join(addresses)}",
        "one that listens at 127.0.0.1 alone, as it would after the deploy",
        "if nobody connects to it from elsewhere, set bind-address = 127.0.0.1 in /etc/mysql and"
        " restart it; otherwise deploy to another server",
    )


def _taken_over(databases: Sequence[str]) -> Finding:
    return Finding(
        "MariaDB",
        f"a MariaDB that no deploy made (databases: {', '.join(databases) or 'none'})",
        "none, or one that may be restarted with the settings of the deploy",
        "nothing, if it may: its databases, users and grants stay as they are",
        warning=True,
    )


def _open(found: Sequence[str]) -> list[Finding]:
    """Tell what lets strangers into a MariaDB that is not ours; it is left alone."""
    served: list[str] = host.get_fact(Databases) if found else []
    return [
        Finding(
            "MariaDB",
            f"a MariaDB that no deploy made lets strangers in: {what}",
            "nobody but named users from this machine",
            f'if nobody needs it, run on the target: mariadb -e "{statement} flush privileges"',
            warning=True,
        )
        for statement, verb, what in strangers(served)
        # That root has a password as well lets nobody in who does not know it.
        if verb == "remove"
    ]
