"""What a teardown takes away, in which order, and what it keeps; what is left over."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from pyinfra.api.exceptions import OperationError
from pyinfra.context import ctx_host, ctx_state

from configs import ConfigurationError
from state.confirming import NotConfirmed, confirm
from state.options import Options
from state.owned import Owned, owned
from state.record import Component, Record
from state.record import Resource as Recorded
from tasks.component import Declared, Step
from tasks.operations import removing
from tasks.stacks import STACKS
from tasks.teardown.leftovers import leftovers
from tasks.teardown.plan import Plan, plan
from tasks.teardown.request import plans
from tasks.teardown.showing import shown
from tasks.teardown.steps import remove_leftovers, tear_down
from tests.unit.helpers import configuration, fake_state
from tests.unit.test_stacks import Declaration

ORDER = ["base", "database", "shop"]


def ours(kind: str, name: str, *components: str) -> Owned:
    return Owned(kind, name, components, "20261124-000000-abcdef")


HISTORY = [
    ours("packages", "curl", "base", "shop"),
    ours("packages", "mariadb-server", "database"),
    ours("data", "/var/lib/mysql", "database"),
    ours("data", "/var/www/shop/shared/storage", "shop"),
    ours("firewall_rules", "ufw allow 22/tcp", "base"),
    ours("firewall_rules", "ufw --force enable", "base"),
    ours("files", "/etc/mysql/60-chom.cnf", "database"),
    ours("services", "mariadb.service", "database"),
    ours("users", "shop", "shop"),
    ours("directories", "/var/www/shop", "shop"),
    ours("directories", "/var/www/shop/public", "shop"),
    ours("databases", "shop", "shop"),
    ours("originals", "/etc/motd", "shop"),
]


def names(items: Sequence[object]) -> list[str]:
    return [item.name for item in items]  # type: ignore[attr-defined]


def test_everything_goes_in_reverse_order_of_need_and_of_creation() -> None:
    found = plan(HISTORY, ORDER, purge=True)
    assert names(found.removed) == [
        "shop",
        "shop",
        "mariadb.service",
        "/etc/mysql/60-chom.cnf",
        "ufw --force enable",
        "ufw allow 22/tcp",
    ]
    assert [item.kind for item in found.removed[:2]] == ["databases", "users"]
    assert names(found.folders) == ["/var/www/shop/public", "/var/www/shop"]
    assert set(names(found.purged)) == {"curl", "mariadb-server"}
    # Last, as a package's own scripts may look at them, or take them along.
    assert names(found.trees) == ["/var/www/shop/shared/storage", "/var/lib/mysql"]
    assert names(found.originals) == ["/etc/motd"]
    assert found.kept == [] and found.bared == [] and found.whole


def test_the_firewall_is_switched_off_before_it_closes_to_ssh() -> None:
    labels = names(plan(HISTORY, ORDER).removed)
    assert labels.index("ufw --force enable") < labels.index("ufw allow 22/tcp")


def test_data_stay_and_so_does_what_they_need() -> None:
    found = plan(HISTORY, ORDER)
    kept = {(item.kind, item.name) for item in found.kept}
    assert kept == {
        ("data", "/var/lib/mysql"),
        ("data", "/var/www/shop/shared/storage"),
        ("databases", "shop"),
        ("users", "shop"),
    }
    # Neither the folder that they are in, nor the configuration of their package.
    assert names(found.folders) == ["/var/www/shop/public"]
    assert "mariadb-server" in names(found.bared)


def test_of_one_component_only_what_is_nobody_elses() -> None:
    found = plan(HISTORY, ORDER, only=["shop"])
    assert {item.component for item in found.every} == {"shop"}
    assert "curl" not in names(found.packages)
    assert not found.whole
    both = plan(HISTORY, ORDER, only=["shop", "base"])
    assert "curl" in names(both.packages)


def test_a_component_that_has_nothing_else_left_keeps_no_package() -> None:
    left = [each for each in HISTORY if each.kind == "packages" or "shop" not in each.components]
    assert "curl" in names(plan(left, ORDER, only=["base"]).packages)


def test_records_that_do_not_tell_whose_it_is_cost_no_data() -> None:
    unknown = [replace(each, components=()) for each in HISTORY]
    found = plan(unknown, ORDER)
    assert "mariadb-server" in names(found.bared) and "curl" in names(found.bared)
    assert ("users", "shop") in {(item.kind, item.name) for item in found.kept}
    assert plan(unknown, ORDER, only=["shop"]).every == []


def test_what_is_left_over_is_what_no_component_declares() -> None:
    step = Step("shop", (), "")
    declared = [(each.kind, each.name, "shop") for each in HISTORY if each.kind != "files"]
    step.operations.append(Declared("hash", "all", tuple(declared)))
    found = leftovers(HISTORY, [step], ORDER)
    assert [(item.kind, item.name) for item in found.every] == [("files", "/etc/mysql/60-chom.cnf")]
    assert not found.whole


def test_a_folder_that_is_known_as_data_today_is_not_left_over() -> None:
    step = Step("shop", (), "")
    step.operations.append(Declared("hash", "one", (("data", "/srv/x", "shop"),)))
    assert leftovers([ours("directories", "/srv/x")], [step], ORDER).every == []


def test_what_stays_of_an_application_is_no_leftover_twice() -> None:
    """Its data, their folders and their user are kept, so there is nothing to do about them."""
    stays = [
        each for each in HISTORY
        if each.kind in ("data", "users", "databases") or each.name == "/var/www/shop"
    ]  # fmt: skip
    assert leftovers(stays, [], ORDER).every == []


@pytest.fixture
def both(tmp_path: Path) -> list[Declaration]:
    state = fake_state(["observability", "vpsmanager"])
    return [Declaration(state, role, tmp_path) for role in ("observability", "vpsmanager")]


def everything(declaration: Declaration) -> list[Owned]:
    """What is ours after a first deployment."""
    found: dict[tuple[str, str], list[str]] = {}
    for step in declaration.steps:
        for operation in step.operations:
            for kind, name, component in operation.creates:
                found.setdefault((kind, name), []).append(component)
    return [ours(kind, name, *dict.fromkeys(its)) for (kind, name), its in found.items()]


def test_what_the_stacks_create_can_all_be_removed(both: list[Declaration]) -> None:
    for declaration in both:
        role = declaration.site.target.role
        owned = everything(declaration)
        for purge in (False, True):
            found = plan(owned, [item.name for item in STACKS[role]], purge=purge)
            with ctx_state.use(declaration.host.state), ctx_host.use(declaration.host):
                steps = tear_down(found, declaration.site)
            assert [step.component for step in steps[-2:]] == ["packages", "folders"]
            order = [step.component for step in steps[:-2]]
            assert order == [n.name for n in reversed(STACKS[role]) if n.name in order]
            gone = {(k, n) for s in steps for o in s.operations for k, n, _ in o.removes}
            kept = {(item.kind, item.name) for item in found.kept}
            whole = {(each.kind, each.name) for each in owned}
            inside = {each for each in whole - gone - kept if each[0] == "directories"}
            assert gone | kept | inside == whole
            assert (not kept and not inside) if purge else kept
            assert all(step.alone and o.alone for step in steps for o in step.operations)


def test_nothing_of_the_present_stacks_is_left_over(both: list[Declaration]) -> None:
    for declaration in both:
        order = [item.name for item in STACKS[declaration.site.target.role]]
        found = leftovers(everything(declaration), declaration.steps, order)
        assert found.every == []
        with ctx_state.use(declaration.host.state), ctx_host.use(declaration.host):
            before = list(declaration.host.op_hash_order)
            assert remove_leftovers(found, declaration.site, ["base"]) == []
            assert declaration.host.op_hash_order == before


def test_data_of_debians_packages_outlive_them(both: list[Declaration]) -> None:
    """Their maintainers' scripts would delete these when the package is purged."""
    for declaration in both:
        order = [item.name for item in STACKS[declaration.site.target.role]]
        bared = set(names(plan(everything(declaration), order).bared))
        expected = {
            "observability": {"grafana", "loki", "alloy", "nginx", "prometheus-alertmanager"},
            "vpsmanager": {"mariadb-server", "redis-server", "alloy", "nginx",
                           "php-laravel-framework"},
        }  # fmt: skip
        assert bared == expected[declaration.site.target.role]


@pytest.mark.parametrize(
    "path",
    ["/", "/etc", "/var/lib", "var/lib/x", "/var/../etc/x", "/var/lib/", "/srv", "/etc/systemd",
     "/usr/local/bin", "/var/lib/dpkg", "//etc/x", ""],
)  # fmt: skip
def test_no_folder_of_the_system_is_ever_removed(path: str) -> None:
    with pytest.raises(OperationError, match="never removed"):
        removing.guard(path)


@pytest.mark.parametrize("path", ["/opt/prometheus", "/var/lib/loki", "/var/www/shop/releases"])
def test_what_may_be_removed(path: str) -> None:
    removing.guard(path)


def asked(folder: Path, data: dict[str, str]) -> dict[str, Plan]:
    its = configuration(folder).targets
    return plans(its.values(), lambda name: HISTORY if name == "vpsmanager" else [], data, STACKS)


def test_a_component_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match='"reddis"'):
        asked(tmp_path, {"only": "reddis"})
    # One that is in no stack any more, but left things behind.
    assert asked(tmp_path, {"only": "database"})["vpsmanager"].every


def test_the_plan_tells_what_goes_what_stays_and_how_to_have_it_go(tmp_path: Path) -> None:
    found = asked(tmp_path, {})
    text = "\n".join(shown(found, {name: [] for name in found}))
    assert "--> observability: nothing of ours is left to remove" in text
    assert "--> vpsmanager: this is taken away" in text
    assert "      services: mariadb.service" in text
    assert "kept (--data purge=true removes it, for ever): database shop, user shop" in text


def test_who_still_needs_it_is_told(tmp_path: Path) -> None:
    found = plan([ours("services", "redis", "redis"), *HISTORY], ORDER, only=["redis"])
    [line] = [x for x in shown({"v": found}, {"v": STACKS["vpsmanager"]}) if "needed by" in x]
    assert "php needs redis" in line


@pytest.mark.parametrize("given", ["vpsmanager", "", "a,b", "observability,vpsmanager,x"])
def test_another_name_than_the_targets_is_refused(given: str) -> None:
    with pytest.raises(NotConfirmed, match="nothing was changed"):
        confirm(["observability", "vpsmanager"], {"yes_teardown": given})


def test_all_names_confirm() -> None:
    confirm(["observability", "vpsmanager"], {"yes_teardown": "vpsmanager, observability"})


def test_the_same_command_goes_on_where_one_target_is_done() -> None:
    both = {"yes_teardown": "observability,vpsmanager"}
    confirm(["vpsmanager"], both, done=["observability"])
    with pytest.raises(NotConfirmed):
        confirm(["vpsmanager"], both)
    with pytest.raises(NotConfirmed):
        confirm(["vpsmanager"], {"yes_teardown": "observability"}, done=["observability"])


def test_without_a_terminal_names_must_be_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(NotConfirmed, match="yes_teardown=web"):
        confirm(["web"], {})


def test_a_name_is_typed_for_each_target(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter(["web", "nope"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("click.prompt", lambda *args, **options: next(typed))
    with pytest.raises(NotConfirmed, match='"nope" is not db'):
        confirm(["web", "db"], {})


def test_leftovers_are_one_step_that_speaks_for_all(both: list[Declaration]) -> None:
    declaration = both[1]
    found = leftovers(HISTORY, [], ORDER)
    with ctx_state.use(declaration.host.state), ctx_host.use(declaration.host):
        [step] = remove_leftovers(found, declaration.site, ["base", "releases"])
        assert step.needs == ("base", "releases")
    assert (step.component, step.alone, step.version) == ("leftovers", False, "")
    removes = [each for operation in step.operations for each in operation.removes]
    assert {owner for _, _, owner in removes} == {"leftovers"}
    assert not {kind for kind, _, _ in removes} & {"data", "databases"}
    [creates] = [each.creates for each in step.operations if each.creates]
    # Whoever has data of its own may have them in any package that it asked for.
    assert {(kind, name) for kind, name, _ in creates} == {
        ("remains", "curl"),
        ("remains", "mariadb-server"),
    }
    assert "No packages curl, mariadb-server" in [each.label for each in step.operations]


def kept_record(deployment_id: str, **components: Component) -> Record:
    """A record of a run on one target."""
    return Record.model_validate(
        {
            "deployment_id": deployment_id,
            "deployer": {"user": "me", "hostname": "here", "ip": "10.0.0.1", "pid": 1},
            "started_at": "2026-11-24T00:00:00Z",
            "config": {
                "inventory_sha256": "0" * 64,
                "script_version": "5.0.0",
                "settings": {},
                "settings_sha256": "0" * 64,
            },
            "tools": {},
            "targets": {
                "web": {"role": "vpsmanager", "address": "10.0.0.2", "components": components}
            },
        }
    )


def test_what_one_of_two_owners_gives_up_is_still_the_others() -> None:
    curl = Recorded(kind="packages", name="curl")
    made = kept_record("20261124-000000-aaaaaa", base=Component(created=[curl]),
                       shop=Component(created=[curl]))  # fmt: skip
    one = kept_record("20261124-000001-aaaaaa", shop=Component(removed=[curl]))
    [left] = owned([made, one], "web")
    assert left.components == ("base",)
    both = kept_record("20261124-000002-aaaaaa", base=Component(removed=[curl]))
    assert owned([made, one, both], "web") == []
    # Whoever is no owner speaks for all of them.
    all_at_once = kept_record("20261124-000003-aaaaaa", leftovers=Component(removed=[curl]))
    assert owned([made, all_at_once], "web") == []


@pytest.mark.parametrize(
    ("limit", "exclude", "left"),
    [
        ((), (), ["obs", "web1", "web2"]),
        (("web*",), (), ["web1", "web2"]),
        (("observability",), (), ["obs"]),
        (("vpsmanager", "obs"), ("web2",), ["obs", "web1"]),
        ((), ("vpsmanager",), ["obs"]),
    ],
)
def test_the_targets_that_limit_leaves(
    limit: tuple[str, ...], exclude: tuple[str, ...], left: list[str]
) -> None:
    options = Options(limit=limit, exclude=exclude)
    roles = {"obs": "observability", "web1": "vpsmanager", "web2": "vpsmanager"}
    assert [name for name, role in roles.items() if options.leave(name, role)] == left


def test_what_a_component_keeps_away_itself_is_not_left_over() -> None:
    """Its original would be put back, to be taken away once more by the next deployment."""
    step = Step("shop", (), "")
    step.operations.append(Declared("hash", "none", (("originals", "/etc/x/config", "shop"),)))
    assert leftovers([ours("files", "/etc/x/config", "shop")], [step], ORDER).every == []


def test_each_component_goes_at_once_whatever_it_shared_its_time_with() -> None:
    mixed = [ours("files", f"/etc/{n}", "old" if n % 2 else "older") for n in range(4)]
    found = plan([*mixed, *HISTORY], ORDER)
    assert [item.component for item in found.removed[:4]] == ["older"] * 2 + ["old"] * 2
    assert names(found.removed[:2]) == ["/etc/2", "/etc/0"]
