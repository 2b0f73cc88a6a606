"""The machine itself, as node_exporter sees it."""

from grafana_foundation_sdk.builders import dashboard

from tasks.grafana.dashboards.building import (
    bad_at,
    graph,
    new,
    number,
    query,
    target_choice,
)
from tasks.grafana.dashboards.fleet import CPU, DISK, MEMORY

NETWORK = 'target=~"$target",device!~"lo|veth.*"'


def build() -> dashboard.Dashboard:
    """For one target or several."""
    return (
        new("host", "Host", "Processor, memory, disks and network of a target.")
        .with_variable(target_choice("node_uname_info"))
        .with_panel(number("CPU", CPU, unit="percentunit", steps=bad_at(0.8, 0.95)))
        .with_panel(number("Memory", MEMORY, unit="percentunit", steps=bad_at(0.8, 0.9)))
        .with_panel(
            number(
                "Fullest disk",
                f"max by (target) ({DISK})",
                unit="percentunit",
                steps=bad_at(0.8, 0.9),
            )
        )
        .with_panel(
            number(
                "Load for each CPU",
                'node_load5{target=~"$target"} / on (target) count by (target)'
                ' (node_cpu_seconds_total{mode="idle",target=~"$target"})',
                steps=bad_at(1, 2),
            )
        )
        .with_panel(
            number(
                "Running for",
                'time() - node_boot_time_seconds{target=~"$target"}',
                unit="s",
            )
        )
        .with_panel(
            number(
                "Failed units",
                'count by (target) (node_systemd_unit_state{state="failed",target=~"$target"}'
                " == 1) or vector(0)",
                steps=bad_at(1),
            )
        )
        .with_panel(
            graph(
                "CPU by what it does",
                query(
                    "sum by (target, mode) (rate(node_cpu_seconds_total"
                    '{mode!="idle",target=~"$target"}[$__rate_interval]))',
                    "{{target}} {{mode}}",
                ),
                stacked=True,
                about="In CPUs that were busy.",
            )
        )
        .with_panel(
            graph(
                "Load",
                query('node_load1{target=~"$target"}', "{{target}} 1 min"),
                query('node_load15{target=~"$target"}', "{{target}} 15 min"),
            )
        )
        .with_panel(
            graph(
                "Memory",
                query('node_memory_MemAvailable_bytes{target=~"$target"}', "{{target}} available"),
                query('node_memory_MemTotal_bytes{target=~"$target"}', "{{target}} total"),
                query(
                    'node_memory_SwapTotal_bytes{target=~"$target"}'
                    ' - node_memory_SwapFree_bytes{target=~"$target"}',
                    "{{target}} swapped out",
                ),
                unit="bytes",
            )
        )
        .with_panel(
            graph(
                "Waiting for CPU, memory and disk",
                query(
                    'rate(node_pressure_cpu_waiting_seconds_total{target=~"$target"}'
                    "[$__rate_interval])",
                    "{{target}} CPU",
                ),
                query(
                    'rate(node_pressure_memory_waiting_seconds_total{target=~"$target"}'
                    "[$__rate_interval])",
                    "{{target}} memory",
                ),
                query(
                    'rate(node_pressure_io_waiting_seconds_total{target=~"$target"}'
                    "[$__rate_interval])",
                    "{{target}} disk",
                ),
                unit="percentunit",
                about="How much of the time something had to wait (pressure stall information).",
            )
        )
        .with_panel(
            graph("Disk space in use", query(DISK, "{{target}} {{mountpoint}}"), unit="percentunit")
        )
        .with_panel(
            graph(
                "Disk reads and writes",
                query(
                    'rate(node_disk_read_bytes_total{target=~"$target"}[$__rate_interval])',
                    "{{target}} {{device}} read",
                ),
                query(
                    'rate(node_disk_written_bytes_total{target=~"$target"}[$__rate_interval])',
                    "{{target}} {{device}} written",
                ),
                unit="Bps",
            )
        )
        .with_panel(
            graph(
                "Network",
                query(
                    f"rate(node_network_receive_bytes_total{{{NETWORK}}}[$__rate_interval])",
                    "{{target}} {{device}} in",
                ),
                query(
                    f"rate(node_network_transmit_bytes_total{{{NETWORK}}}[$__rate_interval])",
                    "{{target}} {{device}} out",
                ),
                unit="Bps",
            )
        )
        .with_panel(
            graph(
                "Network errors",
                query(
                    f"rate(node_network_receive_errs_total{{{NETWORK}}}[$__rate_interval])",
                    "{{target}} {{device}} in",
                ),
                query(
                    f"rate(node_network_transmit_errs_total{{{NETWORK}}}[$__rate_interval])",
                    "{{target}} {{device}} out",
                ),
                query(
                    'rate(node_netstat_Tcp_RetransSegs{target=~"$target"}[$__rate_interval])',
                    "{{target}} TCP sent again",
                ),
            )
        )
        .with_panel(
            graph(
                "Processes killed for want of memory",
                query('increase(node_vmstat_oom_kill{target=~"$target"}[$__rate_interval])'),
            )
        )
        .with_panel(
            graph(
                "Open files",
                query(
                    'node_filefd_allocated{target=~"$target"}'
                    ' / node_filefd_maximum{target=~"$target"}'
                ),
                unit="percentunit",
            )
        )
    )
