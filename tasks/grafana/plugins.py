"""Data source plugins of Grafana's package, and which of them no dashboard of ours asks."""

from collections.abc import Iterable

# Ids of those that Grafana 13 bundles (defaultPreinstallPlugins in its setting_plugins.go) and of
# those that are still parts of its core. 13.2 runs each bundled one as a process: 13 of them were
# reported to take 180 to 330 MiB.
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
