"""The logs of all targets: the applications' own, and all others."""

from grafana_foundation_sdk.builders import common, dashboard, timeseries
from grafana_foundation_sdk.models.common import GraphDrawStyle, StackingMode

from tasks.grafana.dashboards.building import (
    ALL,
    EVERYTHING,
    LOKI,
    WIDTH,
    choice,
    counted,
    lines,
    new,
    target_choice,
)

JOBS = ("laravel", "nginx", "php-fpm", "mariadb", "redis", "journal")
SELECTED = '{target=~"$target",job=~"$job"}'
# By sender as well: a line's label may name another target than the one that sent it.
COUNTED = "sum by (job, __tenant_id__)"
FOUND = '|~ "(?i)$search"'
WRONG = '|~ "(?i)(error|critical|alert|emergency|exception|fatal|panic)"'


def build() -> dashboard.Dashboard:
    """By target, by application, by where they come from, and by a word in them."""
    return (
        new("logs", "Logs", "What all targets write.")
        .with_variable(target_choice())
        .with_variable(choice("app", "Application", "phpfpm_up"))
        .with_variable(_jobs())
        .with_variable(dashboard.TextBoxVariable("search").label("Search").default_value(""))
        .with_panel(
            _volume(
                "Lines",
                f"{COUNTED} (count_over_time({SELECTED} {FOUND} [$__auto]))",
            )
        )
        .with_panel(
            _volume(
                "Lines that tell of errors",
                f"{COUNTED} (count_over_time({SELECTED} {WRONG} {FOUND} [$__auto]))",
            )
        )
        .with_panel(
            lines("Laravel", f'{{target=~"$target",app=~"$app",job="laravel"}} {FOUND}', height=10)
        )
        .with_panel(lines("All", f"{SELECTED} {FOUND}", height=16))
    )


def _jobs() -> dashboard.CustomVariable:
    return (
        dashboard.CustomVariable("job")
        .label("From")
        .values(",".join(JOBS))
        .multi(True)
        .include_all(True)
        .all_value(ALL)
        .current(EVERYTHING)
    )


def _volume(title: str, expression: str) -> timeseries.Panel:
    return (
        timeseries.Panel()
        .title(title)
        .datasource(LOKI)
        .span(WIDTH // 2)
        .height(6)
        .draw_style(GraphDrawStyle.BARS)
        .fill_opacity(60)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL))
        .with_target(counted(expression, "{{job}} from {{__tenant_id__}}"))
    )
