"""Records are believed if operators signed them: what root on a target writes is left alone."""

import gzip
import json
import os
import re
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs import ConfigurationError
from configs.secrets import Secret
from configs.secrets.initialising import initialise
from state import copies, record_key, restoring
from state.integrity import verify
from state.ownership import Ownership
from state.pruning import prune, read_pruned
from state.reaching import Unreachable
from state.reading import parse
from state.record import Component, Record, Resource, Target
from state.refusing import Refusal
from state.sealing import seal_of
from state.signing import NAME, RecordKey, attach, sha256_of, unsigned
from state.store import Store
from state.syncing import get_missing, sync
from tests.unit.helpers import KEY
from tests.unit.histories import Commands
from tests.unit.test_copies import ONE, THREE, TWO, Targets
from tests.unit.test_record import record

WEB, DB = "@fake/web", "@fake/db"
OTHER = RecordKey("another key")
HOSTILE = "zz$(id>/root/PWNED).service"
FUTURE = "20990101-000000-aaaaaa"


@pytest.fixture
def targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Targets:
    made = Targets(tmp_path / "targets", ["web", "db"])
    made.folder.mkdir()
    monkeypatch.setattr(copies, "run_command", made.run)
    return made


def about(*names: str, resource: tuple[str, str] = ("files", "/etc/one")) -> dict[str, Any]:
    """The targets of a record that created one resource on each."""
    kind, name = resource
    component = Component(status="completed", created=[Resource(kind=kind, name=name)])
    return {
        each: Target(role="r", address="a", status="completed", components={"c": component})
        for each in names
    }


def saved(store: Store, deployment_id: str, *names: str) -> Record:
    """A deployment to these targets."""
    made = record(deployment_id, status="completed", targets=about(*names or (WEB,)))
    store.save(made)
    return made


def forged(deployment_id: str, *names: str, version: str = "5.1") -> bytes:
    """What root on a target can write: everything but the signature, with a seal that fits."""
    targets = about(*names, resource=("services", HOSTILE))
    made = record(deployment_id, status="completed", targets=targets)
    data = made.model_dump(mode="json", exclude={"signature"}) | {"version": version}
    data["seal"] = seal_of(data)
    return (json.dumps(data, indent=2) + "\n").encode()


def plant(targets: Targets, name: str, deployment_id: str, content: bytes) -> None:
    """Put a copy on a target, as root there may."""
    folder = targets.records(name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{deployment_id}.json.gz").write_bytes(gzip.compress(content))


@given(
    st.dictionaries(st.text(min_size=1), st.text(), min_size=1),
    st.sampled_from([None, 2]),
)
def test_a_signature_can_be_taken_off_again(data: dict[str, str], indent: int | None) -> None:
    text = json.dumps(data, indent=indent, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    signed = KEY.sign(text.decode()).encode()
    assert unsigned(signed) == text and sha256_of(signed) == sha256_of(text)
    assert (
        json.loads(signed).items() >= {**data, "signature": json.loads(signed)["signature"]}.items()
    )
    assert KEY.judge(signed) == "signed" and KEY.judge(text) == "unsigned"
    assert OTHER.judge(signed) == "signed with another key"
    assert KEY.judge(signed, "pruned") == "altered"
    assert KEY.sign(signed.decode()).encode() == signed


def test_every_record_that_is_written_is_signed(tmp_path: Path) -> None:
    store = Store(tmp_path, key=KEY)
    opened = record(ONE, status="running", targets=about(WEB))
    store.save(opened)
    assert KEY.judge(store.path_of(ONE).read_bytes()) == "signed"
    opened.status = "completed"
    store.save(opened)
    content = store.path_of(ONE).read_bytes()
    assert KEY.judge(content) == "signed"
    found = parse(content)
    assert found.signature and found.signature.startswith(f"{KEY.id}:")
    # Any byte that is changed is found.
    for at in range(0, len(content) - 90, 97):
        changed = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
        assert KEY.judge(changed) == "altered"


@pytest.mark.parametrize("version", ["5.1", "5.3"])
def test_what_root_on_a_target_wrote_is_named_and_goes_nowhere(
    tmp_path: Path, targets: Targets, version: str
) -> None:
    store = Store(tmp_path / "mine", key=KEY)
    saved(store, ONE)
    plant(targets, "web", FUTURE, forged(FUTURE, DB, WEB, version=version))
    done = sync(store, targets.hosts.values())
    [problem] = done.problems
    assert f"the copy of {FUTURE} on {WEB} is not signed: it is left alone" in problem
    assert f"python -m state accept {FUTURE} --from {WEB} shows what" in problem
    assert store.ids() == [ONE] and store.current() == ONE and done.got == {}
    assert FUTURE not in targets.held("db") if targets.records("db").exists() else True
    ownership = Ownership(store)
    got, [said] = ownership.learn(targets.hosts["web"], [ONE, FUTURE])
    assert got == [] and said == problem
    assert [each.name for name in (WEB, DB) for each in ownership.of(name)] == ["/etc/one"]


def test_a_copy_that_was_altered_or_signed_by_others_is_not_taken(
    tmp_path: Path, targets: Targets
) -> None:
    store = Store(tmp_path / "mine", key=KEY)
    theirs = Store(tmp_path / "theirs", key=OTHER)
    saved(theirs, ONE)
    plant(targets, "web", ONE, theirs.path_of(ONE).read_bytes())
    own = Store(tmp_path / "own", key=KEY)
    saved(own, TWO)
    plant(targets, "web", TWO, own.path_of(TWO).read_bytes().replace(b"/etc/one", b"/etc/two"))
    got, problems = get_missing(store, targets.hosts["web"], [ONE, TWO])
    assert got == [] and store.ids() == []
    assert f"the copy of {ONE} on {WEB} is signed with another key: it is left" in problems[0]
    assert f"the copy of {TWO} on {WEB} was altered after it was signed: it" in problems[1]


def test_many_copies_without_a_signature_are_named_together(
    tmp_path: Path, targets: Targets
) -> None:
    ids = [f"2026010{day}-000000-aaaaaa" for day in range(1, 7)]
    for each in ids:
        plant(targets, "web", each, forged(each, WEB))
    got, [problem] = get_missing(Store(tmp_path, key=KEY), targets.hosts["web"], ids)
    shown = ", ".join(ids[-3:])
    assert got == [] and f"the copies of {shown} and 3 older ones on {WEB} are not" in problem


def test_a_target_speaks_for_itself_alone(tmp_path: Path, targets: Targets) -> None:
    own = Store(tmp_path / "own", key=KEY)
    saved(own, ONE, DB)
    saved(own, TWO, WEB)
    plant(targets, "web", ONE, own.path_of(ONE).read_bytes())
    plant(targets, "web", THREE, own.path_of(TWO).read_bytes())
    store = Store(tmp_path / "mine", key=KEY)
    got, problems = get_missing(store, targets.hosts["web"], [ONE, THREE])
    assert got == []
    assert problems == [
        f"the copy of {ONE} on {WEB} is about {DB}, not about {WEB}: it is left alone",
        f"the copy {THREE} on {WEB} is of {TWO}: it is left alone",
    ]


def test_names_of_copies_that_are_no_ids_reach_no_shell(tmp_path: Path, targets: Targets) -> None:
    names = ["$(touch PWNED)", "../../../etc/passwd", "a;touch PWNED", f"{ONE}\n", "x" * 500]
    store = Store(tmp_path / "mine", key=KEY)
    got, [problem] = get_missing(store, targets.hosts["web"], names)
    assert got == [] and "and 2 more; they are left alone; find out who put them" in problem
    assert "has copies whose names are no deployment's: " in problem and len(problem) < 400
    assert not list(tmp_path.rglob("PWNED")) and not Path("PWNED").exists()


def test_a_copy_that_is_too_large_is_named(tmp_path: Path, targets: Targets) -> None:
    store = Store(tmp_path / "mine", key=KEY)
    own = Store(tmp_path / "own", key=KEY)
    saved(own, THREE)
    plant(targets, "web", ONE, b" " * (copies.MAX_UNPACKED_BYTES + 1))
    plant(targets, "web", TWO, os.urandom(copies.MAX_PACKED_BYTES))
    plant(targets, "web", THREE, own.path_of(THREE).read_bytes())
    got, problems = get_missing(store, targets.hosts["web"], [ONE, TWO, THREE])
    assert got == [THREE]
    for name, problem in zip((ONE, TWO), problems, strict=True):
        assert f"the copy of {name} on {WEB} is larger than any record (1 MB packed," in problem
        assert "10 MB unpacked): it is left alone; find out who put it into" in problem


def test_without_a_key_nothing_is_taken(tmp_path: Path, targets: Targets) -> None:
    own = Store(tmp_path / "own", key=KEY)
    saved(own, ONE)
    plant(targets, "web", ONE, own.path_of(ONE).read_bytes())
    got, [problem] = get_missing(Store(tmp_path / "mine"), targets.hosts["web"], [ONE])
    assert got == [] and "is left alone: there is no key to tell who wrote it" in problem


def test_nothing_is_planned_from_a_record_that_nobody_signed(tmp_path: Path) -> None:
    store = Store(tmp_path, key=KEY)
    saved(store, ONE)
    assert store.sign_history() == []
    store.path_of(FUTURE).write_bytes(forged(FUTURE, WEB))
    assert store.distrusted() == {FUTURE: "unsigned"}
    assert [each.name for each in store.owned(WEB)] == ["/etc/one"]
    newest = store.newest()
    assert newest and newest.deployment_id == ONE
    assert copies.concerning(store, WEB).keys() == {ONE}
    verdict = verify(store)
    [finding] = verdict.problems
    assert verdict.signed and (finding.deployment_id, finding.kind) == (FUTURE, "not signed")
    assert f"accept {FUTURE}" in finding.remedy
    content = store.path_of(ONE).read_bytes()
    store.path_of(ONE).write_bytes(content.replace(b"/etc/one", b"/etc/two"))
    assert store.owned(WEB) == []
    kinds = {each.kind for each in verify(store).problems if each.deployment_id == ONE}
    assert kinds == {"changed"}


def test_a_history_of_before_is_signed_once(tmp_path: Path, targets: Targets) -> None:
    old = Store(tmp_path)
    for each in (ONE, TWO):
        made = record(each, status="completed", previous=old.newest(), targets=about(WEB))
        made.version = "5.1"
        old.save(made)
    plain = {each: old.path_of(each).read_bytes() for each in old.ids()}
    for each, content in plain.items():
        plant(targets, "web", each, content)
    prune(old, keep=1)
    store = Store(tmp_path, key=KEY)
    # Until then, what is there is what a deploy of before has left.
    assert [each.since for each in store.owned(WEB)] == [ONE]
    assert store.sign_history() == [TWO] and store.sign_history() == []
    assert unsigned(store.path_of(TWO).read_bytes()) == plain[TWO]
    assert KEY.judge((tmp_path / "pruned.json").read_bytes(), "pruned") == "signed"
    assert verify(store).findings == []
    assert [each.since for each in store.owned(WEB)] == [ONE]
    # The target's copy lacks the signature: it gets ours, once.
    assert store.signing.outdated(WEB) == {TWO}
    done = sync(store, [targets.hosts["web"]], pruned=[ONE])
    assert done.problems == [] and done.put == {WEB: 1}
    assert targets.held("web")[TWO] == store.path_of(TWO).read_bytes()
    assert store.signing.outdated(WEB) == set()
    fresh = Store(tmp_path / "ci", key=KEY)
    assert get_missing(fresh, targets.hosts["web"], [TWO]) == ([TWO], [])
    # A record that comes without a signature later is not of before.
    store.path_of(FUTURE).write_bytes(forged(FUTURE, WEB))
    assert store.sign_history() == [] and store.distrusted() == {FUTURE: "unsigned"}


def test_a_list_of_what_was_pruned_that_somebody_wrote_is_not_believed(tmp_path: Path) -> None:
    store = Store(tmp_path, key=KEY)
    for each in (ONE, TWO):
        saved(store, each)
    store.sign_history()
    prune(store, keep=1)
    assert len(store.owned(WEB)) == 1
    path = tmp_path / "pruned.json"
    data = json.loads(unsigned(path.read_bytes()))
    data["records"][ONE]["targets"][WEB]["created"].append(["services", HOSTILE, "c"])
    data["seal"] = seal_of(data)
    path.write_text(json.dumps(data) + "\n")
    assert read_pruned(tmp_path).sealed
    assert [each.since for each in store.owned(WEB)] == [TWO]
    assert [each.what for each in verify(store).problems] == ["unsigned"]


def test_another_key_is_refused_before_anything_is_planned(tmp_path: Path) -> None:
    store = Store(tmp_path, key=KEY)
    saved(store, ONE)
    store.sign_history()
    record_key.check(store)
    with pytest.raises(ConfigurationError) as refused:
        record_key.check(Store(tmp_path, key=OTHER))
    [problem] = refused.value.problems
    assert problem.found == f"the key {OTHER.id}" and KEY.id in problem.expected
    assert "put back the old value; if you changed it on purpose" in problem.remedy
    assert problem.key == NAME and record_key.RESIGN in problem.remedy


def test_settings_of_a_record_that_nobody_signed_are_refused(tmp_path: Path) -> None:
    store = Store(tmp_path, key=KEY)
    store.sign_history()
    store.path_of(FUTURE).parent.mkdir(parents=True)
    store.path_of(FUTURE).write_bytes(forged(FUTURE, WEB))
    configuration: Any = None
    with pytest.raises(ConfigurationError) as refused:
        restoring.refuse_distrusted(restoring.Restored(FUTURE, configuration, []), store)
    [problem] = refused.value.problems
    assert problem.found == "unsigned"
    assert problem.expected == "a record that is signed with the key of your secrets"
    assert "look at it, and sign it if it is right: python -m state accept" in problem.remedy


def test_secrets_that_cannot_be_opened_are_said_to_be(tmp_path: Path) -> None:
    key = tmp_path / "key"
    environ = {
        "CHOM_SECRETS_FILE": str(tmp_path / "secrets.env"),
        "CHOM_SECRETS_KEY_FILE": str(key),
    }
    initialise(tmp_path / "secrets.env", environ)
    assert record_key.load(environ)[1].endswith("secrets.env has no RECORDS_KEY yet")
    key.unlink()
    assert "no such file" in record_key.load(environ)[1]
    with pytest.raises(Refusal) as refused:
        record_key.required(environ)
    assert "open the secrets first: python -m configs secrets check" in str(refused.value)
    sealed = tmp_path / "passphrase.env"
    environ = {"CHOM_SECRETS_FILE": str(sealed)}
    initialise(sealed, environ, passphrase=True, ask=lambda _: "correct horse battery")
    assert record_key.load(environ) == (None, "the secrets are sealed with a passphrase")


class Keys:
    """Which key the commands find."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.key: RecordKey | None = KEY
        monkeypatch.setattr("state.record_key.required", lambda: self.key)
        monkeypatch.setattr(
            "state.record_key.load", lambda: (self.key, "no secrets key" * (not self.key))
        )


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Keys:
    return Keys(monkeypatch)


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: Keys) -> Commands:
    store = Store(tmp_path / "state", key=KEY)
    saved(store, ONE)
    store.sign_history()
    store.path_of(TWO).write_bytes(forged(TWO, WEB))
    return Commands(store, capsys)


def test_the_commands_say_what_could_not_be_verified(run: Commands, keys: Keys) -> None:
    assert f"{TWO}  not signed: its signature: unsigned" in run("verify", code=1)
    assert run.json("verify", code=1)["signatures"] is True
    assert re.search(f"{TWO} .* not signed\n", run("history"))
    assert run.json("history")["records"][0]["problem"] == "left alone: unsigned"
    assert "/etc/one" in run("resources") and HOSTILE not in run("resources")
    assert "signature: is not signed: it is left alone, and" in " ".join(run("show", TWO).split())
    keys.key = None
    assert "signatures were not verified: no secrets key" in run("history")
    assert "signatures were not verified" in run("resources")
    assert "signatures were not verified" in run("verify")
    assert run.json("verify")["signatures"] is False
    assert "signature: not verified: no secrets key" in run("show", ONE)


def answering(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    class Input:
        def readline(self) -> str:
            return answer

    monkeypatch.setattr("sys.stdin", Input())


def test_a_record_is_signed_once_somebody_has_looked_at_it(
    run: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(monkeypatch, "no\n")
    said = run("accept", TWO, code=1)
    assert f"created services {HOSTILE}" in said and "nothing was signed" in said
    assert "Enter signs 1 record: later deploys remove what is no longer wanted of" in said
    assert run.store.distrusted() == {TWO: "unsigned"}
    answering(monkeypatch, "\n")
    assert "signed 1 record\n" in run("accept", TWO)
    assert run.store.distrusted() == {}


def test_a_target_that_hands_out_no_copy(run: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = [[], [Unreachable("db", "it is off", "switch it on")]]

    @contextmanager
    def reached(names: list[str]) -> Any:
        yield found

    def silent(*_: Any) -> Any:
        raise OSError("it sent too much")

    monkeypatch.setattr("state.commands.remote.targets", reached)
    said = run("accept", THREE, "--from", "db", code=1)
    assert "found: db: it is off\nexpected: a target that answers\ndo: switch it on" in said
    found[:] = [[None], []]
    monkeypatch.setattr(copies, "run_command", silent)
    said = run("accept", THREE, "--from", "db", code=1)
    assert "found: db: it sent too much\nexpected: copies of these records" in said
    assert "python -m state sync db names the copies that it has" in said


def test_all_records_are_signed_with_a_new_key(run: Commands, keys: Keys) -> None:
    keys.key = OTHER
    assert run.json("accept", "--all", "--yes")["accepted"] == [ONE, TWO]
    store = Store(run.store.folder, key=OTHER)
    record_key.check(store)
    assert store.distrusted() == {} and store.signing.outdated(WEB) == {ONE, TWO}


def test_a_copy_of_before_is_taken_from_a_target(
    run: Commands, targets: Targets, monkeypatch: pytest.MonkeyPatch
) -> None:

    @contextmanager
    def reached(names: list[str]) -> Any:
        yield [targets.hosts[names[0]]], []

    monkeypatch.setattr("state.commands.remote.targets", reached)
    plant(targets, "db", FUTURE, forged(FUTURE, WEB))
    said = run("accept", FUTURE, "--from", "db", "--yes", code=1)
    assert f"{FUTURE} on db, which is about {WEB}" in said
    plant(targets, "web", THREE, forged(ONE, "web"))
    said = run("accept", THREE, "--from", "web", "--yes", code=1)
    assert f"{THREE}, which is of {ONE}\nexpected: the record of that deployment" in said
    assert "do: take the record from another copy of the history, or leave it" in said
    plant(targets, "web", THREE, forged(THREE, "web"))
    assert "signed 1 record\n" in run("accept", THREE, "--from", "web", "--yes")
    assert KEY.judge(run.store.path_of(THREE).read_bytes()) == "signed"
    said = run("accept", THREE, "--from", "web", "--yes", code=1)
    assert f"{THREE}, which is here already" in said and "expected: one that is not here" in said
    assert "no readable copy of" in run("accept", ONE, "--from", "db", "--yes", code=1)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "the ids of records, or --all for all records of this folder"),
        (("a1b2c3",), "the whole id of a deployment, such as 20260131-120000-a1b2c3"),
        ((ONE, "--json"), "both, as nobody can be asked"),
        ((THREE,), "a record of this folder"),
    ],
)
def test_what_cannot_be_accepted_is_refused(
    run: Commands, arguments: tuple[str, ...], expected: str
) -> None:
    assert expected in run("accept", *arguments, code=1)


def test_the_key_is_one_of_the_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert record_key.key_of({}) is None
    key = record_key.key_of({NAME: Secret(NAME, "a key of the tests")})
    assert key and key.id == KEY.id and "a key" not in repr(key)
    environ = {"CHOM_SECRETS_FILE": str(tmp_path / "none.env")}
    assert record_key.load(environ)[1].endswith("none.env has no RECORDS_KEY yet")
    with pytest.raises(Refusal, match="the key by which records are signed"):
        record_key.required(environ)
    assert attach(b'{"a": 1}\n', f"{'a' * 12}:{'b' * 64}").startswith(b'{"a": 1, "signature": ')
