"""The web server, and the applications' pages as their visitors get them."""

from grafana_foundation_sdk.builders import dashboard

from tasks.grafana.dashboards.building import (
    bad_at,
    good_at,
    graph,
    lines,
    new,
    number,
    query,
    target_choice,
)

REQUESTS = 'rate(nginx_http_requests_total{target=~"$target"}[$__rate_interval])'
# Accepted, but there was no connection left to serve them with.
DROPPED = (
    'rate(nginx_connections_accepted{target=~"$target"}[$__rate_interval])'
    ' - rate(nginx_connections_handled{target=~"$target"}[$__rate_interval])'
)
RESPONSES = (
    "sum by (target, site, status)"
    ' (rate(nginx_responses_total{target=~"$target"}[$__rate_interval]))'
)
# 95 of 100 requests took less.
DURATION = (
    "histogram_quantile(0.95, sum by (target, site, le)"
    ' (rate(nginx_request_duration_seconds_bucket{target=~"$target"}[$__rate_interval])))'
)
STATES = ("reading", "writing", "waiting")


def build() -> dashboard.Dashboard:
    """Requests, connections, and what the pages took."""
    return (
        new("nginx", "Nginx", "Requests, connections and the applications' pages.")
        .with_variable(target_choice("nginx_up"))
        .with_panel(number("Up", 'min(nginx_up{target=~"$target"})', steps=good_at(1)))
        .with_panel(number("Requests", f"sum({REQUESTS})", unit="reqps"))
        .with_panel(number("Connections", 'sum(nginx_connections_active{target=~"$target"})'))
        .with_panel(number("Dropped", f"sum({DROPPED})", unit="cps", steps=bad_at(0.001)))
        .with_panel(
            number(
                "Page answers with",
                'max(probe_http_status_code{target=~"$target"})',
                unit="none",
                steps=[(None, "red"), (200, "green"), (400, "red")],
            )
        )
        .with_panel(
            number(
                "Time for the page",
                'max(probe_duration_seconds{target=~"$target"})',
                unit="s",
                steps=bad_at(1, 3),
            )
        )
        .with_panel(graph("Requests", query(REQUESTS), unit="reqps"))
        .with_panel(
            graph(
                "Answers by status",
                query(RESPONSES, "{{target}} {{site}} {{status}}"),
                unit="reqps",
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "Time of a request, 95th percentile",
                query(DURATION, "{{target}} {{site}}"),
                unit="s",
            )
        )
        .with_panel(
            graph(
                "Connections",
                *(
                    query(
                        f'nginx_connections_{state}{{target=~"$target"}}', f"{{{{target}}}} {state}"
                    )
                    for state in STATES
                ),
                stacked=True,
            )
        )
        .with_panel(graph("Connections dropped", query(DROPPED), unit="cps"))
        .with_panel(
            graph(
                "Time for the page, by phase",
                query(
                    'probe_http_duration_seconds{target=~"$target"}', "{{target}} {{app}} {{phase}}"
                ),
                unit="s",
                stacked=True,
            )
        )
        .with_panel(lines("Logs", '{target=~"$target",job="nginx"}'))
    )
