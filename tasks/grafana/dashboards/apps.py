"""Applications: whether they answer, which release serves, and what waits in their queues."""

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
EACH = "{{target}} {{app}}"


def build() -> dashboard.Dashboard:
    """Each application as its visitors, and its queue, see it."""
    share = f"laravel_workers{{{WHICH}}} / laravel_workers_wanted{{{WHICH}}}"
    return (
        new("apps", "Applications", "Pages, releases, queues and workers.")
        .with_variable(target_choice("probe_success"))
        .with_variable(choice("app", "Application", "probe_success"))
        .with_panel(number("Up", f"min(probe_success{{{WHICH}}})", steps=good_at(1)))
        .with_panel(
            number(
                "Slowest page",
                f"max(probe_duration_seconds{{{WHICH}}})",
                unit="s",
                steps=bad_at(1, 5),
            )
        )
        .with_panel(
            number(
                "Answered",
                f"min(avg_over_time(probe_success{{{WHICH}}}[$__range]))",
                unit="percentunit",
            )
        )
        .with_panel(number("Jobs that wait", f'sum(laravel_queue_jobs{{{WHICH},state="ready"}})'))
        .with_panel(
            number("Failed jobs", f"sum(laravel_failed_jobs{{{WHICH}}})", steps=bad_at(1, 10))
        )
        .with_panel(number("Workers", f"min({share})", unit="percentunit", steps=good_at(1)))
        .with_panel(graph("Page", query(f"probe_duration_seconds{{{WHICH}}}", EACH), unit="s"))
        .with_panel(graph("Jobs", query(f"laravel_queue_jobs{{{WHICH}}}", f"{EACH} {{{{state}}}}")))
        .with_panel(
            graph("Releases", query(f"laravel_release_info{{{WHICH}}}", f"{EACH} {{{{release}}}}"))
        )
        .with_panel(graph("Failed jobs", query(f"laravel_failed_jobs{{{WHICH}}}", EACH)))
        .with_panel(lines("Logs", '{target=~"$target",job="laravel",app=~"$app"}'))
    )
