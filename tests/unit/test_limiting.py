"""Names that lead to no target are refused before anything is connected to."""

from pathlib import Path

import pytest

from configs import ConfigurationError, Problem
from state.limiting import check_limits
from state.options import Options
from tests.unit.helpers import configuration


def _refused(folder: Path, options: Options) -> list[Problem]:
    with pytest.raises(ConfigurationError) as refusal:
        check_limits(options, list(configuration(folder).targets.values()))
    return refusal.value.problems


@pytest.mark.parametrize("name", ["vpsmanager", "obs*", "*", "observability"])
def test_names_groups_and_patterns_are_known(tmp_path: Path, name: str) -> None:
    check_limits(Options(limit=[name]), list(configuration(tmp_path).targets.values()))


def test_unknown_name_is_told_with_the_nearest(tmp_path: Path) -> None:
    limit, exclude = _refused(tmp_path, Options(limit=["vpsmanagr"], exclude=["zzz"]))
    assert (limit.file, limit.key) == ("--limit", "vpsmanagr")
    assert limit.remedy == "did you mean vpsmanager?"
    assert "observability" in exclude.expected
    assert exclude.remedy == "name one of these, or leave it out"


def test_nobody_left_is_refused(tmp_path: Path) -> None:
    (problem,) = _refused(tmp_path, Options(limit=["vpsmanager"], exclude=["vps*"]))
    assert problem.found == "no target is left"
