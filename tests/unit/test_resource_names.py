"""Names that targets and records send reach the shell as words, whatever is in them."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyinfra.api import StringCommand
from pyinfra.api.exceptions import OperationError

from facts.existing import Existing
from facts.packages import Packages
from facts.resource_names import KINDS, check, problem_of
from facts.shell import sh
from facts.users import User
from state.owned import Owned
from tasks.operations import removing, uninstalling, users
from tasks.operations.journal import explanation
from tasks.teardown.plan import Item, plan

# Programs that the commands call: they do nothing, and say yes.
PROGRAMS = (
    "systemctl", "journalctl", "getent", "pgrep", "userdel", "groupdel", "useradd", "usermod",
    "mariadb", "ufw", "ss", "mountpoint", "dpkg-query", "rmdir", "rm", "cp", "mv", "mkdir", "find",
    "readlink", "xargs", "awk", "sleep", "apt-get", "grep", "sed", "install", "sync",
)  # fmt: skip
CANARY = "PWNED"
PIECES = (
    "$(touch PWNED)", "`touch PWNED`", ";touch PWNED;", "\n touch PWNED\n", "|touch PWNED",
    "&& touch PWNED", "'", '"', "\\", "'$(touch PWNED)'", '"$(touch PWNED)"', ">PWNED",
    "${IFS}", "*", "../..", "-rf", "}", "{", "a", "/", ".service", " ", "#", "ufw allow 1/tcp ",
)  # fmt: skip
HOSTILE = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join)

Ask = Callable[[str], Iterator[StringCommand | str]]


def commands_of(operation: Any, *arguments: Any) -> list[str]:
    """The texts of an operation's question and of all its commands, its question answered yes."""
    asked: list[str] = []

    class Yes:
        """A host on which everything is there."""

        def get_fact(self, fact: Any, **given: Any) -> Any:
            command = fact().command(**given)
            asked.append(command if isinstance(command, str) else command.get_raw_value())
            return None if fact is User else True

    module = operation._inner.__globals__
    kept = module["host"]
    module["host"] = Yes()
    try:
        for each in operation._inner(*arguments):
            asked.append(each.get_raw_value() if isinstance(each, StringCommand) else each)
    finally:
        module["host"] = kept
    return asked


# Kind → what is asked and done with a name of that kind.
USES: dict[str, Callable[[str], list[str]]] = {
    "services": lambda name: [
        *commands_of(removing.remove_service, name),
        *commands_of(removing.restart_service, name),
        explanation(name, "it failed"),
    ],
    "files": lambda name: [
        *commands_of(removing.remove_file, f"/nowhere/{name}"),
        *commands_of(removing.restore_original, f"/nowhere/{name}"),
        *commands_of(removing.remove_traces, [f"/nowhere/{name}"], False),
    ],
    "directories": lambda name: commands_of(removing.remove_folders, [f"/nowhere/{name}/a"]),
    "artifacts": lambda name: [removing.tree_script(f"/nowhere/{name}")],
    "data": lambda name: commands_of(removing.remove_tree, f"/nowhere/{name}/a"),
    "originals": lambda name: commands_of(removing.restore_original, f"/nowhere/{name}"),
    "users": lambda name: [
        *commands_of(removing.remove_user, name),
        *commands_of(users.make_system_user, name, f"/nowhere/{name}"),
    ],
    "databases": lambda name: commands_of(removing.remove_database, name),
    "database_users": lambda name: commands_of(removing.remove_database_user, name),
    "firewall_rules": lambda name: commands_of(removing.remove_rule, name),
    "packages": lambda name: [
        *commands_of(uninstalling.remove_packages, [name], [name], False, False, 1),
        Packages().command(names=[name]).get_raw_value(),
    ],
    "remains": lambda name: commands_of(uninstalling.remove_packages, [name], [], False, False, 1),
}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with harmless programs, in which commands are run."""
    folder = tmp_path_factory.mktemp("ground")
    for name in PROGRAMS:
        program = folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\n[ -t 0 ] || cat >/dev/null\nexit 0\n")
        program.chmod(0o755)
    return folder


def test_every_kind_is_used() -> None:
    assert USES.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", list(KINDS))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=HOSTILE)
@example(name="zz$(touch PWNED).service")
@example(name="x';touch PWNED;'")
@example(name='x";touch PWNED;"')
def test_only_the_intended_command_runs(ground: Path, kind: str, name: str) -> None:
    path = f"{ground}/bin:/usr/bin:/bin"
    (ground / CANARY).unlink(missing_ok=True)
    try:
        texts = USES[kind](name)
    except (ValueError, OperationError):
        texts = []  # refused: nothing runs
    resources = [(kind, name)]
    try:
        texts.append(Existing().command(resources=resources).get_raw_value())
    except (ValueError, IndexError):
        assert kind == "firewall_rules"
    for text in texts:
        subprocess.run(
            ["sh", "-c", text],
            cwd=ground,
            env={"PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
        )
        assert not (ground / CANARY).exists(), text


@pytest.mark.parametrize("kind", list(KINDS))
@given(name=HOSTILE)
@example(name="")
@example(name="zz$(id>/root/PWNED).service")
def test_a_name_that_is_taken_is_one_plain_word(kind: str, name: str) -> None:
    if problem_of(kind, name):
        with pytest.raises(ValueError, match="expected"):
            Item(kind, name, ("c",))
        return
    assert not set(name) & set("$`;|&<>'\"*?(){}#\n") and not name.startswith("-")
    assert " " not in name or kind == "firewall_rules"


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("services", "php8.4-fpm.service"),
        ("services", "chom-worker@shop-1.service"),
        ("services", "redis-server"),
        ("files", "/etc/systemd/system/php8.4-fpm.service.d/chom.conf"),
        ("files", "/var/www/shop/current"),
        ("directories", "/etc/chom"),
        ("data", "/var/lib/mysql"),
        ("originals", "/etc/default/ufw"),
        ("artifacts", "/opt/prometheus-3.8.1.linux-amd64"),
        ("packages", "libstdc++6:amd64"),
        ("remains", "mariadb-server"),
        ("users", "chom-shop"),
        ("databases", "client_1"),
        ("database_users", "mysqld_exporter"),
        ("firewall_rules", "ufw --force enable"),
        ("firewall_rules", "ufw allow 443/tcp"),
        ("firewall_rules", "ufw allow from 10.0.0.0/8 to any port 9100 proto tcp"),
        ("firewall_rules", "ufw allow from 2a00:1450::/32 to any port 9100 proto tcp"),
    ],
)
def test_names_that_resources_have_are_taken(kind: str, name: str) -> None:
    check(kind, name)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("files", "/etc/../root/.ssh/authorized_keys"),
        ("data", "var/lib"),
        ("services", "-x.service"),
        ("users", "root;id"),
        ("firewall_rules", "ufw allow 0/tcp"),
        ("firewall_rules", "ufw allow from 999.1.1.1 to any port 80 proto tcp"),
        ("firewall_rules", "ufw --force reset"),
        ("cron", "anything"),
    ],
)
def test_names_that_no_resource_has_are_refused(kind: str, name: str) -> None:
    assert problem_of(kind, name)


def test_a_removal_is_not_planned_for_a_name_that_nothing_can_have() -> None:
    owned = [
        Owned("services", "zz$(id>/root/PWNED).service", ("a",), "x"),
        Owned("files", "/etc/one", ("a",), "x"),
    ]
    found = plan(owned, ["a"])
    assert [item.name for item in found.every] == ["/etc/one"]
    [problem] = found.refused
    assert problem.startswith("services 'zz$(id>/root/PWNED).service': expected the name of")


def test_a_command_has_all_of_its_values_and_no_others() -> None:
    assert sh("rm -f {paths} {a b}", paths=["/x y", "/z"]) == "rm -f '/x y' /z {a b}"
    with pytest.raises(KeyError):
        sh("rm {path}")
    with pytest.raises(TypeError, match="not in the command: other"):
        sh("rm {path}", path="a", other="b")
