"""What deployments changed, and how the targets took it."""

from grafana_foundation_sdk.builders import annotationslist, dashboard, table
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from tasks.grafana.dashboards.building import (
    PROMETHEUS,
    WIDTH,
    graph,
    new,
    now,
    query,
    target_choice,
)

# What tells its own version.
PROGRAMS = (
    "prometheus_build_info",
    "alertmanager_build_info",
    "node_exporter_build_info",
    "nginx_exporter_build_info",
    "mysqld_exporter_build_info",
    "redis_exporter_build_info",
    "mysql_version_info",
)
HIDDEN = {"Time": True, "Value": True}


def build() -> dashboard.Dashboard:
    """Each deployment that changed something, with versions, restarts and pages beside it."""
    return (
        new("deployments", "Deployments", "What was deployed, and what changed by it.")
        .time("now-7d", "now")
        .with_variable(target_choice())
        .with_panel(_list())
        .with_panel(_versions())
        .with_panel(
            graph(
                "Processes that were started again",
                query(
                    'changes(process_start_time_seconds{target=~"$target"}[$__rate_interval])',
                    "{{target}} {{job}}",
                ),
            )
        )
        .with_panel(
            graph(
                "Pages that answer",
                query('probe_success{target=~"$target"}', "{{target}} {{app}}"),
                highest=1,
            )
        )
        .with_panel(
            graph(
                "Units by whether they run",
                query(
                    "count by (target, state)"
                    ' (node_systemd_unit_state{state=~"active|failed",target=~"$target"} == 1)',
                    "{{target}} {{state}}",
                ),
            )
        )
        .with_panel(
            graph(
                "Scrapes that fail",
                query('count by (target) (up{target=~"$target"} == 0)'),
            )
        )
    )


def _list() -> annotationslist.Panel:
    return (
        annotationslist.Panel()
        .title("Deployments that changed something")
        .span(WIDTH // 2)
        .height(12)
        .tags(["deployment"])
        .limit(50)
        .only_from_this_dashboard(False)
        .only_in_time_range(False)
        .show_tags(True)
        .show_time(True)
        .show_user(False)
    )


def _versions() -> table.Panel:
    """One row for each program of each target."""
    # `or` would take two programs of one version for the same.
    named = " or ".join(
        f'label_replace({name}{{target=~"$target"}}, "program", "{name}", "", "")'
        for name in PROGRAMS
    )
    shown = now(f"group by (target, program, version) ({named})", "").format(PromQueryFormat.TABLE)
    return (
        table.Panel()
        .title("Versions that run")
        .datasource(PROMETHEUS)
        .span(WIDTH // 2)
        .height(12)
        .with_target(shown.ref_id("A"))
        .with_transformation(
            DataTransformerConfig(id_val="organize", options={"excludeByName": HIDDEN})
        )
    )
