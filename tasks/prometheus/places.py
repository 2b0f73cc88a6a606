"""Where Prometheus keeps what on its machine."""

DATA = "/var/lib/prometheus-server"
CONFIG = "/etc/prometheus-server"
CONFIG_FILE = f"{CONFIG}/prometheus.yml"
RULES = f"{CONFIG}/rules"
# A pattern, so that rules of one's own may lie beside ours.
RULE_FILES = f"{RULES}/*.yml"
TARGETS = f"{CONFIG}/targets"
