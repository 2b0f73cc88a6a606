"""The alerting rules: one template a subject in ``rules/``, rendered for the whole fleet.

``{{ … }}`` in them is Prometheus' own and filled in when an alert fires; what is filled in here
stands in ``<< … >>`` and ``<% … %>``. Their settings are those of the observability target.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from configs import Target
from configs.schema import Settings
from tasks.quoting import yaml

FOLDER = Path(__file__).parent / "rules"
SUBJECTS = tuple(sorted(path.name.removesuffix(".yml.j2") for path in FOLDER.glob("*.yml.j2")))

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


@dataclass(frozen=True)
class Timing:
    """Durations such as ``5m``, times ``factor``, but never too short for what they are for.

    ``interval_s``: seconds between two scrapes, and between two evaluations of the rules.
    """

    factor: float
    interval_s: int

    @classmethod
    def of(cls, settings: Settings) -> "Timing":
        """What a target's settings say."""
        return cls(settings.alerting.time_factor, settings.prometheus.scrape_interval_s)

    def seconds(self, duration: str, least_s: int = 1) -> int:
        """A duration as a number of seconds."""
        return max(round(int(duration[:-1]) * _UNITS[duration[-1]] * self.factor), least_s)

    def hold(self, duration: str) -> str:
        """How long something is waited for: one interval at least, or a single sample decides."""
        return _written(self.seconds(duration, self.interval_s))

    def window(self, duration: str) -> str:
        """What a rate looks back on: four intervals at least, so that one may be missed.

        It is also how long mail waits for its cause. Within four intervals everything that a
        fault breaks is known: one until it is scraped, one for a scrape that gets no answer, one
        until the rules are evaluated, one for a waiting time that ends between two evaluations.
        """
        return _written(self.seconds(duration, 4 * self.interval_s))

    def outlast(self, rank: int) -> str:
        """How long a cause goes on firing when it is over: until all that followed is over, too.

        What follows may itself be a cause: each must have a higher ``rank`` than what follows from
        it, and 2 or more where that looks back on a ``window`` of 1m. A rank is worth four
        intervals at least, in which everything is known.
        """
        return _written(self.seconds(f"{rank}m", 4 * rank * self.interval_s))


def _written(seconds: int) -> str:
    unit = next(unit for unit, size in _UNITS.items() if seconds % size == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def rule_file(subject: str, target: Target, targets: Sequence[Target]) -> str:
    """The rule file of a subject, for the observability ``target`` that watches ``targets``."""
    settings: Settings = target.settings
    timing = Timing.of(settings)
    templates = Environment(
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
    )
    templates.filters.update(
        hold=timing.hold,
        window=timing.window,
        outlast=timing.outlast,
        seconds=timing.seconds,
        yaml=yaml,
    )
    return templates.get_template(f"{subject}.yml.j2").render(
        target=target, targets=targets, settings=settings, alerting=settings.alerting
    )
