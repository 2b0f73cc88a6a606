"""Taking one thing away again: each asks one fact, and does nothing where there is nothing.

Names come from records: they reach a shell by ``sh`` alone, which quotes them.
"""

from pathlib import PurePosixPath

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.exceptions import OperationError

from facts.conditions import Condition
from facts.firewall import ENABLE, SSH_PORTS, rule_exists
from facts.resource_names import check as check_name
from facts.shell import sh
from tasks.operations.commands import Commands
from tasks.operations.databases import PRIVILEGES, grant_pattern
from tasks.operations.journal import explained
from tasks.operations.originals import FOLDER, kept_at, put_back
from tasks.places import SYSTEM_FOLDERS
from tasks.quoting import sql, sql_name

_UNITS = "/etc/systemd/system/"


@operation()
def remove_service(unit: str) -> Commands:
    """Have a unit neither run, nor start by itself, nor be remembered as failed."""
    asked = sh(
        "systemctl -q is-active {unit} || systemctl -q is-failed {unit}"
        " || systemctl -q is-enabled {unit}",
        unit=unit,
    )
    if host.get_fact(Condition, shell=asked):
        yield StringCommand(
            sh("systemctl -q disable {unit} 2>/dev/null; ", unit=unit)
            + explained(unit, sh("systemctl stop {unit}", unit=unit))
            + sh("; systemctl reset-failed {unit} 2>/dev/null; true", unit=unit)
        )


@operation()
def restart_service(unit: str) -> Commands:
    """Have a service that was there before us run without what we told it, if it runs at all."""
    asked = sh(
        "systemctl -q is-active {unit} && [ -e {stamp} ]",
        unit=unit,
        stamp=f"/run/chom/{unit}.runs",
    )
    if host.get_fact(Condition, shell=asked):
        restart = explained(unit, sh("systemctl restart {unit}", unit=unit))
        stamps = [f"/run/chom/{unit}.{kind}" for kind in ("runs", "reads")]
        yield StringCommand(f"{restart}; {sh('rm -f {stamps}', stamps=stamps)}")


@operation()
def settle_services() -> Commands:
    """Have no service run with a file that is gone: it reads what is left, or starts again."""
    stale = (
        "for f in /run/chom/*.reads /run/chom/*.runs; do u=${f##*/}; u=${u%.*};"
        " { [ ! -s $f ] || ! systemctl -q is-active $u || sha256sum -c --status $f 2>/dev/null; }"
        " || "
    )
    if host.get_fact(Condition, shell=f"( {stale} exit 0; done; exit 1 )"):
        # What it has read now: a file that comes back as it was is a change, too.
        read = (
            'while read -r hash path; do [ -e "$path" ] && sha256sum "$path"; done < $f > $f.new;'
            " mv $f.new $f"
        )
        yield StringCommand(
            f"{stale} {{ case $f in *.reads) systemctl reload $u && {{ {read}; }} ;;"
            " *) false ;; esac ||"
            " systemctl restart $u || { journalctl -u $u -n 20 --no-pager -o cat >&2; exit 1; };"
            " }; done"
        )


@operation()
def remove_file(path: str) -> Commands:
    """Have no file of ours at ``path``: the original that stood there, or none."""
    kept = sh("[ -e {copy} ] || [ -L {copy} ]", copy=kept_at(path))
    there = sh("[ -e {path} ] || [ -L {path} ]", path=path)
    if host.get_fact(Condition, shell=f"{there} || {kept}"):
        removal = sh("rm -f {path}", path=path)
        steps = f"if {kept}; then {put_back(path)}; else {removal}; fi"
        yield StringCommand(f"{steps} && {_read_again(path)}")


@operation()
def restore_original(path: str) -> Commands:
    """Have the original at ``path`` again, where one was kept."""
    if host.get_fact(Condition, shell=sh("[ -e {copy} ] || [ -L {copy} ]", copy=kept_at(path))):
        yield StringCommand(f"{put_back(path)} && {_read_again(path)}")


def _read_again(path: str) -> str:
    return "systemctl daemon-reload" if path.startswith(_UNITS) else "true"


@operation()
def remove_folders(paths: list[str]) -> Commands:
    """Have none of these folders that is empty; the inner ones come first."""
    for path in paths:
        guard(path, levels=1)
    loop = sh("for f in {paths}; do", paths=paths)
    empty = '[ -d "$f" ] && [ ! -L "$f" ] && [ -z "$(ls -A "$f")" ]'
    any_empty = f"( {loop} {{ {empty}; }} && exit 0; done; exit 1 )"
    if host.get_fact(Condition, shell=any_empty):
        yield StringCommand(f'{loop} {empty} && rmdir "$f"; done; true')


@operation()
def remove_tree(path: str) -> Commands:
    """Have nothing at ``path``, and nothing below it; what is mounted there is emptied.

    Raises OperationError for a path that is not ours by any means.
    """
    guard(path)
    if host.get_fact(Condition, shell=sh("[ -e {path} ] || [ -L {path} ]", path=path)):
        yield StringCommand(tree_script(path))


def tree_script(path: str) -> str:
    """A shell script that follows no link: neither to the path, nor below it."""
    return sh(
        '[ "$(readlink -f {folder})" = {folder} ] || { echo {complaint} >&2; exit 1; }; '
        "if mountpoint -q {path}; then find {path} -xdev -mindepth 1 -delete;"
        " else rm -rf --one-file-system {path}; fi",
        path=path,
        folder=str(PurePosixPath(path).parent),
        complaint=f"{path} was left alone: a link leads there; remove what it leads to by hand",
    )


@operation()
def remove_user(user: str) -> Commands:
    """Have no user and no group of this name; nothing may run as that user any more."""
    asked = sh("getent passwd {user} || getent group {user}", user=user)
    if host.get_fact(Condition, shell=asked):
        yield StringCommand(
            sh(
                "n=0; while pgrep -u {user} >/dev/null 2>&1; do n=$((n + 1)); [ $n -lt 20 ] ||"
                ' { echo {complaint} "$(pgrep -lu {user} | xargs)" >&2; exit 1; };'
                " sleep 0.5; done;"
                " { ! getent passwd {user} >/dev/null || userdel {user}; } &&"
                " { ! getent group {user} >/dev/null || groupdel {user}; }",
                user=user,
                complaint=f"{user} still has processes:",
            )
        )


@operation()
def remove_database(database: str) -> Commands:
    """Have neither the database nor the user that it was made for.

    That user is known by what `database()` gives: the socket, and its rights on this database. One
    who may use another database as well stays.
    """
    there = sh("[ -d {folder} ]", folder=f"/var/lib/mysql/{database}")
    if host.get_fact(Condition, shell=there):
        yield StringCommand("mariadb", _stdin=removal_sql(database))


def removal_sql(database: str) -> str:
    """The statements that drop a database and the user that it was made for."""
    names = f"({sql(grant_pattern(database))}, {sql(database)})"
    return (
        "set @owner = (select max(grantee) from (select grantee, group_concat(distinct"
        " privilege_type order by privilege_type separator ', ') as rights"
        f" from information_schema.schema_privileges where table_schema in {names}"
        " group by grantee) g join mysql.global_priv u"
        " on g.grantee = concat(quote(u.user), '@', quote(u.host))"
        " where u.host = 'localhost' and json_search(u.priv, 'one', 'unix_socket') is not null"
        f" and (u.user = {sql(database)} or g.rights = {sql(', '.join(PRIVILEGES))})"
        # Rights on a database outlive it, and those of one that is gone are no use of it.
        " and not exists (select 1 from mysql.db d join information_schema.schemata s"
        " on s.schema_name like d.db where d.user = u.user and d.host = u.host"
        f" and s.schema_name <> {sql(database)}));\n"
        f"drop database if exists {sql_name(database)};\n"
        "set @statement = if(@owner is null, 'do 0', concat('drop user ', @owner));\n"
        "execute immediate @statement;\n"
    )


@operation()
def remove_database_user(user: str) -> Commands:
    """Have no MariaDB user of this name; where MariaDB does not run, nobody can come by it."""
    query = f"select 1 from mysql.global_priv where user = {sql(user)}"
    found = sh("mariadb -NBe {query}", query=query)
    if host.get_fact(Condition, shell=f"{found} | grep -q 1"):
        yield StringCommand("mariadb", _stdin=f"drop user if exists {sql(user)}@'localhost';\n")


@operation()
def remove_rule(rule: str) -> Commands:
    """Have ufw without a rule of ours, or out of force.

    A rule by which one logs in stays as long as the firewall is in force.
    """
    if rule == ENABLE:
        if host.get_fact(Condition, shell=rule_exists(rule)):
            yield StringCommand("ufw --force disable >/dev/null")
        return
    check_name("firewall_rules", rule)
    words = rule.split()
    port = words[words.index("port") + 1] if "port" in words else words[2].removesuffix("/tcp")
    listens = sh("grep -qx {port}", port=port)
    needed = f"{{ {rule_exists(ENABLE)} && {{ {SSH_PORTS}; }} | {listens}; }}"
    if host.get_fact(Condition, shell=f"{rule_exists(rule)} && ! {needed}"):
        yield StringCommand(sh("ufw delete {words} >/dev/null", words=words[1:]))


@operation()
def remove_traces(originals: list[str], purge: bool) -> Commands:
    """Have nothing of what only served to deploy: stamps, lists, and originals of nobody's.

    ``originals``: the paths of those that are still to be put back.
    """
    spared = " ".join(sh("! -path {path}", path=kept_at(path)) for path in originals)
    stamps = " ".join(
        f"/run/chom/{name}"
        for name in ("*.runs", "*.reads", "releases-*.lock", "log-*", "apt.lock", "apt.status")
    )
    log = "/var/log/chom-apt.log" if purge else ""
    asked = f"[ -e {FOLDER} ] || ls {stamps} {log} 2>/dev/null | grep -q ."
    if host.get_fact(Condition, shell=asked):
        yield StringCommand(
            f"rm -f {stamps} {log};"
            f" [ ! -d {FOLDER} ] || {{ find {FOLDER} ! -type d {spared} -delete;"
            f" find {FOLDER} -depth -type d -empty -delete; }};"
            " rmdir --ignore-fail-on-non-empty /var/lib/chom /run/chom/check /run/chom"
            " /run/chom-php 2>/dev/null; true"
        )


def guard(path: str, levels: int = 2) -> None:
    """Raise OperationError for a path whose removal could never be meant."""
    pure = PurePosixPath(path)
    sound = pure.parts[:1] == ("/",) and ".." not in pure.parts and str(pure) == path
    above = any(path in map(str, PurePosixPath(each).parents) for each in SYSTEM_FOLDERS)
    if not sound or len(pure.parts) <= levels or path in SYSTEM_FOLDERS or above:
        raise OperationError(f"{path} is never removed: it is a folder of the system")
