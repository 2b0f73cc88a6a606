"""Both targets with several applications, declared: what would be deployed."""

import re
from pathlib import Path

import pytest

from tests.unit.helpers import INVENTORY, fake_state
from tests.unit.test_stacks import Declaration, spy_on_texts

# Three: of a repository, of a folder, and our own page; one of them works in the background.
THREE = (
    'php: {versions: ["8.4", "8.3"]}, apps: {'
    "shop: {repository: 'git@github.com:acme/shop.git', deploy_key: true, domain: shop.org www.org,"
    " workers: {count: 2, queues: 'high,low', timeout_s: 90, memory_mb: 200}, scheduler: true,"
    " secrets: [STRIPE_SECRET], environment: {FEATURE: true, MOTD: 'hello $USER'}},"
    ' blog: {path: tests/apps/shop, domain: blog.org, php: "8.3", children: 1, health: /health,'
    " login_paths: [/wp-login.php, /admin/login], maintenance: true},"
    " own_page: {domain: page.org}}"
)
SITES = "/etc/nginx/sites-enabled/apps.conf"
Texts = dict[str, str]


def declared(folder: Path, settings: str, role: str = "vpsmanager") -> tuple[Declaration, Texts]:
    """A target of a role with these settings: its declaration, and its files' texts by path."""
    begin = f"settings: {{{settings}, " if settings else "settings: {"
    text = INVENTORY.replace("settings: {", begin)
    with pytest.MonkeyPatch.context() as patch:
        texts = spy_on_texts(patch)
        return Declaration(fake_state([role]), role, folder, text), texts


def labels(declaration: Declaration, component: str) -> list[str]:
    """What a component does, operation by operation."""
    [step] = [each for each in declaration.steps if each.component == component]
    return [each.label for each in step.operations]


def servers(text: str) -> list[str]:
    """The server blocks of a text for Nginx, as they stand there."""
    parts = re.split(r"^(?=server \{)", text, flags=re.M)[1:]
    return [part[: _end(part)] for part in parts]


def server(text: str, name: str, port: int = 80) -> str:
    """The block that answers to a host name on a port."""
    found = [
        each
        for each in servers(text)
        if re.search(rf"^    server_name (.* )?{re.escape(name)}[ ;]", each, flags=re.M)
        and re.search(rf"^    listen {port}\b", each, flags=re.M)
    ]
    assert len(found) == 1, found
    return found[0]


def location(block: str, head: str) -> str:
    """What stands in ``location HEAD { … }`` of a server."""
    _, found, rest = block.partition(f"    location {head} {{\n")
    assert found, f"no location {head}"
    return rest[: _end("{" + rest) - 2]


def _end(text: str) -> int:
    """Where the first brace of a text is closed."""
    depth = 0
    for match in re.finditer(r"[{}]", re.sub(r'"[^"]*"', lambda it: "." * len(it[0]), text)):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return match.end()
    raise AssertionError("a brace is not closed")
