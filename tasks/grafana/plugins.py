"""Data source plugins of Grafana's package, and which of them no dashboard of ours asks."""

from collections.abc import Iterable

# Ids by the list of what Grafana 13 installs by itself (pkg/setting/setting_plugins.go). Each is a
# process of 20 to 30 MB once it was moved out of the core, at the latest in 13.2.
DATA_SOURCES = (
    "cloudwatch",
    "elasticsearch",
    "grafana-azure-monitor-datasource",
    "grafana-postgresql-datasource",
    "grafana-pyroscope-datasource",
    "graphite",
    "influxdb",
    "jaeger",
    "loki",
    "mssql",
    "mysql",
    "opentsdb",
    "parca",
    "prometheus",
    "stackdriver",
    "tempo",
    "zipkin",
)
OURS = ("alertmanager", "loki", "prometheus")


def unused(wanted: Iterable[str] = ()) -> list[str]:
    """Ids of the data sources that neither we nor the operator (``wanted``) use."""
    used = {*OURS, *wanted}
    return [name for name in DATA_SOURCES if name not in used]
