"""All targets at a glance, and from each to what is behind it."""

from grafana_foundation_sdk.builders import dashboard, statetimeline
from grafana_foundation_sdk.models.common import VisibilityMode
from grafana_foundation_sdk.models.dashboard import ValueMap, ValueMappingResult

from tasks.grafana.dashboards.building import (
    PROMETHEUS,
    WIDTH,
    bad_at,
    bars,
    good_at,
    graph,
    link_to,
    new,
    number,
    query,
    target_choice,
    thresholds,
)

CPU = (
    '1 - avg by (target) (rate(node_cpu_seconds_total{mode="idle",target=~"$target"}'
    "[$__rate_interval]))"
)
MEMORY = (
    '1 - node_memory_MemAvailable_bytes{target=~"$target"}'
    ' / node_memory_MemTotal_bytes{target=~"$target"}'
)
# Those of real devices: a full tmpfs is no full disk.
DISK = (
    '1 - node_filesystem_avail_bytes{target=~"$target",fstype!~"tmpfs|ramfs"}'
    ' / node_filesystem_size_bytes{target=~"$target",fstype!~"tmpfs|ramfs"}'
)


def build() -> dashboard.Dashboard:
    """The first page that one sees."""
    return (
        new("fleet", "Fleet", "All targets at a glance.")
        .with_variable(target_choice())
        .with_panel(
            number(
                "Targets up",
                'count(up{job="node",target=~"$target"} == 1) or vector(0)',
                steps=good_at(1),
            )
        )
        .with_panel(
            number(
                "Scrapes that fail",
                'count(up{target=~"$target"} == 0) or vector(0)',
                steps=bad_at(1),
                about="Exporters that Prometheus does not reach.",
            )
        )
        .with_panel(
            number(
                "Alerts",
                'count(ALERTS{alertstate="firing",target=~"$target"}) or vector(0)',
                steps=bad_at(1),
            )
        )
        .with_panel(
            number(
                "Pages that answer",
                'sum(probe_success{target=~"$target"})',
                steps=good_at(1),
                about="The applications' own pages, as their visitors get them.",
            )
        )
        .with_panel(
            number(
                "Requests",
                'sum(rate(nginx_http_requests_total{target=~"$target"}[$__rate_interval]))',
                unit="reqps",
            )
        )
        .with_panel(
            number(
                "Failed units",
                'count(node_systemd_unit_state{state="failed",target=~"$target"} == 1)'
                " or vector(0)",
                steps=bad_at(1),
            )
        )
        .with_panel(bars("CPU", CPU))
        .with_panel(bars("Memory", MEMORY))
        .with_panel(bars("Fullest disk", f"max by (target) ({DISK})"))
        .with_panel(_up())
        .with_panel(graph("CPU", query(CPU), unit="percentunit", highest=1))
        .with_panel(graph("Memory", query(MEMORY), unit="percentunit", highest=1))
        .with_panel(
            graph(
                "Requests",
                query(
                    "sum by (target)"
                    ' (rate(nginx_http_requests_total{target=~"$target"}[$__rate_interval]))'
                ),
                unit="reqps",
            )
        )
        .with_panel(
            graph(
                "Time for an application's page",
                query('probe_duration_seconds{target=~"$target"}', "{{target}} {{app}}"),
                unit="s",
            )
        )
    )


def _up() -> statetimeline.Panel:
    words = {
        "0": ValueMappingResult(text="down", color="red", index=0),
        "1": ValueMappingResult(text="up", color="green", index=1),
    }
    return (
        statetimeline.Panel()
        .title("What Prometheus reaches")
        .datasource(PROMETHEUS)
        .span(WIDTH)
        .height(9)
        .show_value(VisibilityMode.NEVER)
        .mappings([ValueMap(options=words)])
        .thresholds(thresholds(good_at(1)))
        .data_links([link_to("logs", "Logs")])
        .with_target(query('up{target=~"$target"}', "{{target}} {{job}}").ref_id("A"))
    )
