"""Pinned versions of the vendors' packages, and releases that are known to be broken."""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Annotated

from pydantic import Field, ValidationError

from configs.debian_versions import compare, upstream
from configs.documents import Document, dotted
from configs.explaining import describe
from configs.pins import read_versions
from configs.problems import ConfigurationError, Problem
from configs.schema import Architecture
from configs.values import Model, Sha256

EXACT_VERSION = r"^[0-9][A-Za-z0-9.+~:-]{0,99}$"
_REMEDY = "undo the change to this file (git checkout configs/versions.yaml)"
_CONDITION = re.compile(r"(<=|<|>=|>|=) ([0-9][A-Za-z0-9.+~:-]*)")
_ONE_CONDITION = r"(<=|<|>=|>|=) [0-9][A-Za-z0-9.+~:-]*"
_OPERATORS: Mapping[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}
Conditions = Annotated[str, Field(pattern=rf"^{_ONE_CONDITION}(, {_ONE_CONDITION})*$")]
Exact = Annotated[str, Field(pattern=EXACT_VERSION)]
Text = Annotated[str, Field(min_length=1, pattern=r"^[^\x00-\x1f]+$")]


class Pin(Model):
    """The version of a package that a deploy installs, and why this one."""

    version: Exact
    origin: Text


class PrometheusPin(Pin):
    """The pinned release of Prometheus. ``sha256``: of the tarball of each architecture."""

    sha256: dict[Architecture, Sha256] = Field(min_length=2)


class Pins(Model):
    """One pin for each package of a vendor."""

    grafana: Pin
    loki: Pin
    alloy: Pin
    promtail: Pin
    prometheus: PrometheusPin

    def version_of(self, package: str) -> str:
        """The pinned version of a package."""
        pin: Pin = getattr(self, package)
        return pin.version


class BrokenRelease(Model):
    """Releases of a package that do not work, or that are worth a warning.

    ``versions``: conditions on the version, without its Debian revision. ``installed``: conditions
    on the version that is replaced. ``refuse``: whether the preflight stops the deploy.
    ``symptom``: how it shows. ``until``: when the entry may be removed.
    """

    package: Text
    versions: Conditions
    installed: Conditions | None = None
    refuse: bool
    why: Text
    symptom: Text
    until: Text

    def matches(self, version: str, installed: str | None = None) -> bool:
        """Return whether the entry is about ``version`` when it replaces ``installed``.

        ``installed``: the installed version, or None if the package is not installed.
        """
        if self.installed and not (installed and _meets(self.installed, installed)):
            return False
        return _meets(self.versions, version)


class Versions(Model):
    """Content of versions.yaml."""

    pins: Pins
    broken: tuple[BrokenRelease, ...] = Field(strict=False)

    def faults_of(
        self, package: str, version: str, installed: str | None = None
    ) -> list[BrokenRelease]:
        """The entries about a version of a package, refused ones first."""
        entries = [
            entry
            for entry in self.broken
            if entry.package == package and entry.matches(version, installed)
        ]
        return sorted(entries, key=lambda entry: not entry.refuse)

    def without_refused(
        self, package: str, versions: Iterable[str], installed: str | None = None
    ) -> list[str]:
        """Those of the ``versions`` that the preflight does not refuse."""
        return [
            version
            for version in versions
            if not any(entry.refuse for entry in self.faults_of(package, version, installed))
        ]


def parse(document: Document) -> tuple[Versions | None, list[Problem]]:
    """The content of a versions.yaml, or every problem in it. Raises nothing."""
    if document.problems:
        return None, list(document.problems)
    try:
        return Versions.model_validate(document.data), []
    except ValidationError as error:
        return None, [
            Problem(
                document.file,
                dotted(tuple(step for step in detail["loc"] if step != "[key]")),
                "nothing" if detail["type"] == "missing" else describe(detail["input"]),
                "the content as configs/versions.py describes it",
                _REMEDY,
            )
            for detail in error.errors(include_url=False, include_context=False)
        ]


@cache
def load_versions() -> Versions:
    """The pins and known-broken releases of this project. Raises ConfigurationError."""
    versions, problems = parse(read_versions())
    if versions is None:
        raise ConfigurationError(problems)
    return versions


def _meets(conditions: str, version: str) -> bool:
    pairs: Sequence[tuple[str, str]] = _CONDITION.findall(conditions)
    return all(
        _OPERATORS[sign](compare(upstream(version), upstream(bound)), 0) for sign, bound in pairs
    )
