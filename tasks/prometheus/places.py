"""Where Prometheus keeps what on its machine."""

DATA = "/var/lib/prometheus-server"
CONFIG = "/etc/prometheus-server"
CONFIG_FILE = f"{CONFIG}/prometheus.yml"
RULES = f"{CONFIG}/rules"
# A pattern, so that rules of one's own may lie beside ours.
RULE_FILES = f"{RULES}/*.yml"
TARGETS = f"{CONFIG}/targets"
# How each target is known, and what it is shown.
LOGINS = f"{CONFIG}/logins"
UNIT_FILE = "/etc/systemd/system/prometheus.service"
# A folder of it for each version.
RELEASES = "/opt/prometheus"


def folder_of(version: str) -> str:
    """The folder with the programs of a version."""
    return f"{RELEASES}/{version}"
