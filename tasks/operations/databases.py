"""Databases, and who may use them."""

from pyinfra import host
from pyinfra.api import StringCommand, operation

from facts.databases import Databases
from tasks.operations.commands import Commands


@operation()
def make_database(database: str, user: str) -> Commands:
    """A MariaDB database, and its user who logs in as the system user of that name.

    No password exists: MariaDB asks the socket who is calling (its unix_socket plugin).
    """
    found = host.get_fact(Databases)
    wanted = [f"database/{database}", f"user/{user} unix_socket", f"grant/{user} {database}"]
    if not all(item in found for item in wanted):
        sql = (
            f"create database if not exists `{database}` character set utf8mb4;\n"
            f"create or replace user '{user}'@'localhost' identified via unix_socket;\n"
            f"grant all privileges on `{database}`.* to '{user}'@'localhost';\n"
        )
        yield StringCommand("mariadb", _stdin=sql)
