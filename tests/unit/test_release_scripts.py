"""The shell scripts around releases, workers and PHP's versions, run for real in a folder."""

from pathlib import Path

import pytest

from facts.conditions import Choice
from facts.php import OurVersions
from facts.reports import Report
from facts.services import UnitsWith
from tasks.operations import releases
from tasks.operations.apt import remove_script
from tasks.operations.php import return_script
from tests.unit.test_scripts import sh, stub

MARK = "# an application's unit, written by chom; changes are overwritten"


# A deployment in one command


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    program = f"sh {tmp_path}/program"
    monkeypatch.setattr(releases, "PROGRAM", program)
    monkeypatch.setattr(releases, "STARTED_WITH", str(tmp_path / "run"))
    return releases.deploy_script("shop")


def program(folder: Path, body: str) -> None:
    (folder / "program").write_text(body)


def test_the_program_gets_its_files_and_says_what_it_did(script: str, tmp_path: Path) -> None:
    program(tmp_path, 'echo "$*: $(cat)"; echo beside >&2')
    done = sh(script, stdin="files in base64\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "deploy shop: files in base64\nbeside\n"


def test_a_failure_is_told_with_its_code(script: str, tmp_path: Path) -> None:
    program(tmp_path, "echo the step composer failed; exit 7")
    done = sh(script)
    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr == "the step composer failed\n"


@pytest.mark.parametrize("code", [0, 1])
def test_nothing_of_it_stays(script: str, tmp_path: Path, code: int) -> None:
    program(tmp_path, f"exit {code}")
    sh(script, stdin="files")
    assert list((tmp_path / "run").iterdir()) == []


def test_what_is_handed_over_is_for_root_alone(script: str, tmp_path: Path) -> None:
    program(tmp_path, f"stat -c %a {tmp_path}/run/*")
    assert set(sh(script).stdout.split()) == {"600"}


# What is asked


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("echo 20261123-120000-abc", ["20261123-120000-abc"]),
        ("echo no good release >&2; false", ["", "no good release"]),
        ("echo one; echo two; false", ["", "one", "two"]),
        ("false", [""]),
    ],
)
def test_a_choice_and_why_there_is_none(command: str, found: list[str]) -> None:
    fact = Choice()
    asked = fact.command(command).get_raw_value()
    assert fact.process(sh(asked).stdout.splitlines()) == found


def test_a_report_is_what_is_json_of_it() -> None:
    fact = Report()
    asked = fact.command("""echo '{"app": "shop"}'; echo words; echo '[1]'; echo '{"a"'; false""")
    done = sh(asked.get_raw_value())
    assert (done.returncode, done.stderr) == (0, "")
    assert fact.process(done.stdout.splitlines()) == [{"app": "shop"}]


def units(folder: Path) -> list[str]:
    asked = UnitsWith().command(MARK).get_raw_value()
    done = sh(asked.replace("/etc/systemd/system", str(folder)))
    assert done.returncode == 0
    return done.stdout.split()


def test_units_are_ours_by_their_first_line(tmp_path: Path) -> None:
    for name, text in {
        "shop-worker-1.service": f"{MARK}\n[Service]\n",
        "shop-scheduler.timer": f"{MARK}\n[Timer]\n",
        "shop-schedule-run@.service": f"{MARK}\n[Service]\n",
        "shop_schedule.slice": f"{MARK}\n[Slice]\n",
        "theirs.service": "[Service]\n",
        "quoting.service": f"[Service]\n{MARK}\n",
        "worker.conf": f"{MARK}\n",
        "empty.service": "",
    }.items():
        (tmp_path / name).write_text(text)
    assert units(tmp_path) == [
        "shop-schedule-run@.service",
        "shop-worker-1.service",
        "shop-scheduler.timer",
        "shop_schedule.slice",
    ]


def test_what_cannot_be_read_is_not_taken_for_ours(tmp_path: Path) -> None:
    """Also where the one that was read before it is: a link to nowhere, or no timer at all."""
    (tmp_path / "shop-worker-1.service").write_text(f"{MARK}\n")
    (tmp_path / "zz.service").symlink_to("gone")
    assert units(tmp_path) == ["shop-worker-1.service"]


def test_without_any_unit_there_is_none_of_ours(tmp_path: Path) -> None:
    assert units(tmp_path) == []


def test_versions_are_ours_by_their_drop_in(tmp_path: Path) -> None:
    for name in ("php8.4-fpm.service.d", "php8.2-fpm.service.d", "nginx.service.d"):
        (tmp_path / name).mkdir()
    asked = OurVersions().command().replace("/etc/systemd/system", str(tmp_path))
    assert sorted(sh(asked).stdout.split()) == ["8.2", "8.4"]
    assert sh(asked.replace(str(tmp_path), f"{tmp_path}/none")).stdout == ""


# A version that is wanted no more

DPKG = "echo php8.2-fpm installed; echo php8.2-cli config-files; echo php8.2-gd not-installed"
APT = """\
case "$*" in
  *" -s"*) %s ;;
  *) echo "$*" >> "$ASKED"; %s ;;
esac"""


def removed(folder: Path, simulated: str, real: str = "true", dpkg: str = DPKG) -> tuple[int, str]:
    """The exit code and the errors of a removal; what apt was asked for is in ``asked``."""
    path = stub(folder, {"dpkg-query": dpkg, "apt-get": APT % (simulated, real)})
    script = remove_script("php8.2-").replace("/var/log/chom-apt.log", f"{folder}/log")
    done = sh(script, PATH=path, ASKED=str(folder / "asked"))
    return done.returncode, done.stderr


def test_a_version_goes_with_all_of_its_packages(tmp_path: Path) -> None:
    assert removed(tmp_path, "echo Purg php8.2-fpm; echo Remv php8.2-cli") == (0, "")
    assert (tmp_path / "asked").read_text().split()[-2:] == ["php8.2-fpm", "php8.2-cli"]


def test_what_others_need_stays(tmp_path: Path) -> None:
    code, said = removed(tmp_path, "echo Purg php8.2-fpm; echo Remv somebodys-tool")
    assert code == 1 and "somebodys-tool needs php8.2-*: remove it first" in said
    assert not (tmp_path / "asked").exists()


def test_a_version_that_is_gone_needs_no_apt(tmp_path: Path) -> None:
    assert removed(tmp_path, "true", dpkg="exit 1") == (0, "")
    assert not (tmp_path / "asked").exists()


def test_apt_that_fails_explains(tmp_path: Path) -> None:
    code, said = removed(tmp_path, "true", real="echo E: held back; exit 100")
    assert code == 1 and "E: held back" in said


# The vendor's packages, where Debian's will do again

INSTALLED = "echo 'ii |php-common'; echo 'ii |php8.4-fpm'; echo 'rc |php8.2-fpm'"


def returned(folder: Path, apt: str = "true") -> tuple[int, str]:
    """The exit code and the errors of a return to Debian's packages; what apt got is noted."""
    preferences = folder / "preferences.d"
    preferences.mkdir()
    (preferences / "chom-php").write_text("the vendor's")
    (preferences / "others").write_text("kept")
    note = (
        'echo "$*" > "$ASKED"; for each; do case $each in (*PreferencesParts=*)'
        ' cat "${each#*=}"/* > "$ASKED.preferences";; esac; done; '
    )
    path = stub(folder, {"dpkg-query": INSTALLED, "apt-get": note + apt})
    script = return_script(str(preferences / "chom-php"))
    script = script.replace("/var/log/chom-apt.log", f"{folder}/log")
    done = sh(script, PATH=path, ASKED=str(folder / "asked"))
    return done.returncode, done.stderr


def test_php_packages_become_debians_again(tmp_path: Path) -> None:
    assert returned(tmp_path) == (0, "")
    asked = (tmp_path / "asked").read_text()
    assert asked.split()[-2:] == ["php-common", "php8.4-fpm"]
    assert "--allow-downgrades" in asked and "--no-remove" in asked
    text = (tmp_path / "asked.preferences").read_text()
    assert "Package: php*\nPin: release o=Debian\nPin-Priority: 1001\n" in text
    assert "kept" in text and "the vendor's" not in text
    assert [path.name for path in (tmp_path / "preferences.d").iterdir()] == ["others"]


def test_a_return_that_fails_begins_again_next_time(tmp_path: Path) -> None:
    code, said = returned(tmp_path, "echo E: held back; exit 100")
    assert code == 1 and "E: held back" in said
    assert (tmp_path / "preferences.d/chom-php").exists()
