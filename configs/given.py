"""What may be given by ``--data`` beside settings, and for which of our files."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from configs.problems import Problem
from configs.schema import Settings

DEPLOY, ROLLBACK, TEARDOWN, VERIFY = "deploy.py", "rollback.py", "teardown.py", "verify.py"
_RECORDED = (DEPLOY, ROLLBACK, TEARDOWN)
# name → the files that know it
NAMES: Mapping[str, Sequence[str]] = {
    "adopt": (DEPLOY,),
    "app": (ROLLBACK,),
    "detailed_exitcode": _RECORDED,
    "from": (DEPLOY,),
    "junit": (DEPLOY, VERIFY),
    "lock_wait": _RECORDED,
    "message": _RECORDED,
    "only": (DEPLOY, TEARDOWN),
    "plan": _RECORDED,
    "purge": (TEARDOWN,),
    "release": (ROLLBACK,),
    "skip": (DEPLOY,),
    "yes_teardown": (TEARDOWN,),
}
# The kinds of things that may be handed over to a deploy, as records call them.
ADOPTABLE = ("artifacts", "database_users", "databases", "services")
LONGEST_MESSAGE = 200
LONGEST_WAIT_S = 24 * 3600
DEEPEST = 100
_YES = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def is_yes(data: Mapping[str, str], name: str) -> bool:
    """Whether a switch is given, and on."""
    return _YES.get(data.get(name, "false").lower(), False)


def names_in(data: Mapping[str, str], name: str) -> list[str]:
    """The names that are given, with commas between them."""
    return [each for text in data.get(name, "").split(",") if (each := text.strip())]


def adopted_in(data: Mapping[str, str]) -> list[tuple[str, str]]:
    """What is handed over to the deploy although it exists: kind and name of each."""
    pairs = (each.partition("/") for each in names_in(data, "adopt"))
    return [(kind, name) for kind, _, name in pairs]


def problems_of(given: Sequence[str], files: Sequence[str]) -> list[Problem]:
    """All that is wrong with what is given by ``--data``, but for the settings in it.

    ``given``: as typed, ``NAME=VALUE``; ``files``: the names of the files that are to be run.
    """
    data = dict(each.split("=", 1) for each in given if "=" in each)
    return [
        *unreadable(given),
        *_unknown(data, files),
        *_wrong_message(data),
        *_wrong_wait(data),
        *_wrong_switches(data),
        *_empty(data),
        *_not_adoptable(data),
    ]


def unreadable(given: Sequence[str]) -> Iterator[Problem]:
    """What pyinfra itself cannot read: no value, or JSON that is too deep."""
    for each in given:
        name, divider, value = each.partition("=")
        if not divider:
            remedy = f"write --data {each}=VALUE"
            yield Problem("--data", each, "no value", "NAME=VALUE", remedy)
        elif max(value.count("["), value.count("{")) > DEEPEST:
            found = f"a value with more than {DEEPEST} brackets"
            yield Problem("--data", name, found, "a single value, or a list", "correct it")


def _unknown(data: Mapping[str, str], files: Sequence[str]) -> Iterator[Problem]:
    known = [name for name, its in NAMES.items() if {*its} & {*files}]
    for name in data:
        if name in known or name.partition(".")[0] in Settings.model_fields:
            continue
        expected = f"a setting (python -m configs show), or one of {', '.join(known)}"
        if name in NAMES:
            found, remedy = f"a name that only {' and '.join(NAMES[name])} knows", "leave it out"
        else:
            near = get_close_matches(name, known, n=1)
            remedy = f"did you mean {near[0]}?" if near else "leave it out"
            found = "an unknown name"
        yield Problem("--data", name, found, expected, remedy)


def _wrong_message(data: Mapping[str, str]) -> Iterator[Problem]:
    text = data.get("message", "")
    if len(text) > LONGEST_MESSAGE or not text.isprintable():
        found = f"{len(text)} characters" if text.isprintable() else "more than one line"
        expected = f"one line of at most {LONGEST_MESSAGE} characters"
        yield Problem("--data", "message", found, expected, "make it shorter")


def _wrong_wait(data: Mapping[str, str]) -> Iterator[Problem]:
    text = data.get("lock_wait", "0")
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or int(text) > LONGEST_WAIT_S:
        expected = f"a number of seconds, at most {LONGEST_WAIT_S}"
        remedy = "say for how long to wait for another deploy to end: --data lock_wait=300"
        yield Problem("--data", "lock_wait", f'"{text}"', expected, remedy)


def _wrong_switches(data: Mapping[str, str]) -> Iterator[Problem]:
    for name in ("detailed_exitcode", "purge"):
        if data.get(name, "false").lower() not in _YES:
            yield Problem("--data", name, f'"{data[name]}"', "true or false", "correct it")


def _not_adoptable(data: Mapping[str, str]) -> Iterator[Problem]:
    for kind, name in adopted_in(data):
        if kind not in ADOPTABLE or not name:
            expected = f"KIND/NAME, where KIND is one of {', '.join(ADOPTABLE)}"
            remedy = "write it as the preflight names it"
            yield Problem("--data", "adopt", f'"{kind}/{name}"', expected, remedy)


def _empty(data: Mapping[str, str]) -> Iterator[Problem]:
    for name, what in {"only": "a component", "skip": "a component"}.items():
        if name in data and not names_in(data, name):
            yield Problem("--data", name, "nothing", what, "name one, or leave it out")
    for name in ("plan", "junit"):
        if name in data and not data[name].strip():
            yield Problem("--data", name, "nothing", "a file's name", "name one, or leave it out")
