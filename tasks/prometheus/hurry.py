"""A new Prometheus sees its targets at once: each second, until the deployment has ended."""

from collections.abc import Mapping
from typing import Any

from facts.services import STARTED_WITH, as_written
from tasks.operations.services import Hurry, reloading
from tasks.prometheus.places import CONFIG_FILE, DATA, RULE_FILES

UNIT = "prometheus.service"
READS = (CONFIG_FILE, RULE_FILES)


def scrapes_each_second(interval_s: int) -> Hurry:
    """Lets Prometheus start with a scrape interval of a second instead of ``interval_s``.

    One that has written its first block of data is left alone. The file is put back at once, and
    so is another one than Prometheus has read, which the unit has noted: ``calm`` has it read
    again, and so does the next run if this one is cut off.
    """
    is_new = f'[ -z "$(ls -d {DATA}/01* 2>/dev/null)" ]'
    return Hurry(
        begin=f"if {is_new}; then {_scrape_each(1)}; fi",
        end=_scrape_each(interval_s),
    )


def _scrape_each(seconds: int) -> str:
    line = f"s/^  scrape_interval: .*/  scrape_interval: {seconds}s/"
    return f"[ ! -e {CONFIG_FILE} ] || sed -i '{line}' {CONFIG_FILE}"


def calm(_: Mapping[str, Any]) -> tuple[str, str]:
    """A shell command that ends the hurry, if there is one, and its empty standard input.

    Prometheus takes its targets for new ones then, which it looks at when it is their turn. It does
    nothing where Prometheus does not run: it was never started, or it reads its files at its start.
    """
    is_calm = as_written(list(READS), f"{STARTED_WITH}/{UNIT}.reads")
    runs = f"systemctl -q is-active {UNIT}"
    return f"! {runs} || {is_calm} || {{ {reloading(UNIT, READS)}; }}", ""
