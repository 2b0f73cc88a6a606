"""What may be given by ``--data`` beside settings."""

import pytest

from configs.given import is_yes, names_in, problems_of


@pytest.mark.parametrize(
    ("given", "file"),
    [
        ([], "deploy.py"),
        (["only=grafana,loki", "skip=redis", "plan=plan.md", "junit=j.xml"], "deploy.py"),
        (["detailed_exitcode=True", "from=current", "message=a=b"], "deploy.py"),
        (["prometheus.retention_days=30"], "deploy.py"),
        (["only=redis", "purge=yes", "yes_teardown=web"], "teardown.py"),
        (["app=shop", "release=20261124-042147-75c0938", "lock_wait=30"], "rollback.py"),
        (["junit=j.xml"], "verify.py"),
        (["adopt=databases/shop, artifacts//opt/prometheus"], "deploy.py"),
    ],
)
def test_what_is_known_is_taken(given: list[str], file: str) -> None:
    assert problems_of(given, [file]) == []


@pytest.mark.parametrize(
    ("given", "file", "key", "remedy"),
    [
        ("onyl=grafana", "deploy.py", "onyl", "did you mean only?"),
        ("zzz=1", "deploy.py", "zzz", "leave it out"),
        ("adopt=shop", "deploy.py", "adopt", "write it as the preflight names it"),
        ("adopt=users/shop", "deploy.py", "adopt", "write it as the preflight names it"),
        ("adopt=databases/shop", "teardown.py", "adopt", "leave it out"),
        ("purge=true", "deploy.py", "purge", "leave it out"),
        ("skip=redis", "teardown.py", "skip", "leave it out"),
        ("only", "deploy.py", "only", "write --data only=VALUE"),
        ("only=", "deploy.py", "only", "name one"),
        ("skip= , ", "deploy.py", "skip", "name one"),
        ("plan=", "deploy.py", "plan", "name one"),
        ("junit= ", "verify.py", "junit", "name one"),
        ("detailed_exitcode=perhaps", "deploy.py", "detailed_exitcode", "correct it"),
        ("purge=perhaps", "teardown.py", "purge", "correct it"),
        ("lock_wait=٣", "deploy.py", "lock_wait", "--data lock_wait=300"),
        (f"lock_wait={'9' * 5000}", "deploy.py", "lock_wait", "--data lock_wait=300"),
    ],
)
def test_what_is_not_is_told_with_what_to_do(given: str, file: str, key: str, remedy: str) -> None:
    (problem,) = problems_of([given], [file])
    assert (problem.file, problem.key) == ("--data", key)
    assert remedy in problem.remedy


def test_all_is_told_at_once() -> None:
    given = ["only", "skip=", "from_=x", "lock_wait=soon", "message=a\nb"]
    assert [each.key for each in problems_of(given, ["deploy.py"])] == [
        "only", "from_", "message", "lock_wait", "skip"
    ]  # fmt: skip


def test_switches_and_lists_are_read() -> None:
    data = {"purge": "Yes", "only": " a, b,,c "}
    assert is_yes(data, "purge") and not is_yes(data, "detailed_exitcode")
    assert names_in(data, "only") == ["a", "b", "c"] and names_in(data, "skip") == []
