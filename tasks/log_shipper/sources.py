"""What a log shipper reads, whichever it is: the journal, and what programs write elsewhere."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tasks.component import Site
from tasks.laravel.places import fpm_log, logs
from tasks.mariadb import component as mariadb


@dataclass(frozen=True)
class Source:
    """Files of one job, with further labels.

    ``first``: a regular expression for the first line of an entry that has several.
    ``without``: one for lines that are left out.
    """

    job: str
    files: str
    labels: Mapping[str, str] = field(default_factory=dict)
    first: str | None = None
    without: str | None = None

    def recovered(self, data: str) -> str:
        """Pattern of copies of rotated lines, in a shipper's folder (tasks/log_shipper/host)."""
        return f"{data}/recovered/{self.name}/*.log"

    @property
    def name(self) -> str:
        """One of its own in a shipper's configuration: the job, and what tells it from others."""
        return re.sub(r"\W", "_", "_".join([self.job, *self.labels.values()]))


@dataclass(frozen=True)
class Rule:
    """Value of a label of the journal's entries, if ``regex`` matches all of ``source``.

    A rule without ``source`` holds for every entry.
    """

    label: str
    source: str = ""
    regex: str = "(.*)"
    value: str = "$1"


UNIT = "__journal__systemd_unit"
JOURNAL = (
    # A rule, and not the reader's own labels: Alloy 1.19.0 overwrites `job` among those.
    Rule("job", value="journal"),
    Rule("level", "__journal_priority_keyword"),
    Rule("unit", UNIT),
    # Every login is a unit of its own; each would be a stream of its own in Loki.
    Rule("unit", UNIT, r"session-.+[.]scope", "session.scope"),
    # MariaDB's error log, which is where it explains why it does not start.
    Rule("job", UNIT, r"mariadb[.]service", "mariadb"),
    Rule("job", UNIT, r".+-redis-(queue|cache)[.]service", "redis"),
    Rule("app", UNIT, r"(.+)-redis-(?:queue|cache)[.]service"),
)


def sources(site: Site) -> Sequence[Source]:
    """The files that are to be read on a target."""
    nginx = Source("nginx", "/var/log/nginx/*.log")
    if site.target.role == "observability":
        return [nginx]
    return [
        nginx,
        *(_fpm(name, site.target.php_of(app)) for name, app in site.target.apps.items()),
        Source("mariadb", mariadb.SLOW_LOG, first="^# User@Host:", without="^# Time:"),
        *(_laravel(name) for name in site.target.apps),
    ]


def _fpm(name: str, version: str) -> Source:
    return Source("php-fpm", fpm_log(name), {"app": name, "php": version})


def _laravel(name: str) -> Source:
    return Source("laravel", logs(name), {"app": name}, first=r"^\[\d{4}-\d\d-\d\d[ T]")
