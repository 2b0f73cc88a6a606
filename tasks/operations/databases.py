"""Databases, and who may use them."""

from collections.abc import Sequence
from hashlib import sha1

from pyinfra import host, state
from pyinfra.api import StringCommand, operation
from pyinfra.api.operation import OperationMeta

from configs.secrets import Secret
from facts.databases import Databases, Login
from tasks.operations.commands import Commands
from tasks.quoting import sql


@operation()
def make_database(
    database: str, user: str, password: Secret, login: str, upcoming: OperationMeta
) -> Commands:
    """A MariaDB database and its user: the system user of that name, or who has the password.

    MariaDB asks the socket who is calling (unix_socket), so the application itself shows no
    password, and a change of it interrupts nothing. ``login``: the option file with user and
    password, by which it is seen whether they are right. ``upcoming``: the operation that writes
    it; before it ran, a plan asks it.
    """
    wanted = [f"database/{database}", f"user/{user}", f"grant/{user} {database}"]
    found = host.get_fact(Databases)
    right = all(item in found for item in wanted) and host.get_fact(Login, option_file=login)
    if not right or (not state.is_executing and upcoming.will_change):
        yield StringCommand("mariadb", _stdin=database_sql(database, user, password))


def database_sql(database: str, user: str, password: Secret) -> str:
    """The statements; the server never sees the password, only what it keeps of it."""
    who = f"{sql(user)}@'localhost'"
    return (
        f"create database if not exists `{database}` character set utf8mb4;\n"
        f"create user if not exists {who};\n"
        f"alter user {who} identified via unix_socket or mysql_native_password"
        f" using {sql(native_hash(password.reveal()))};\n"
        f"grant all privileges on `{database}`.* to {who};\n"
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
