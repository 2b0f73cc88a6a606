"""Strategies for what an operator may give by mistake: a valid input, and what can befall it."""

import copy
import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from configs.given import NAMES
from configs.overrides import PREFIX, settings

VALID: dict[str, Any] = {
    "ssh": {"user": "deploy", "port": 22, "key": "KEY", "known_hosts": "HOSTS", "sudo": True},
    "targets": {
        "watch": {"role": "observability", "address": "10.0.0.1", "specs": {"cpu": 2}},
        "web": {
            "role": "vpsmanager",
            "address": "web.example.net",
            "ssh": {"port": 2222},
            "settings": {"php": {"children": 10}},
        },
    },
    "settings": {
        "network": {"admin_networks": ["10.0.0.0/24", "fd00::/8"]},
        "prometheus": {"retention_days": 15, "retention_size_mb": None},
        "smtp": {"host": None, "port": 587},
        "alertmanager": {"email_to": []},
        "php": {"versions": ["8.4", "8.2"]},
        "tls": {"mode": "off"},
        "apps": {
            "shop": {
                "repository": "https://git.example.org/shop.git",
                "branch": "main",
                "domain": "shop.example.org www.example.org",
                "workers": {"count": 2, "queues": "high,default"},
                "environment": {"MAIL_FROM_NAME": "The shop"},
                "scheduler": True,
            }
        },
    },
}

_odd_text = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "",
            " ",
            "\t",
            "\u0000",
            "\u202e",
            "ünïcode",
            "a" * 5000,
            "~",
            "~nobody/x",
            "null",
            "yes",
            "0x1F",
            "1e400",
            "-0",
            "{{ x }}",
            "$(reboot)",
            "'; --",
            "../../etc/passwd",
            "::1",
            "999.1.1.1",
            "-oProxyCommand=x",
            "a\nb",
            "\ufeffa",
            "9" * 400,
        ]
    ),
)
_scalars: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 65536, 2**63, 10**400]),
    st.floats(),
    st.dates(min_value=datetime.date(1000, 1, 1)),
    st.binary(max_size=8),
    _odd_text,
)
_keys = st.one_of(_odd_text, st.booleans(), st.integers(), st.none())
values: st.SearchStrategy[Any] = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=8,
)

Path_ = tuple[Any, ...]


def _places(value: Any, above: Path_ = ()) -> list[Path_]:
    """Every place in nested sections and lists, but for the whole."""
    items = dict(enumerate(value)) if isinstance(value, list) else value
    items = items.items() if isinstance(items, dict) else ()
    below = [place for key, inner in items for place in _places(inner, (*above, key))]
    return [above, *below] if above else below


_PLACES = _places(VALID)


def _replace(data: Any, place: Path_, value: Any) -> None:
    _at(data, place[:-1])[place[-1]] = value


def _remove(data: Any, place: Path_, value: Any) -> None:
    del _at(data, place[:-1])[place[-1]]


def _add(data: Any, place: Path_, value: Any) -> None:
    inner = _at(data, place)
    if isinstance(inner, dict):
        inner[value if isinstance(value, str | int | None) else "unknown"] = value
    elif isinstance(inner, list):
        inner.append(value)


def _copy_over(data: Any, place: Path_, value: Any) -> None:
    """The same section also where it does not belong; in YAML, an alias."""
    _replace(data, place, data["targets"])


def _into_itself(data: Any, place: Path_, value: Any) -> None:
    _replace(data, place, data)


_CHANGES: list[Callable[[Any, Path_, Any], None]] = [
    _replace,
    _replace,
    _replace,
    _remove,
    _add,
    _add,
    _copy_over,
    _into_itself,
]


def _at(data: Any, place: Path_) -> Any:
    for step in place:
        data = data[step]
    return data


@st.composite
def inventories(draw: st.DrawFn) -> bytes:
    """A valid inventory in which some values are others, as YAML."""
    data = copy.deepcopy(VALID)
    for _ in range(draw(st.integers(1, 3))):
        change, place = draw(st.sampled_from(_CHANGES)), draw(st.sampled_from(_PLACES))
        try:
            change(data, place, draw(values))
        except (LookupError, TypeError):  # an earlier change took the place away
            continue
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True).encode("utf-8", "replace")


_SCRAPS = [
    b"\x00",
    b"\t",
    b"\r\n",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b": ",
    b"- ",
    b"{",
    b"[",
    b"]",
    b"&a ",
    b"*a ",
    b"<<: *a\n",
    b"!!python/object:os.system x",
    b"!!bool x",
    b"!!timestamp x",
    b"!!binary =",
    b"!!int x",
    b"!!set {a, b}",
    b"? ",
    b"| ",
    b"'",
    b'"',
    b"#",
    b"%YAML 9.9\n",
    b"---\n",
    b"...\n",
    b"@",
    b"`",
    b"targets:\n",
    b"\xc2\x85",
    b"[" * 300,
    b"a: &a [x, x]\nb: &b [*a, *a]\n",
]


@st.composite
def damaged(draw: st.DrawFn, text: bytes) -> bytes:
    """A text that was cut, or in which something came to stand that does not belong there."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 40)))
        new = draw(st.sampled_from([b"", *_SCRAPS]) | st.binary(max_size=4))
        text = text[:start] + new + text[end:]
    if draw(st.integers(0, 9)) == 0:
        text = text[: draw(st.integers(0, len(text)))]
    return text


_SETTINGS = sorted(settings())
_variables = st.one_of(
    st.sampled_from([PREFIX + key.upper().replace(".", "__") for key in _SETTINGS]),
    st.sampled_from(["CHOM_SETTING__", "CHOM_SETTINGS__X", "CHOM_SETTING_PHP", f"{PREFIX}PHP"]),
    st.from_regex(r"CHOM_SETTING__[A-Z_0-9]{0,20}", fullmatch=True),
)
_typed = st.one_of(
    _odd_text.filter(lambda text: "\0" not in text),
    values.map(lambda value: yaml.safe_dump(value, default_flow_style=True)),
    st.sampled_from(["[", "{a: b}", "&a [*a]", "[" * 400, "!!bool x", "!!python/name:x", "*a"]),
).map(lambda text: text.replace("\0", ""))


def surrogates(text: str) -> str:
    """As Python shows bytes that are no UTF-8 in the environment and on the command line."""
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")


_names = st.sampled_from(
    [
        "CHOM_SECRETS_KEY",
        "CHOM_SECRETS_KEY_FILE",
        "CHOM_SECRETS_FILE",
        "CHOM_SECRETS_PASSPHRASE",
        "CHOM_SUDO_PASSWORD",
        "CHOM_FACTS",
        "CHOM_INVENTORY",
        "CHOM_UNKNOWN",
        "CI",
        "HOME",
        "GITHUB_ACTIONS",
    ]
)
environments = st.dictionaries(_variables | _names, _typed.map(surrogates), min_size=1, max_size=4)

_FILES = ["deploy.py", "deploy.py", "rollback.py", "verify.py", "teardown.py"]
_NOT_SETTINGS = ["ssh_port", "_sudo", "php", "apps.shop", "targets.web.address", "ssh.port"]
_given_names = st.one_of(
    st.sampled_from(_SETTINGS), st.sampled_from([*NAMES, *_NOT_SETTINGS]), _odd_text
)
_datum = st.one_of(
    st.builds("{}={}".format, _given_names, _typed),
    _given_names,
    _typed,
    st.sampled_from(["=", "==", "", "lock_wait=" + "0" * 12 + "9" * 5000, "a=" + "[" * 5000]),
)
_targets = st.one_of(st.sampled_from(["watch", "web", "vpsmanager", "w*", "[", "*"]), _odd_text)
_flags = st.one_of(
    _datum.map(lambda each: ["--data", each]),
    _datum.map(lambda each: ["--data", each]),
    _targets.map(lambda each: ["--limit", each]),
    _targets.map(lambda each: ["--exclude", each]),
    st.sampled_from(
        [["-v"], ["--diff"], ["--json"], ["--serial"], ["--parallel", "0"], ["--parallel", "x"],
         ["--fail-percent", "-1"], ["--fail-percent", "1000"], ["--no-such-flag"], ["--limit"]]
    ),
)  # fmt: skip


@st.composite
def arguments(draw: st.DrawFn) -> list[str]:
    """What comes after ``pyinfra inventory.py``: a file of ours, and flags."""
    file = draw(st.sampled_from(_FILES))
    flags = [flag for flag in draw(st.lists(_flags, min_size=1, max_size=3))]
    words = [surrogates(word).replace("\0", "") for flag in flags for word in flag]
    return [file, draw(st.sampled_from(["--dry", "--dry", "-y"])), *words]


def written(folder: Path, content: bytes) -> bytes:
    """With the paths of a key and of known hosts that are there."""
    content = content.replace(b"KEY", str(folder / "key").encode())
    return content.replace(b"HOSTS", str(folder / "known_hosts").encode())
