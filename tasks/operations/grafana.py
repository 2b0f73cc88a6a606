"""Grafana's admin."""

import shlex

from pyinfra import host, state
from pyinfra.api import StringCommand, operation

from configs.secrets import Secret
from facts.conditions import Condition
from tasks.operations.commands import Commands
from tasks.upcoming import Upcoming

HOME, DATA, LOGS = "/usr/share/grafana", "/var/lib/grafana", "/var/log/grafana"
# The program itself, with the options that the package's wrapper scripts give to it: the script
# grafana-cli is deprecated since Grafana 13, and the script grafana is newer than Grafana 9.
_OVERRIDES = " ".join(
    f"cfg:default.paths.{name}={path}"
    for name, path in {
        "provisioning": "/etc/grafana/provisioning",
        "data": DATA,
        "logs": LOGS,
        "plugins": f"{DATA}/plugins",
    }.items()
)
CLI = (
    f"{HOME}/bin/grafana cli --homepath={HOME} --config=/etc/grafana/grafana.ini"
    f" --configOverrides={shlex.quote(_OVERRIDES)}"
)


@operation()
def set_admin_password(password: Secret, login: str, url: str, upcoming: Upcoming) -> Commands:
    """Let Grafana's admin have this password; Grafana itself is asked whether he has.

    ``login``: a file of curl's options that logs in with it; ``url``: a page that only the admin
    gets. ``upcoming``: the operation that writes that file; before it ran, a plan asks it.
    """
    logs_in = f"curl -fsS -m 10 -o /dev/null -K {shlex.quote(login)} {shlex.quote(url)}"
    right = host.get_fact(Condition, shell=logs_in)
    if not right or (not state.is_executing and upcoming.will_change):
        yield StringCommand(reset_script(logs_in), _stdin=f"{password.reveal()}\n")


def reset_script(logs_in: str) -> str:
    """A shell script that takes the new password from standard input, and tries it.

    Grafana's own tool writes it into the database, as the user whom that belongs to.
    """
    return (
        f"cd {HOME} && runuser -u grafana --"
        f" {CLI} admin reset-admin-password --password-from-stdin || exit 1; "
        f"for second in 1 2 3 4 5; do {logs_in} && exit 0; sleep 1; done; "
        "echo 'Grafana does not take its new admin password: it must be one line of at least 4"
        " characters; and for 5 minutes after 5 wrong ones Grafana takes none' >&2; exit 1"
    )
