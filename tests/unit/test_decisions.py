"""What the operations decide from what a host answers."""

import hashlib
from typing import Any
from unittest.mock import patch

import pytest
from pyinfra.api.exceptions import OperationError
from pyinfra.context import ctx_host, ctx_state

from configs.secrets import Secret
from facts.databases import Databases
from facts.existing import Existing
from facts.files import FileState
from facts.firewall import Firewall, FirewallData, allow_command, rule_tuple, rule_tuples
from facts.packages import Packages, Sources
from facts.services import APT_LOCK, ServiceData, ServiceState, hash_command
from facts.users import User
from facts.versions import Versions
from tasks.operations.apt import add_suites
from tasks.operations.databases import make_reader
from tasks.operations.files import keep_previous
from tasks.operations.firewall import add_rule, enable_firewall
from tasks.operations.services import service_steps, stop_service
from tests.unit.helpers import fake_state

SHOWN = [
    "LoadState=loaded",
    "ActiveState=active",
    "UnitFileState=enabled",
    "NeedDaemonReload=no",
    "ConditionResult=yes",
    "same_runs=yes",
    "same_reads=yes",
    "ready=yes",
]


def service(**changes: Any) -> ServiceData:
    return ServiceData(**{**ServiceState().process(SHOWN), **changes})  # type: ignore[typeddict-item]


def test_a_service_as_it_should_be_is_left_alone() -> None:
    assert service_steps("a.service", service(), []) == []


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"stale_unit": True}, "daemon-reload"),
        ({"exists": False}, "daemon-reload"),
        ({"enabled": False}, "enable a.service"),
        ({"active": False}, "start a.service"),
        ({"same_runs": False}, "restart a.service"),
        ({"replaced": True}, "restart a.service"),
        ({"same_reads": False}, "reload a.service"),
        ({"ready": False}, "true"),
    ],
)
def test_each_difference_has_its_step(changes: dict[str, bool], word: str) -> None:
    (step,) = service_steps("a.service", service(**changes), ["/etc/a"])
    assert word in step


def test_a_restart_makes_a_reload_needless() -> None:
    steps = service_steps("a.service", service(same_runs=False, same_reads=False), ["/etc/a"])
    assert steps == ["systemctl restart a.service"]


@pytest.mark.parametrize(
    ("now", "before", "command"),
    [
        (b"old", None, "cp -p /users /.users.old.chom-new"),
        (b"old", b"older", "cp -p /users /.users.old.chom-new"),
        (b"new", b"old", ""),
        (b"new", None, "install -m 640 -g them /dev/null /users.old"),
        (None, None, "install -m 640 -g them /dev/null /users.old"),
        (None, b"", ""),
    ],
)
def test_what_is_replaced_is_kept(now: bytes | None, before: bytes | None, command: str) -> None:
    def shown(content: bytes | None) -> list[str]:
        if content is None:
            return []
        return ["regular file|640|root|them", f"{hashlib.sha256(content).hexdigest()}  -"]

    answers = {"-e /users.old ]": shown(before), "-e /users ]": shown(now)}
    state = fake_state(["a"], answers)
    with ctx_state.use(state), ctx_host.use(state.inventory.get_host("@fake/a")):
        given = keep_previous._inner("/users", Secret("users", "new"), "/users.old", "them")
        commands = [str(each) for each in given]
    assert len(commands) == bool(command)
    assert all(command in each for each in commands), commands


@pytest.mark.parametrize(
    ("shown", "stopped"),
    [
        (SHOWN, True),
        ([*SHOWN, "ActiveState=inactive"], True),
        ([*SHOWN, "UnitFileState=disabled"], True),
        ([*SHOWN, "ActiveState=inactive", "UnitFileState=disabled"], False),
        (["LoadState=not-found", "ActiveState=inactive"], False),
    ],
)
def test_a_service_is_stopped_for_good(shown: list[str], stopped: bool) -> None:
    state = fake_state(["a"], {"systemctl show": shown})
    with ctx_state.use(state), ctx_host.use(state.inventory.get_host("@fake/a")):
        commands = list(stop_service._inner(unit="a.service"))
    assert [str(each).split(";")[0] for each in commands] == (
        ["{ systemctl -q disable --now a.service"] if stopped else []
    )


def test_a_service_that_its_condition_keeps_off_is_left_alone() -> None:
    off = service(active=False, held_off=True, same_runs=False, ready=False)
    assert service_steps("a.service", off, []) == []
    assert service_steps("a.service", {**off, "enabled": False}, []) != []


def test_a_reload_writes_down_what_is_read_before_it_is_read() -> None:
    (step,) = service_steps("a.service", service(same_reads=False), ["/etc/a"])
    assert step.index("sha256sum") < step.index("reload") < step.index("mv ")


NOT_STARTED = ["LoadState=loaded", "ActiveState=inactive", "ConditionResult=no"]
OUR_HOLD = f"ExecCondition={{ path=/usr/bin/flock ; argv[]=/usr/bin/flock -n -s {APT_LOCK} true }}"


@pytest.mark.parametrize(
    ("lines", "held_off"),
    [
        ([], False),
        (["condition_fails=yes"], True),
        (["Result=exec-condition"], False),
        (["Result=exec-condition", OUR_HOLD], False),
        (["Result=exec-condition", "ExecCondition={ path=/usr/local/bin/ask-operator }"], True),
        (["ExecCondition={ path=/usr/local/bin/ask-operator }"], False),
    ],
    ids=["never started", "condition", "held before", "held now", "operator's", "not evaluated"],
)
def test_only_what_an_operator_wrote_keeps_a_service_off(lines: list[str], held_off: bool) -> None:
    found = ServiceState().process([*NOT_STARTED, *lines])
    assert found["held_off"] == held_off
    assert not ServiceState().process(["ActiveState=active", *lines])["held_off"]
    assert bool(service_steps("a.service", {**found, "enabled": True}, [])) != held_off


def test_a_service_nobody_knows() -> None:
    found = ServiceState().process(["LoadState=not-found", "ActiveState=inactive"])
    assert not found["exists"] and not found["active"] and not found["held_off"]


def test_hashes_follow_what_matches_a_pattern() -> None:
    assert hash_command(["/etc/a b", "/etc/x/*.conf"]) == (
        "sha256sum '/etc/a b' /etc/x/*.conf 2>/dev/null"
    )
    assert hash_command([]) == "true"


def test_packages_are_read_with_the_age_of_the_lists() -> None:
    assert Packages().process(["pkg=nginx|1.26.3-3", "unfinished=no", "age=42"]) == {
        "versions": {"nginx": "1.26.3-3"},
        "unfinished": False,
        "had_transaction": False,
        "lists_age_s": 42,
    }
    assert Packages().process(["unfinished=yes", "had_transaction=yes"]) == {
        "versions": {},
        "unfinished": True,
        "had_transaction": True,
        "lists_age_s": None,
    }


def test_sources_are_read_as_suites() -> None:
    lines = ["trixie http://mirror.example/debian/", "trixie http://vendor.example/php"]
    assert Sources().process(lines) == {
        "trixie": ["http://mirror.example/debian", "http://vendor.example/php"]
    }


def test_the_firewall_is_read_from_its_files() -> None:
    lines = [
        "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in",
        "ENABLED=yes",
        'DEFAULT_INPUT_POLICY="DROP"',
        "IPV6=yes",
        "REOPENING=yes",
        "LOADED=yes",
    ]
    assert Firewall().process(lines) == {
        "enabled": True,
        "loaded": True,
        "policy": "DROP",
        "ipv6": True,
        "reopening": True,
        "rules": ["allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in"],
    }
    assert not any(Firewall().process(["LOADED=no"]).values())


def test_a_rule_from_anywhere_is_needed_for_ipv6_as_well() -> None:
    both = ["allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in", "allow tcp 22 ::/0 any ::/0 in"]
    assert rule_tuples("ufw allow 22/tcp", ipv6=True) == both
    assert rule_tuples("ufw allow 22/tcp", ipv6=False) == both[:1]
    from_one = allow_command(3101, "10.9.0.21")
    assert rule_tuples(from_one, ipv6=True) == [rule_tuple(from_one)]


def ufw(**changes: Any) -> FirewallData:
    closed = FirewallData(
        enabled=True, loaded=True, policy="DROP", ipv6=True, reopening=False, rules=[]
    )
    return FirewallData(**{**closed, **changes})  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("before", "reopen"),
    [
        (ufw(enabled=False), "ufw --force disable"),
        (ufw(loaded=False), "ufw --force disable"),
        (ufw(policy="ACCEPT"), "ufw default allow incoming"),
        (ufw(enabled=False, policy="ACCEPT"), "ufw --force disable"),
    ],
)
def test_the_firewall_opens_again_as_it_was(before: FirewallData, reopen: str) -> None:
    first, last = firewall_commands(before)
    timer, _, closing = first.partition(" && ")
    assert timer.startswith("systemd-run ") and timer.endswith(reopen)
    assert closing.endswith("ufw --force enable >/dev/null")
    assert last.startswith("systemctl stop chom-firewall-reopening.timer && ")


def test_a_closed_firewall_is_left_alone_unless_it_is_about_to_open() -> None:
    assert firewall_commands(ufw()) == []
    first, last = firewall_commands(ufw(reopening=True))
    assert first == "systemctl restart chom-firewall-reopening.timer"
    assert last.startswith("systemctl stop chom-firewall-reopening.timer && ")


def firewall_commands(found: FirewallData) -> list[str]:
    state = fake_state(["a"])
    host = state.inventory.get_host("@fake/a")
    with (
        ctx_state.use(state),
        ctx_host.use(host),
        patch.object(host, "get_fact", return_value=found),
    ):
        return [str(command) for command in enable_firewall._inner()]


V4, V6 = "tcp 22 0.0.0.0/0 any 0.0.0.0/0", "tcp 22 ::/0 any ::/0"
BOTH_LIMITED = [f"limit {V4} in", f"limit {V6} in"]


def added(rules: list[str], rule: str = "ufw allow 22/tcp", **changes: Any) -> list[str]:
    """The commands by which ufw gets a rule beside those that it has."""
    state = fake_state(["a"])
    state.is_executing = True
    host = state.inventory.get_host("@fake/a")
    found = ufw(rules=rules, **changes)
    with (
        ctx_state.use(state),
        ctx_host.use(host),
        patch.object(host, "get_fact", return_value=found),
    ):
        return [str(command).removesuffix(" >/dev/null") for command in add_rule._inner(rule=rule)]


@pytest.mark.parametrize(
    "rules",
    [
        [f"allow {V4} in", f"allow {V6} in"],
        BOTH_LIMITED,
        [f"limit_log {V4} in comment=6d696e65", f"allow {V6} in comment=6d696e65"],
        [f"allow {V4} OpenSSH - in", f"limit {V6} OpenSSH - in"],
        [each.replace("tcp 22", "any 22") for each in BOTH_LIMITED],
        [each.replace("tcp 22", "tcp 22,80,443") for each in BOTH_LIMITED],
        [each.replace("tcp 22", "tcp 20:30") for each in BOTH_LIMITED],
    ],
)
def test_a_rule_that_admits_it_already_stays_as_it_is(rules: list[str]) -> None:
    assert added(rules) == []


@pytest.mark.parametrize(
    "rules",
    [
        [],
        [each.replace(" in", " in_eth0") for each in BOTH_LIMITED],
        [each.replace(" in", " out") for each in BOTH_LIMITED],
        [each.replace("tcp 22", "udp 22") for each in BOTH_LIMITED],
        [each.replace("tcp 22", "tcp 2222") for each in BOTH_LIMITED],
        ["allow tcp 22 0.0.0.0/0 any 10.0.0.0/8 in", "deny tcp 22 0.0.0.0/0 any 10.9.0.0/16 in"],
        ["allow tcp 22 10.9.0.11 any 0.0.0.0/0 in"],
        [f"route:allow {V4} in", f"route:deny {V6} in"],
    ],
)
def test_a_rule_about_something_else_admits_nothing(rules: list[str]) -> None:
    assert added(rules) == ["ufw allow 22/tcp"]


def test_a_limit_of_one_protocol_stays_while_the_other_is_admitted() -> None:
    assert added(BOTH_LIMITED[:1]) == ["ufw allow from ::/0 to any port 22 proto tcp"]
    assert added(BOTH_LIMITED[1:]) == ["ufw allow from 0.0.0.0/0 to any port 22 proto tcp"]
    assert added(BOTH_LIMITED[:1], ipv6=False) == []
    assert added([], ipv6=False) == ["ufw allow 22/tcp"]


def test_a_narrow_rule_comes_beside_a_wide_one_that_may_go() -> None:
    narrow = allow_command(22, "10.9.0.1")
    assert added([f"allow {V4} in"], narrow) == [narrow]


@pytest.mark.parametrize(
    ("rule", "command"),
    [
        (f"deny {V4} in", "ufw delete deny from 0.0.0.0/0 to any port 22 proto tcp"),
        (f"reject_log {V6} in", "ufw delete reject from ::/0 to any port 22 proto tcp"),
        ("deny any any ::/0 any ::/0 in", "ufw delete deny from ::/0 to any"),
        (
            f"deny {V4.replace('22', '22,80')} My%20own - in",
            "ufw delete deny from 0.0.0.0/0 to any app 'My own'",
        ),
    ],
)
def test_a_rule_that_denies_it_is_not_replaced(rule: str, command: str) -> None:
    with pytest.raises(OperationError, match="ufw denies what ufw allow 22/tcp") as raised:
        added([rule])
    assert command in str(raised.value)


@pytest.mark.parametrize(
    ("source", "command", "rule"),
    [
        (None, "ufw allow 80/tcp", "allow tcp 80 0.0.0.0/0 any 0.0.0.0/0 in"),
        (
            "10.0.0.5/32",
            "ufw allow from 10.0.0.5 to any port 80 proto tcp",
            "allow tcp 80 0.0.0.0/0 any 10.0.0.5 in",
        ),
        (
            "10.0.0.0/8",
            "ufw allow from 10.0.0.0/8 to any port 80 proto tcp",
            "allow tcp 80 0.0.0.0/0 any 10.0.0.0/8 in",
        ),
        (
            "2001:db8::5",
            "ufw allow from 2001:db8::5 to any port 80 proto tcp",
            "allow tcp 80 ::/0 any 2001:db8::5 in",
        ),
    ],
)
def test_a_rule_as_a_command_and_as_ufw_keeps_it(
    source: str | None, command: str, rule: str
) -> None:
    assert allow_command(80, source) == command
    assert rule_tuple(command) == rule


def test_a_file_its_owner_and_its_hash() -> None:
    assert FileState().process(["regular file|640|root|adm", "abc  -"]) == {
        "kind": "regular file",
        "mode": "640",
        "user": "root",
        "group": "adm",
        "sha256": "abc",
    }
    assert FileState().process(["directory|755|root|root"])["sha256"] == ""  # type: ignore[index]


def test_what_exists_and_versions_keep_odd_names() -> None:
    assert Existing().process(["files=/a=b"]) == [("files", "/a=b")]
    assert Versions().process(["php=8.4.1=x"]) == {"php": "8.4.1=x"}
    assert Databases().process(["database/laravel"]) == ["database/laravel"]


def test_only_kinds_that_are_asked_for_are_looked_up() -> None:
    command = str(Existing().command([("users", "laravel")]))
    assert "getent passwd" in command
    assert "mariadb" not in command and "dpkg-query" not in command


def test_a_user_is_read_from_the_account_database() -> None:
    line = "laravel:x:995:993::/var/www/laravel:/usr/sbin/nologin"
    assert User().process([line]) == {"home": "/var/www/laravel", "shell": "/usr/sbin/nologin"}


@pytest.mark.parametrize(
    ("answer", "mirror", "lines"),
    [
        (["trixie http://m/debian"], None, ["trixie-updates", "trixie-security"]),
        (["trixie http://m/debian", "trixie-updates u", "trixie-security s"], None, []),
        (["stable http://m/debian"], "http://n/debian", ["trixie", "trixie-updates"]),
    ],
)
def test_only_suites_that_are_lacking_are_added(
    answer: list[str], mirror: str | None, lines: list[str]
) -> None:
    texts = _commands_for(answer, mirror)
    assert bool(texts) == bool(lines)
    assert all(f"Suites: {line}\n" in texts[0] for line in lines)


def test_no_archive_by_its_name_is_said_and_nothing_is_written() -> None:
    with pytest.raises(OperationError, match=r"found: stable\); set apt\.mirror"):
        _commands_for(["stable http://m/debian"], None)


RIGHT = ["user/reader", "privileges/reader PROCESS, SLAVE MONITOR", "privileges/root SUPER"]


@pytest.mark.parametrize(
    ("found", "right"),
    [
        (RIGHT, True),
        ([*RIGHT, "grant/another shop"], True),
        ([*RIGHT, "grant/reader shop"], False),
        (["user/reader", "privileges/reader PROCESS"], False),
        (["user/reader", "privileges/reader PROCESS, SLAVE MONITOR, SUPER"], False),
        (["privileges/reader PROCESS, SLAVE MONITOR"], False),
        ([], False),
    ],
)
def test_a_database_reader_has_its_privileges_and_no_others(found: list[str], right: bool) -> None:
    state = fake_state(["a"], {"global_priv": found})
    (host,) = state.inventory
    with ctx_state.use(state), ctx_host.use(host):
        commands = list(make_reader._inner(user="reader", privileges=["PROCESS", "SLAVE MONITOR"]))
    assert (commands == []) == right


def _commands_for(answer: list[str], mirror: str | None) -> list[str]:
    """The texts that ``add_suites`` would write on a host whose apt answers so."""
    state = fake_state(["a"], {"--print-uris": answer})
    (host,) = state.inventory
    with ctx_state.use(state), ctx_host.use(host):
        commands = list(add_suites._inner(path="/etc/apt/x.sources", mirror=mirror))
    return [str(command.connector_arguments["_stdin"]) for command in commands]
