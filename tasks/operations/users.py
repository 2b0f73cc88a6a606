"""System users. pyinfra's own operation asks for every user and group: 0.3 s a host, measured."""

from pyinfra import host
from pyinfra.api import StringCommand, operation

from facts.shell import sh
from facts.users import User
from tasks.operations.commands import Commands

SHELL = "/usr/sbin/nologin"


@operation()
def make_system_user(user: str, home: str) -> Commands:
    """A system user with a group of the same name, who cannot log in; ``home`` is not made."""
    found = host.get_fact(User, user=user)
    if found is None:
        yield StringCommand(
            sh(
                "useradd --system --user-group --no-create-home --home-dir {home}"
                " --shell {shell} {user}",
                home=home,
                shell=SHELL,
                user=user,
            )
        )
    elif (found["home"], found["shell"]) != (home, SHELL):
        yield StringCommand(
            sh("usermod --home {home} --shell {shell} {user}", home=home, shell=SHELL, user=user)
        )
