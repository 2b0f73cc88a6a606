"""Databases, and who may use them."""

import re
from collections.abc import Sequence
from hashlib import sha1

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from configs.secrets import Secret
from facts.databases import Databases, Login
from tasks.operations.commands import Commands
from tasks.quoting import sql
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


@operation()
def secure_server() -> Commands:
    """Have root come by the socket alone, nobody without a name, and no database for everybody."""
    found = host.get_fact(Databases)
    statements = [f"drop user ''@{sql(each.partition('/')[2])};" for each in found
                  if each.startswith("anonymous/")]  # fmt: skip
    statements += [f"drop user 'root'@{sql(each.partition('/')[2])};" for each in found
                   if each.startswith("remote_root/")]  # fmt: skip
    if "root_password" in found:
        statements.append("alter user 'root'@'localhost' identified via unix_socket;")
    if "database/test" in found:
        statements += ["drop database test;", "delete from mysql.db where db like 'test%';"]
    if statements:
        text = "\n".join([*statements, "flush privileges;", ""])
        yield StringCommand("mariadb", _stdin=text)


@operation()
def make_database(
    database: str, user: str, password: Secret, login: str, upcoming: Upcoming
) -> Commands:
    """A MariaDB database and its user: the system user of that name, or who has the password.

    MariaDB asks the socket who is calling (unix_socket), so the application itself shows no
    password, and a change of it interrupts nothing. ``login``: the option file with user and
    password, by which it is seen whether they are right. ``upcoming``: the operation that writes
    it; before it ran, a plan asks it.
    """
    pattern = grant_pattern(database)
    grant = f"grant/{user} {pattern} {', '.join(PRIVILEGES)}"
    wanted = [f"database/{database}", f"user/{user}", grant]
    found = host.get_fact(Databases)
    mine = {item for item in found if item.startswith(f"grant/{user} ")}
    everywhere = {item for item in found if item.startswith(f"privileges/{user} ")}
    others = {item.split(" ")[1] for item in mine} - {pattern}
    more = {item for item in mine if item.split(" ")[1] == pattern} - {grant}
    wider = bool(more or everywhere - {f"privileges/{user} USAGE"})
    right = all(item in found for item in wanted) and not wider and not others
    right = right and host.get_fact(Login, option_file=login)
    if not right or (not state.is_executing and upcoming.will_change):
        text = database_sql(database, user, password, wider, sorted(others))
        yield StringCommand("mariadb", _stdin=text)


def grant_pattern(database: str) -> str:
    """The pattern that matches this database alone where ``GRANT`` expects a pattern.

    There ``_`` is any character and ``%`` any number of them, unless a backslash precedes.
    """
    return re.sub(r"[_%\\]", lambda found: f"\\{found[0]}", database)


def database_sql(
    database: str, user: str, password: Secret, wider: bool, others: Sequence[str] = ()
) -> str:
    """The statements; the server never sees the password, only what it keeps of it.

    + wider: whether the user may do more than it should, which is taken away. For that moment it
      may do nothing, so this is not done without need.
    + others: patterns of other databases, on which the user loses its rights
    """
    who = f"{sql(user)}@'localhost'"
    lost = (
        ""
        if wider
        else "".join(
            f"revoke all privileges on {_identifier(each)}.* from {who};\n" for each in others
        )
    )
    return (
        f"create database if not exists `{database}` character set utf8mb4;\n"
        f"create user if not exists {who};\n"
        f"alter user {who} identified via unix_socket or mysql_native_password"
        f" using {sql(native_hash(password.reveal()))};\n"
        + (f"revoke all privileges, grant option from {who};\n" if wider else "")
        + f"grant {', '.join(PRIVILEGES)} on {_identifier(grant_pattern(database))}.* to {who};\n"
        + lost
    )


def _identifier(name: str) -> str:
    return f"`{name.replace('`', '``')}`"


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
