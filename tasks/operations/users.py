"""System users. pyinfra's own operation asks for every user and group: 0.3 s a host, measured."""

from pyinfra import host
from pyinfra.api import StringCommand, operation
from pyinfra.api.exceptions import OperationError

from facts.conditions import Condition
from facts.shell import sh
from facts.users import User
from tasks.operations.commands import Commands
from tasks.operations.originals import Anothers, never

SHELL = "/usr/sbin/nologin"


@operation()
def make_system_user(user: str, home: str, is_another: Anothers = never) -> Commands:
    """A system user with a group of the same name, who cannot log in; ``home`` is not made.

    + is_another: whether an account of that name may be somebody else's, and is left alone

    Raises OperationError for such an account.
    """
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
        if is_another():
            raise OperationError(
                f"there is an account {user} that no deploy made (home {found['home']}, shell"
                f" {found['shell']}): it is left alone; rename it"
            )
        yield StringCommand(
            sh("usermod --home {home} --shell {shell} {user}", home=home, shell=SHELL, user=user)
        )


@operation()
def join_group(user: str, group: str) -> Commands:
    """Have ``user`` be in ``group``, beside those that it is in already."""
    asked = sh("id -nG {user} | tr ' ' '\\n' | grep -qx {group}", user=user, group=group)
    if not host.get_fact(Condition, shell=asked):
        yield StringCommand(sh("usermod --append --groups {group} {user}", group=group, user=user))
