"""The command that does the same again for one target."""

import subprocess

import pytest

from state.again import command_for


@pytest.mark.parametrize(
    ("argv", "environ", "expected"),
    [
        (
            ["/x/.venv/bin/pyinfra", "inventory.py", "deploy.py", "-y"],
            {},
            "pyinfra inventory.py deploy.py --limit web -y",
        ),
        (
            ["pyinfra", "--limit", "a", "inventory.py", "deploy.py", "--exclude=b", "--limit=c"],
            {"CHOM_INVENTORY": "my lab.yaml"},
            "CHOM_INVENTORY='my lab.yaml' pyinfra inventory.py deploy.py --limit web",
        ),
        (
            ["/x/pyinfra/__main__.py", "inventory.py", "rollback.py", "--data", "app=the shop"],
            {},
            "python -m pyinfra inventory.py rollback.py --limit web --data 'app=the shop'",
        ),
    ],
)
def test_it_is_as_one_types_it(argv: list[str], environ: dict[str, str], expected: str) -> None:
    assert command_for("web", argv, environ) == expected


def test_a_shell_reads_it_back() -> None:
    argv = ["pyinfra", "inventory.py", "deploy.py", "--data", 'message=it\'s $HOME; "x"']
    command = command_for("web", argv, {}).replace("pyinfra", "printf '%s\\n'", 1)
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
    assert done.stdout.splitlines() == [*argv[1:3], "--limit", "web", *argv[3:]]
