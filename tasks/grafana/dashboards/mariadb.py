"""MariaDB: queries, connections and InnoDB's memory."""

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
    return f"rate(mysql_global_status_{name}{{{WHICH}}}[$__rate_interval])"


HITS = f"1 - {_rate('innodb_buffer_pool_reads')} / {_rate('innodb_buffer_pool_read_requests')}"
CONNECTIONS = (
    f"mysql_global_status_threads_connected{{{WHICH}}}"
    f" / mysql_global_variables_max_connections{{{WHICH}}}"
)


def build() -> dashboard.Dashboard:
    """What mysqld_exporter tells of it."""
    return (
        new("mariadb", "MariaDB", "Queries, connections and InnoDB's memory.")
        .with_variable(target_choice("mysql_up"))
        .with_panel(number("Up", f"min(mysql_up{{{WHICH}}})", steps=good_at(1)))
        .with_panel(number("Running for", f"min(mysql_global_status_uptime{{{WHICH}}})", unit="s"))
        .with_panel(number("Queries", f"sum({_rate('queries')})", unit="ops"))
        .with_panel(
            number(
                "Connections in use",
                f"max({CONNECTIONS})",
                unit="percentunit",
                steps=bad_at(0.7, 0.9),
            )
        )
        .with_panel(
            number(
                "Read from memory",
                f"min({HITS})",
                unit="percentunit",
                about="How much of what InnoDB read was in its buffer pool.",
            )
        )
        .with_panel(
            number(
                "Slow queries",
                f"sum(increase(mysql_global_status_slow_queries{{{WHICH}}}[$__range]))",
                steps=bad_at(1),
            )
        )
        .with_panel(
            graph(
                "Statements",
                query(
                    "topk by (target) (6, rate(mysql_global_status_commands_total"
                    f"{{{WHICH}}}[$__rate_interval]) > 0)",
                    "{{target}} {{command}}",
                ),
                unit="ops",
                about="The six kinds that are most frequent.",
            )
        )
        .with_panel(
            graph(
                "Connections",
                query(f"mysql_global_status_threads_connected{{{WHICH}}}", "{{target}} open"),
                query(f"mysql_global_status_threads_running{{{WHICH}}}", "{{target}} at work"),
                query(f"mysql_global_variables_max_connections{{{WHICH}}}", "{{target}} at most"),
            )
        )
        .with_panel(
            graph(
                "Buffer pool",
                query(
                    f"mysql_global_status_innodb_buffer_pool_bytes_data{{{WHICH}}}",
                    "{{target}} data",
                ),
                query(
                    f"mysql_global_status_innodb_buffer_pool_bytes_dirty{{{WHICH}}}",
                    "{{target}} not written yet",
                ),
                query(
                    f"mysql_global_variables_innodb_buffer_pool_size{{{WHICH}}}",
                    "{{target}} at most",
                ),
                unit="bytes",
            )
        )
        .with_panel(
            graph(
                "Slow queries, tables on disk, waits for rows",
                query(_rate("slow_queries"), "{{target}} slow queries"),
                query(_rate("created_tmp_disk_tables"), "{{target}} tables on disk"),
                query(_rate("innodb_row_lock_waits"), "{{target}} waits for rows"),
                unit="ops",
            )
        )
        .with_panel(
            graph(
                "Traffic",
                query(_rate("bytes_received"), "{{target}} in"),
                query(_rate("bytes_sent"), "{{target}} out"),
                unit="Bps",
            )
        )
        .with_panel(
            graph(
                "Connections that failed",
                query(_rate("aborted_connects"), "{{target}} refused"),
                query(_rate("aborted_clients"), "{{target}} broken off"),
                unit="ops",
            )
        )
        .with_panel(lines("Logs", '{target=~"$target",job="mariadb"}'))
    )
