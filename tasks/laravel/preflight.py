"""Preflight check of applications: their names and folders belong to nobody else."""

from collections.abc import Container

from pyinfra import host

from configs import Target
from configs.findings import Finding
from facts.users import TakenNames
from tasks.laravel.places import build_user, root
from tasks.operations.users import SHELL
from tasks.redis.instances import redis_user

# Accounts of persons begin here, by Debian's policy.
_FIRST_PERSON = 1000
# What other tools have in an application's folder as well, and what only ours has there.
_LAYOUT = ("/releases", "/shared")
_JOURNAL = "/releases.jsonl"


def check_names(target: Target, owned: Container[tuple[str, str]]) -> list[Finding]:
    """Refuse an application whose account, group or folder is there and not ours.

    + owned: what is ours by the records, kind and name

    An account that looks exactly as we make it counts as ours, also where no record tells of it.
    """
    apps = list(target.apps) if target.role == "vpsmanager" else []
    if not apps:
        return []
    accounts = {name: root(name) for name in apps}
    beside = {user: name for name in apps for user in (build_user(name), redis_user(name))}
    accounts |= dict.fromkeys(beside, "/nonexistent")
    paths = [f"{root(name)}{each}" for name in apps for each in ("", *_LAYOUT, _JOURNAL)]
    taken = host.get_fact(TakenNames, names=list(accounts), paths=paths)
    users = {
        line.removeprefix("user/").split(" ", 1)[0]: line
        for line in taken
        if line.startswith("user/")
    }
    findings = []
    for name, home in accounts.items():
        app = beside.get(name, name)
        if ("users", name) in owned:
            continue
        if name in users and not _is_made_by_us(users[name], home):
            _, home_found, shell, uid = users[name].split(" ")
            found = f"an account {name} (uid {uid}, home {home_found}, shell {shell})"
            findings.append(_refused(app, found))
        elif name not in users and f"group/{name}" in taken:
            findings.append(_refused(app, f"a group {name}"))
        elif name not in users and f"path/{home}" in taken:
            findings.append(_refused(app, f"a folder {home}"))
        elif name in apps and (folder := _of_another_tool(root(name), taken)):
            findings.append(_refused(app, f"a folder {folder}"))
    return findings


def _is_made_by_us(line: str, home: str) -> bool:
    _, found, shell, uid = line.split(" ")
    return (found, shell) == (home, SHELL) and int(uid) < _FIRST_PERSON


def _of_another_tool(base: str, taken: Container[str]) -> str:
    """What an application's folder has without the journal of our releases; or nothing."""
    if f"path/{base}{_JOURNAL}" in taken:
        return ""
    return next((base + each for each in _LAYOUT if f"path/{base}{each}" in taken), "")


def _refused(app: str, found: str) -> Finding:
    return Finding(
        f"application {app}",
        f"{found}, which no deploy made",
        "a name that nothing on the server has yet: it would be taken over",
        "give the application another name under `apps:`, or rename what is there (a folder can be"
        " moved, and what it holds be copied back after the deploy); if it is of an earlier deploy"
        " whose records are lost, fetch them: python -m state sync",
    )
