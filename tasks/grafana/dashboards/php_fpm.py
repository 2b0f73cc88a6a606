"""PHP-FPM: whether the applications' processes keep up with the requests."""

from grafana_foundation_sdk.builders import dashboard

from tasks.grafana.dashboards.building import (
    bad_at,
    choice,
    good_at,
    graph,
    lines,
    new,
    number,
    query,
    target_choice,
)

WHICH = 'target=~"$target",app=~"$app"'
REQUESTS = f"rate(phpfpm_accepted_connections{{{WHICH}}}[$__rate_interval])"
EACH = "{{target}} {{app}}"


def build() -> dashboard.Dashboard:
    """The processes of each application's pool."""
    return (
        new("php-fpm", "PHP-FPM", "Whether the applications' processes keep up.")
        .with_variable(target_choice("phpfpm_up"))
        .with_variable(choice("app", "Application", "phpfpm_up"))
        .with_panel(number("Up", f"min(phpfpm_up{{{WHICH}}})", steps=good_at(1)))
        .with_panel(
            number(
                "Requests",
                f"sum(rate(phpfpm_accepted_connections{{{WHICH}}}[$__rate_interval]))",
                unit="reqps",
            )
        )
        .with_panel(
            number(
                "Busy",
                f"max(phpfpm_active_processes{{{WHICH}}} / phpfpm_total_processes{{{WHICH}}})",
                unit="percentunit",
                steps=bad_at(0.8, 0.95),
            )
        )
        .with_panel(number("Waiting", f"sum(phpfpm_listen_queue{{{WHICH}}})", steps=bad_at(1, 10)))
        .with_panel(
            number(
                "Too few processes",
                f"sum(increase(phpfpm_max_children_reached{{{WHICH}}}[$__range]))",
                steps=bad_at(1),
                about="How often all of php.children were busy.",
            )
        )
        .with_panel(
            number(
                "Slow requests",
                f"sum(increase(phpfpm_slow_requests{{{WHICH}}}[$__range]))",
                steps=bad_at(1),
            )
        )
        .with_panel(
            graph(
                "Processes",
                query(f"phpfpm_active_processes{{{WHICH}}}", f"{EACH} active"),
                query(f"phpfpm_idle_processes{{{WHICH}}}", f"{EACH} idle"),
                stacked=True,
            )
        )
        .with_panel(
            graph(
                "Requests",
                query(REQUESTS, EACH),
                unit="reqps",
            )
        )
        .with_panel(
            graph(
                "Requests that wait for a process",
                query(f"phpfpm_listen_queue{{{WHICH}}}", EACH),
                query(f"phpfpm_max_listen_queue{{{WHICH}}}", f"{EACH} most since the start"),
            )
        )
        .with_panel(
            graph(
                "Most memory of a request (from PHP 8.4 on)",
                query(f"phpfpm_memory_peak{{{WHICH}}}", EACH),
                unit="bytes",
                about="The FPM of PHP 8.3 and older does not say how much memory requests take:"
                " applications on these have no line here.",
            )
        )
        .with_panel(lines("Logs", '{target=~"$target",job="php-fpm"}'))
    )
