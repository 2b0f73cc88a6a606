"""Redis: its memory, what it finds there, and what it had to drop."""

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

WHICH = 'target=~"$target"'


def _rate(name: str) -> str:
    return f"rate(redis_{name}{{{WHICH}}}[$__rate_interval])"


HITS = (
    f"{_rate('keyspace_hits_total')}"
    f" / ({_rate('keyspace_hits_total')} + {_rate('keyspace_misses_total')})"
)
MEMORY = f"redis_memory_used_bytes{{{WHICH}}} / (redis_memory_max_bytes{{{WHICH}}} > 0)"


def build() -> dashboard.Dashboard:
    """What redis_exporter tells of it."""
    return (
        new("redis", "Redis", "Memory, hits and what was dropped.")
        .with_variable(target_choice("redis_up"))
        .with_panel(number("Up", f"min(redis_up{{{WHICH}}})", steps=good_at(1)))
        .with_panel(number("Running for", f"min(redis_uptime_in_seconds{{{WHICH}}})", unit="s"))
        .with_panel(number("Memory", f"max({MEMORY})", unit="percentunit", steps=bad_at(0.9, 0.98)))
        .with_panel(number("Found", f"min({HITS})", unit="percentunit"))
        .with_panel(number("Clients", f"sum(redis_connected_clients{{{WHICH}}})"))
        .with_panel(
            number(
                "Refused clients",
                f"sum(increase(redis_rejected_connections_total{{{WHICH}}}[$__range]))",
                steps=bad_at(1),
            )
        )
        .with_panel(
            graph(
                "Memory",
                query(f"redis_memory_used_bytes{{{WHICH}}}", "{{target}} {{app}} {{redis}} in use"),
                query(f"redis_memory_max_bytes{{{WHICH}}}", "{{target}} {{app}} {{redis}} at most"),
                unit="bytes",
            )
        )
        .with_panel(
            graph(
                "Commands",
                query(_rate("commands_processed_total")),
                unit="ops",
            )
        )
        .with_panel(
            graph(
                "Keys",
                query(
                    f"sum by (target, app, redis, db) (redis_db_keys{{{WHICH}}}) > 0",
                    "{{target}} {{app}} {{redis}} {{db}}",
                ),
            )
        )
        .with_panel(
            graph(
                "Keys dropped",
                query(
                    _rate("evicted_keys_total"), "{{target}} {{app}} {{redis}} for want of memory"
                ),
                query(_rate("expired_keys_total"), "{{target}} {{app}} {{redis}} out of date"),
                unit="ops",
            )
        )
        .with_panel(
            graph(
                "Hits and misses",
                query(_rate("keyspace_hits_total"), "{{target}} {{app}} {{redis}} found"),
                query(_rate("keyspace_misses_total"), "{{target}} {{app}} {{redis}} not found"),
                unit="ops",
            )
        )
        .with_panel(
            graph(
                "Traffic",
                query(_rate("net_input_bytes_total"), "{{target}} {{app}} {{redis}} in"),
                query(_rate("net_output_bytes_total"), "{{target}} {{app}} {{redis}} out"),
                unit="Bps",
            )
        )
        .with_panel(lines("Logs", '{target=~"$target",job="redis"}'))
    )
