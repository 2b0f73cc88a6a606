"""The observability target's other proof: Loki has new lines of every target of this run."""

from tasks.asking import series_found
from tasks.component import Site, component
from tasks.logs.component import PREVIOUS_USERS
from tasks.loki.component import address
from tasks.nginx.sites import forget_previous
from tasks.resources import proof

# The journal has some in any such time: the deployment's own login is one.
RECENT_MINUTES = 10


@component(
    needs=[
        "loki",
        "nginx",
        "log_shipper",
        "readiness",
        "vpsmanager.log_shipper",
        "vpsmanager.readiness",
    ]
)
def logging(site: Site) -> None:
    """Asked of Loki itself, once the shippers of all targets of the run are up."""
    names = sorted(site.in_this_run)
    proof(
        f"Loki has logs of {', '.join(names)}",
        series_found(
            f"http://{address(site)}/loki/api/v1/query",
            f'sum by (target) (count_over_time({{job="journal"}}[{RECENT_MINUTES}m]))',
            [{"target": name} for name in names],
            missing="no logs of",
        ),
        limit_s=60,
        complaint=f"Loki has no logs of the last {RECENT_MINUTES} minutes of each of"
        f" {', '.join(names)}: look at the journals of their log shippers",
    )
    if set(site.in_this_run) == {each.name for each in site.targets}:
        forget_previous(PREVIOUS_USERS)
