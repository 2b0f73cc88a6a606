"""Databases, and who may use them."""

import re
from collections.abc import Callable, Sequence
from hashlib import sha1

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from configs.secrets import Secret
from facts.databases import Databases, Login
from tasks.effects import Verb, tell
from tasks.operations.commands import Commands
from tasks.quoting import sql, sql_name
from tasks.upcoming import Upcoming

# What Laravel and the migrations of an application need on their own database, as MariaDB spells
# and sorts it: not to hand privileges on, nor to plan events.
PRIVILEGES = (
    "ALTER",
    "ALTER ROUTINE",
    "CREATE",
    "CREATE ROUTINE",
    "CREATE TEMPORARY TABLES",
    "CREATE VIEW",
    "DELETE",
    "DROP",
    "EXECUTE",
    "INDEX",
    "INSERT",
    "LOCK TABLES",
    "REFERENCES",
    "SELECT",
    "SHOW VIEW",
    "TRIGGER",
    "UPDATE",
)

# Users that nobody should have, by the fact that names their host.
_STRANGERS = {"anonymous": "''", "remote_root": "'root'"}


@operation()
def secure_server(is_ours: Callable[[], bool]) -> Commands:
    """Have root come by the socket alone, nobody without a name, and no database for everybody.

    A database itself is never dropped.

    + is_ours: whether a deploy brought this MariaDB; one that was there before is left as it is
    """
    served: list[str] = host.get_fact(Databases)
    found = strangers(served)
    if found and is_ours():
        for _, verb, what in found:
            tell(verb, what)
        lines = [*(statement for statement, _, _ in found), "flush privileges;", ""]
        yield StringCommand("mariadb", _stdin="\n".join(lines))


def strangers(found: Sequence[str]) -> list[tuple[str, Verb, str]]:
    """What lets strangers in, of the fact ``Databases``.

    Each with the statement that ends it, and as a plan tells that.
    """
    items: list[tuple[str, Verb, str]] = []
    for item in found:
        kind, _, name = item.partition("/")
        if kind in _STRANGERS:
            user = f"{_STRANGERS[kind]}@{sql(name)}"
            items.append((f"drop user {user};", "remove", f"database user {user}"))
        elif kind == "open":
            statement = f"delete from mysql.db where user = '' and db = {sql(name)};"
            items.append((statement, "remove", f"rights of every user on databases {name}"))
        elif item == "root_password":
            statement = "alter user 'root'@'localhost' identified via unix_socket;"
            items.append((statement, "change", "database user root: by its socket alone"))
    return items


@operation()
def make_database(
    database: str, user: str, password: Secret, login: str, upcoming: Upcoming
) -> Commands:
    """A MariaDB database and its user: the system user of that name, or who has the password.

    MariaDB asks the socket who is calling (unix_socket), so the application itself shows no
    password, and a change of it interrupts nothing. What else the user may do, on this database or
    on others, is left as it is. ``login``: the option file with user and password, by which it is
    seen whether they are right. ``upcoming``: the operation that writes it; before it ran, a plan
    asks it.
    """
    found = host.get_fact(Databases)
    rights = {
        name: {*each.split(", ")}
        for name, each in (
            item.split(" ", 2)[1:] for item in found if item.startswith(f"grant/{user} ")
        )
    }
    pattern = grant_pattern(database)
    is_there = f"user/{user}" in found
    lacking = {*PRIVILEGES} - rights.get(pattern, set())
    # Earlier versions granted the same rights on the name as a pattern, which matches others, too.
    outdated = database != pattern and {*PRIVILEGES} <= rights.get(database, set())
    right = f"database/{database}" in found and is_there and not lacking and not outdated
    knows = right and host.get_fact(Login, option_file=login)
    if knows and (state.is_executing or not upcoming.will_change):
        return
    if f"database/{database}" not in found:
        tell("create", f"database {database}")
    if not is_there:
        tell("create", f"database user {user}")
    elif lacking:
        tell("change", f"database user {user}", why=f"its rights on {database}")
    elif outdated:
        tell("change", f"database user {user}", why=f"its rights on {database} and on no other")
    else:
        tell("change", f"database user {user}", why="its password")
    yield StringCommand("mariadb", _stdin=database_sql(database, user, password, outdated))


def grant_pattern(database: str) -> str:
    """The pattern that matches this database alone where ``GRANT`` expects a pattern.

    There ``_`` is any character and ``%`` any number of them, unless a backslash precedes.
    """
    return re.sub(r"[_%\\]", lambda found: f"\\{found[0]}", database)


def database_sql(database: str, user: str, password: Secret, outdated: bool = False) -> str:
    """The statements; the server never sees the password, only what it keeps of it.

    + outdated: whether the user has its rights on the name as a pattern, which are taken away once
      it has them on the database alone
    """
    who = f"{sql(user)}@'localhost'"
    rights = ", ".join(PRIVILEGES)
    lost = f"revoke all privileges on {sql_name(database)}.* from {who};\n" if outdated else ""
    return (
        f"create database if not exists {sql_name(database)} character set utf8mb4;\n"
        f"create user if not exists {who};\n"
        f"alter user {who} identified via unix_socket or mysql_native_password"
        f" using {sql(native_hash(password.reveal()))};\n"
        f"grant {rights} on {sql_name(grant_pattern(database))}.* to {who};\n{lost}"
    )


@operation()
def make_reader(user: str, privileges: Sequence[str]) -> Commands:
    """A MariaDB user for the system user of that name, with these privileges and no others.

    ``privileges``: global ones, as MariaDB itself spells them, in its alphabetical order.
    """
    wanted = [f"user/{user}", f"privileges/{user} {', '.join(privileges)}"]
    found = host.get_fact(Databases)
    more = any(item.startswith(f"grant/{user} ") for item in found)
    if more or not all(item in found for item in wanted):
        yield StringCommand("mariadb", _stdin=reader_sql(user, privileges))


def reader_sql(user: str, privileges: Sequence[str]) -> str:
    """The statements; what the user was granted before is taken away."""
    who = f"{sql(user)}@'localhost'"
    return (
        f"create or replace user {who} identified via unix_socket;\n"
        f"grant {', '.join(privileges)} on *.* to {who};\n"
    )


def native_hash(password: str) -> str:
    """What mysql_native_password keeps: SHA-1 of SHA-1, in hexadecimal after a star."""
    return "*" + sha1(sha1(password.encode()).digest()).hexdigest().upper()
