"""Logs: a line that was just logged on each target is found in Loki."""

import time
from collections.abc import Sequence

from tasks.component import Site
from tasks.loki.component import SHARED
from tasks.verification.check import Check, ask, settle
from tasks.verification.marker import marker

LIMIT_S = 30


def check(site: Site) -> Sequence[Check]:
    """Asked of Loki, for every target of this run; each logs its line while this waits."""
    url = f"http://127.0.0.1:{site.settings.loki.port}/loki/api/v1/query_range"
    since = time.time() - 300
    return [
        Check(
            f"a line logged on {name} is found in Loki",
            settle(lambda name=name: _missing(url, name, since), LIMIT_S),  # type: ignore[misc]
            f"on {name}: journalctl -u {site.settings.logs.shipper} tells whether it reads and"
            f" pushes; on {site.target.name}: journalctl -u loki",
        )
        for name in sorted(site.in_this_run)
    ]


def _missing(url: str, target: str, since: float) -> str:
    # Under the target's own login, or the one that all shared in earlier versions.
    tenant = f"{target}|{SHARED}"
    query = f'{{__tenant_id__=~"{tenant}",target="{target}"}} |= "{marker(target)}"'
    start, end = (str(int(moment * 1e9)) for moment in (since, time.time() + 60))
    found = ask(url, query=query, start=start, end=end, limit="1")["data"]["result"]
    return "" if found else f"not within {LIMIT_S} s"
