"""What all dashboards are made of, so that they look and behave alike."""

from collections.abc import Sequence
from typing import TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    logs,
    loki,
    prometheus,
    stat,
    timeseries,
)
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    LogsSortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from tasks.loki.component import SHARED

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="prometheus")
LOKI = DataSourceRef(type_val="loki", uid="loki")
ITSELF = DataSourceRef(type_val="grafana", uid="-- Grafana --")
TAG = "chom"
# Grafana's grid has 24 columns; a row of it is 30 pixels high.
WIDTH = 24
# All that has the label at all: Loki wants a pattern that matches one letter at least.
ALL = ".+"

# The tenant that Loki has stored a line for is the target that logged in to send it. Only for
# lines: where Loki counts, it cannot select by the tenant, but group by it.
SENDER = f'__tenant_id__=~"$target|{SHARED}"'

EVERYTHING = VariableOption(selected=True, text=["All"], value=["$__all"])

Step = tuple[float | None, str]
P = TypeVar("P", stat.Panel, bargauge.Panel, timeseries.Panel)


def new(name: str, title: str, description: str) -> dashboard.Dashboard:
    """A dashboard that has the uid ``chom-NAME`` for ever, with what each of them has."""
    return (
        dashboard.Dashboard(title)
        .uid(f"{TAG}-{name}")
        .description(description)
        .tags([TAG])
        .readonly()
        .timezone("browser")
        .time("now-6h", "now")
        .refresh("30s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .annotation(_deployments())
        .link(_others())
    )


def _deployments() -> dashboard.AnnotationQuery:
    """What deployments have told Grafana (tasks/grafana/annotations.py)."""
    which = dashboard.AnnotationTarget().type("tags").tags(["deployment"]).limit(100)
    return (
        dashboard.AnnotationQuery()
        .name("Deployments")
        .datasource(ITSELF)
        .enable(True)
        .icon_color("blue")
        .target(which)
    )


def _others() -> dashboard.DashboardLink:
    """From each to all, which then show the same target and time."""
    return (
        dashboard.DashboardLink("Dashboards")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )


def choice(name: str, label: str, series: str) -> dashboard.QueryVariable:
    """A variable: the values of the label ``name`` in ``series``; at first all of them."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(PROMETHEUS)
        .query({"query": f"label_values({series}, {name})", "refId": name})
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(ALL)
        .current(EVERYTHING)
    )


def target_choice(series: str = "up") -> dashboard.QueryVariable:
    """The variable ``target``: those that have ``series``."""
    return choice("target", "Target", series)


def query(expression: str, legend: str = "{{target}}") -> prometheus.Dataquery:
    """What Prometheus is asked for a graph."""
    return prometheus.Dataquery().expr(expression).legend_format(legend).range()


def now(expression: str, legend: str = "{{target}}") -> prometheus.Dataquery:
    """What Prometheus is asked for the present values."""
    return prometheus.Dataquery().expr(expression).legend_format(legend).instant()


def graph(
    title: str,
    *queries: prometheus.Dataquery,
    unit: str = "short",
    span: int = 12,
    stacked: bool = False,
    highest: float | None = None,
    about: str = "",
) -> timeseries.Panel:
    """Lines over time, from zero on; a click on one leads to the logs of its target."""
    panel = (
        timeseries.Panel()
        .height(8)
        .line_width(1)
        .fill_opacity(30 if stacked else 10)
        .show_points(VisibilityMode.NEVER)
        .min(0)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    if highest is not None:
        panel = panel.max(highest)
    return _asking(panel, title, queries, unit, span, about)


def number(
    title: str,
    expression: str,
    *,
    unit: str = "short",
    span: int = 4,
    steps: Sequence[Step] = ((None, "text"),),
    about: str = "",
) -> stat.Panel:
    """A large value, coloured by ``steps``: from which value on, in which colour."""
    panel = (
        stat.Panel()
        .height(4)
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(_latest())
        .thresholds(thresholds(steps))
    )
    shown = _asking(panel, title, [now(expression)], unit, span, about)
    # It may be of several targets.
    return shown.data_links([_link("logs", "Logs", "${target:queryparam}")])


def bars(title: str, expression: str, *, span: int = 8, about: str = "") -> bargauge.Panel:
    """A bar for each target, full at 1; a click leads to more about the target."""
    panel = (
        bargauge.Panel()
        .height(7)
        .orientation(VizOrientation.HORIZONTAL)
        .min(0)
        .max(1)
        .reduce_options(_latest())
        .thresholds(thresholds(bad_at(0.8, 0.9)))
    )
    shown = _asking(panel, title, [now(expression)], "percentunit", span, about)
    return shown.data_links([link_to("host", "Host"), link_to("logs", "Logs")])


def lines(title: str, expression: str, *, span: int = WIDTH, height: int = 12) -> logs.Panel:
    """Log lines, the newest first.

    Lines that name a target count as its own only if they were sent with its login, or before
    targets had logins of their own.
    """
    expression = expression.replace("{target=", f"{{{SENDER},target=")
    return (
        logs.Panel()
        .title(title)
        .datasource(LOKI)
        .span(span)
        .height(height)
        .show_time(True)
        .wrap_log_message(True)
        .enable_log_details(True)
        .sort_order(LogsSortOrder.DESCENDING)
        .with_target(counted(expression).max_lines(500))
    )


def counted(expression: str, legend: str = "") -> loki.Dataquery:
    """What Loki is asked: for lines, or how many there are."""
    return loki.Dataquery().expr(expression).legend_format(legend).query_type("range").ref_id("A")


def link_to(name: str, title: str) -> dashboard.DashboardLink:
    """From a value to another dashboard, of the value's target and the same time."""
    return _link(name, title, "var-target=${__field.labels.target}")


def _link(name: str, title: str, target: str) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(title).url(f"/d/{TAG}-{name}?{target}&${{__url_time_range}}")


def good_at(value: float) -> list[Step]:
    """Red below a value, green from there on."""
    return [(None, "red"), (value, "green")]


def bad_at(value: float, worse: float | None = None) -> list[Step]:
    """Green below a value, red from there on; with a ``worse`` one, orange up to that."""
    if worse is None:
        return [(None, "green"), (value, "red")]
    return [(None, "green"), (value, "orange"), (worse, "red")]


def thresholds(steps: Sequence[Step]) -> dashboard.ThresholdsConfig:
    """Colours by value."""
    return (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=value, color=colour) for value, colour in steps])
    )


def _latest() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _asking(
    panel: P,
    title: str,
    queries: Sequence[prometheus.Dataquery],
    unit: str,
    span: int,
    about: str,
) -> P:
    panel = panel.title(title).datasource(PROMETHEUS).unit(unit).span(span)
    if about:
        panel = panel.description(about)
    for letter, each in zip("ABCDEFGH", queries, strict=False):
        panel = panel.with_target(each.ref_id(letter))
    return panel.data_links([link_to("logs", "Logs")])
