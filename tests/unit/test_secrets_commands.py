"""The commands as one types them: their words, their exit codes, and no secret in sight."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from configs.__main__ import main
from configs.arguments import parser
from configs.secrets import load_secrets
from configs.secrets.generating import KINDS
from configs.secrets.store import changing, secrets_path

Run = Callable[..., tuple[int, str, str]]


class Piped(io.TextIOWrapper):
    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("CHOM_SECRETS_FILE", str(tmp_path / ".secrets.env"))
    monkeypatch.setenv("CHOM_SECRETS_KEY_FILE", str(tmp_path / "home" / "secrets.key"))
    monkeypatch.delenv("CHOM_SECRETS_KEY", raising=False)

    def run(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", Piped(stdin))
        code = main(["secrets", *arguments])
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


@pytest.fixture
def begun(run: Run) -> Run:
    assert run("init")[0] == 0
    assert run("set", "A", stdin=b"geheim\n")[0] == 0
    return run


def type_in(monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
    left = iter(texts)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("configs.secrets.commands.getpass.getpass", lambda prompt: next(left))


def test_init_says_where_the_key_is(run: Run, tmp_path: Path) -> None:
    code, out, _ = run("init")
    assert code == 0
    assert str(tmp_path / "home" / "secrets.key") in out
    assert "Keep a copy" in out
    assert (tmp_path / "home" / "secrets.key").read_text().strip() not in out


def test_init_with_a_passphrase(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("configs.secrets.cipher.SCRYPT_N", 2**10)
    monkeypatch.setattr("configs.secrets.keys.has_terminal", lambda: True)
    monkeypatch.setattr("getpass.getpass", lambda prompt: "a long passphrase")
    code, out, _ = run("init", "--passphrase")
    assert code == 0
    assert "(the passphrase)" in out
    assert "a long passphrase" not in out


def test_a_second_init_changes_nothing(begun: Run) -> None:
    code, out, err = begun("init")
    assert (code, out) == (1, "")
    assert "already" in err


def test_set_reads_standard_input_but_for_its_last_line_break(run: Run) -> None:
    run("init")
    code, out, err = run("set", "A", stdin=b"two\nlines\n\r\n")
    assert (code, err) == (0, "")
    assert out.startswith("A: stored in ")
    assert load_secrets()["A"].reveal() == "two\nlines\n"


def test_set_never_takes_a_value_from_the_command_line(
    begun: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        begun("set", "A", "geheim")
    err = capsys.readouterr().err
    assert "a secret's value is not one of them" in err
    assert "geheim" not in err


def test_set_asks_twice(begun: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("configs.__main__.sys.stdin", Piped(b""))
    type_in(monkeypatch, "neu", "neu", "neu", "alt")
    assert main(["secrets", "set", "A"]) == 0
    assert load_secrets()["A"].reveal() == "neu"
    assert main(["secrets", "set", "A"]) == 1
    assert load_secrets()["A"].reveal() == "neu"


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("B", b"", "an empty value"),
        ("B", b"\n", "an empty value"),
        ("B", b"\xffgeheim", "bytes that are not UTF-8"),
        ("geheim", b"x", "a name that no secret can have"),
        ("2B", b"x", "a name that no secret can have"),
    ],
)
def test_set_refuses(begun: Run, name: str, value: bytes, found: str) -> None:
    code, out, err = begun("set", name, stdin=value)
    assert (code, out) == (1, "")
    assert found in err
    assert "geheim" not in err


def test_two_different_values_are_refused(
    begun: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("configs.__main__.sys.stdin", Piped(b""))
    type_in(monkeypatch, "geheim", "geheimer")
    assert main(["secrets", "set", "A"]) == 1
    err = capsys.readouterr().err
    assert "two different values" in err
    assert "geheim" not in err


def test_ctrl_c_at_a_prompt_changes_nothing(
    begun: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(prompt: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("configs.secrets.commands.getpass.getpass", interrupt)
    assert main(["secrets", "set", "A"]) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"
    assert load_secrets()["A"].reveal() == "geheim"


def test_set_generates_and_keeps(begun: Run) -> None:
    assert begun("set", "KEY", "--generate", "laravel_app_key")[1] == "KEY: generated, stored\n"
    first = load_secrets()["KEY"]
    again = begun("set", "KEY", "--generate", "password")
    assert again == (0, "KEY: there already; it stays as it is\n", "")
    assert load_secrets()["KEY"] == first


def test_the_kinds_are_those_of_the_command_line() -> None:
    for kind in KINDS:
        parser().parse_args(["secrets", "set", "A", "--generate", kind])


def test_get_prints_the_value_alone(begun: Run) -> None:
    assert begun("get", "A") == (0, "geheim\n", "")


def test_get_says_what_it_does_on_a_terminal(
    begun: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["secrets", "get", "A"]) == 0
    output = capsys.readouterr()
    assert output.out == "geheim\n"
    assert output.err.startswith("A is shown in clear")


def test_get_of_what_is_not_there(begun: Run) -> None:
    code, out, err = begun("get", "B")
    assert (code, out) == (1, "")
    assert "python -m configs secrets set B" in err


def test_list_needs_no_key(begun: Run, tmp_path: Path) -> None:
    (tmp_path / "home" / "secrets.key").unlink()
    with (tmp_path / ".secrets.env").open("a") as file:
        file.write("B=geheim\n")
    assert begun("list") == (
        0, "A\nB  (not encrypted: python -m configs secrets set B)\n", ""
    )  # fmt: skip
    listed = json.loads(begun("list", "--json")[1])
    assert listed["secrets"] == [
        {"name": "A", "encrypted": True},
        {"name": "B", "encrypted": False},
    ]


def test_check_says_which_key_opens_how_many(begun: Run, tmp_path: Path) -> None:
    code, out, _ = begun("check")
    assert code == 0
    assert out.startswith("ok: 1 secret, sealed with the key ")
    answer = json.loads(begun("check", "--json")[1])
    assert answer == {
        "ok": True,
        "file": str(tmp_path / ".secrets.env"),
        "secrets": ["A"],
        "problems": [],
    }


def test_check_says_what_is_wrong(begun: Run, tmp_path: Path) -> None:
    with (tmp_path / ".secrets.env").open("a") as file:
        file.write("B=geheim\nC=gAAAAxyz\n")
    code, out, err = begun("check")
    assert (code, out) == (1, "")
    assert "an unencrypted value on line 5" in err
    code, out, err = begun("check", "--json")
    assert (code, err) == (1, "")
    assert [problem["key"] for problem in json.loads(out)["problems"]] == ["B", "C"]
    assert "geheim" not in out


def test_commands_without_a_file_say_how_to_begin(run: Run) -> None:
    for command in (["list"], ["check"], ["get", "A"], ["edit"], ["rotate"], ["export-key"]):
        code, out, err = run(*command)
        assert (code, out) == (1, "")
        assert "no such file" in err
        assert "python -m configs secrets init" in err


def test_rotate_names_both_keys_places(begun: Run, tmp_path: Path) -> None:
    key = (tmp_path / "home" / "secrets.key").read_text().strip()
    code, out, _ = begun("rotate")
    assert code == 0
    assert f"The old key is kept for earlier commits: {tmp_path}/home/secrets.key." in out
    assert key not in out
    assert load_secrets()["A"].reveal() == "geheim"


def test_the_exported_key_opens_the_file(begun: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = begun("export-key")
    assert (code, err) == (0, "")
    monkeypatch.setenv("CHOM_SECRETS_KEY", out)
    monkeypatch.setenv("CHOM_SECRETS_KEY_FILE", "/nowhere")
    assert begun("get", "A")[1] == "geheim\n"


def test_edit_reports_names(begun: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "editor.py"
    script.write_text("import sys; open(sys.argv[1], 'a').write(\"B='geheimer'\\n\")")
    monkeypatch.setenv("EDITOR", f"{sys.executable} {script}")
    code, out, err = begun("edit")
    assert (code, out, err) == (0, "added:   B\nchanged: -\nremoved: -\n", "")


def test_a_running_change_is_waited_for_by_the_operator(begun: Run) -> None:
    import os

    with changing(secrets_path(), os.environ):
        code, _, err = begun("set", "A", stdin=b"x")
    assert code == 1
    assert "another command is changing the secrets" in err
