"""Turns an inventory of version 4 into one of this version, and accounts for every line of it."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from configs.documents import Document, Location, dotted, read
from configs.loader import DEFAULTS, validate
from configs.mail import lacks
from configs.merging import Sources
from configs.migration import rules
from configs.migration.old_state import HOSTS
from configs.problems import ConfigurationError, Problem
from configs.secrets.secret import Secret

Fate = Literal["moved", "secret", "dropped"]
_NEW = "the new inventory"


@dataclass(frozen=True)
class Line:
    """What became of one value; line: counted from 1; what: the new place, or why not."""

    line: int
    key: str
    fate: Fate
    what: str


@dataclass
class Migration:
    """The new inventory's data, the secrets to encrypt, and what became of each line.

    old: the old file, as the operator would name it; sha256: hexadecimal, of its bytes.
    """

    old: str
    sha256: str
    inventory: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)


def convert(path: Path) -> Migration:
    """Read the old inventory; changes nothing. Raises ConfigurationError with every problem."""
    document = read(path, remedy="name the inventory.yaml of version 4")
    problems = [*document.problems, *_missing(document)]
    if problems:
        raise ConfigurationError(problems)
    conversion = _Conversion(document)
    conversion.run()
    if problems := conversion.problems():
        raise ConfigurationError(problems)
    return conversion.result


def _missing(document: Document) -> Iterator[Problem]:
    for host in HOSTS if document.usable else ():
        entry = document.data.get(host)
        if not isinstance(entry, dict):
            yield Problem(
                document.file,
                host,
                "nothing" if entry is None else "no section",
                "the two hosts of version 4: observability and vpsmanager, each a section",
                "name the inventory.yaml of version 4",
            )
        elif str(entry.get("ip") or "") in ("", rules.PLACEHOLDERS["ip",]):
            yield Problem(
                document.file,
                f"{host}.ip",
                "no address, or the placeholder 0.0.0.0",
                "the server's address",
                "write it into a copy of the file, and name the copy",
            )


class _Conversion:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.places = dict(_places(yaml.compose(document.content.decode("utf-8-sig")), ()))
        self.result = Migration(document.file, hashlib.sha256(document.content).hexdigest())
        self.origins: dict[str, str] = {}

    def run(self) -> None:
        self.result.inventory = {
            "ssh": {},
            "targets": {host: {"role": host} for host in HOSTS},
        }
        for location, value in _leaves(self.document.data, ()):
            fate, what = self._fate(location, value)
            line = self.places.get(location, (0, ""))[0]
            self.result.lines.append(Line(line, dotted(location), fate, what))
        self.result.lines.sort(key=lambda each: each.line)
        self._leave_out_useless_mail()
        self._list_default_php()
        for key in _share_ssh(self.result.inventory):
            self._say_shared(key)

    def problems(self) -> list[Problem]:
        """What the schema refuses, said of the old file's keys."""
        new = Document(_NEW, data=self.result.inventory)
        sources = Sources(read(DEFAULTS, remedy=""), new)
        _, refused = validate(sources.merged(), sources)
        said = (
            replace(problem, file=self.document.file, key=self._old_key(problem.key))
            for problem in refused
        )
        return list(dict.fromkeys(said))

    def _fate(self, location: Location, value: Any) -> tuple[Fate, str]:
        if value in (None, "", [], {}):
            return "dropped", rules.EMPTY
        if _is_secret(location, value):
            return "secret", self._keep_secret(location, value)
        if place := rules.MOVED_AT_THE_TOP.get(location):
            return self._fate_of_setting(location, place, value)
        host, rest = str(location[0]), location[1:]
        if host not in HOSTS:
            return "dropped", rules.UNKNOWN
        if value == rules.PLACEHOLDERS.get(rest):
            return "dropped", rules.PLACEHOLDER
        if rest in rules.MAIL and host != rules.MAIL_HOST:
            return "dropped", rules.OTHER_HOST
        place = rules.MOVED.get(rest) or rules.MAIL.get(rest)
        if place is None:
            return "dropped", rules.why_dropped(rest, rules.DROPPED)
        return self._fate_of_setting(location, ("targets", host, *place), value)

    def _fate_of_setting(self, old: Location, new: Location, value: Any) -> tuple[Fate, str]:
        if earlier := self.origins.get(dotted(new)):
            return "dropped", f"{earlier} says it already"
        value = self._typed(old, new, value)
        return ("dropped", rules.EMPTY) if value == [] else ("moved", self._move(old, new, value))

    def _say_shared(self, key: str) -> None:
        for host in HOSTS:
            own, shared = dotted(("targets", host, "ssh", key)), dotted(("ssh", key))
            self.origins[shared] = self.origins.pop(own)
            self.result.lines = [
                replace(line, what=shared) if line.what == own else line
                for line in self.result.lines
            ]

    def _leave_out_useless_mail(self) -> None:
        target = self.result.inventory["targets"][rules.MAIL_HOST]
        settings = target.get("settings", {})
        smtp, email_to = settings.get("smtp", {}), settings.get("alertmanager", {}).get("email_to")
        missing = [lack.what for lack in lacks(smtp, email_to or [])]
        if "host" in smtp and not missing:
            return
        why = " and ".join(rules.NO_MAIL[what] for what in missing or ["server"])
        places = {dotted(("targets", rules.MAIL_HOST, *place)) for place in rules.MAIL.values()}
        self.result.lines = [
            replace(line, fate="dropped", what=f"no mail can be sent: {why}")
            if line.what in places
            else line
            for line in self.result.lines
        ]
        for section in ("smtp", "alertmanager"):
            settings.pop(section, None)
        if not settings:
            target.pop("settings", None)

    def _list_default_php(self) -> None:
        """Version 4 had the default version whether or not it was listed."""
        for target in self.result.inventory["targets"].values():
            php = target.get("settings", {}).get("php", {})
            listed = php.get("versions", [])
            if "default" in php and isinstance(listed, list) and php["default"] not in listed:
                php["versions"] = [*listed, php["default"]]

    def _old_key(self, key: str) -> str:
        setting = re.sub(r"\[\d+\]$", "", key)  # the items of a list have no lines of their own
        return self.origins.get(setting, key)

    def _typed(self, old: Location, new: Location, value: Any) -> Any:
        """As the new schema wants it: some values are text, a number may have stood in quotes."""
        if new[-1] == "email_to":
            return _addresses(value)
        if new[-1] == "versions" and isinstance(value, list):
            return [self._written((*old, number), item) for number, item in enumerate(value)]
        if new == ("ssh", "key"):
            return re.sub(r"^(\./)+", "", str(value))
        if new[-1] in rules.TEXT:
            return self._written(old, value)
        number = isinstance(value, str) and re.fullmatch("[0-9]{1,9}", value)
        return int(value) if number else value

    def _move(self, old: Location, new: Location, value: Any) -> str:
        section: dict[Any, Any] = self.result.inventory
        for step in new[:-1]:
            section = section.setdefault(step, {})
        section[new[-1]] = value
        self.origins[dotted(new)] = dotted(old)
        return dotted(new)

    def _keep_secret(self, location: Location, value: Any) -> str:
        text = self._written(location, value)
        for name in _names(location):
            secret = Secret(name, text)
            if self.result.secrets.setdefault(name, secret) == secret:
                return name
        raise AssertionError("the names never end")

    def _written(self, location: Location, value: Any) -> str:
        # Not str(value): YAML reads a password such as 0123 as a number, and so another text.
        return self.places.get(location, (0, ""))[1] or str(value)


def _is_secret(location: Location, value: Any) -> bool:
    names = [step for step in location if isinstance(step, str)]
    if isinstance(value, str) and rules.SECRET_TEXT.search(value):
        return True
    named = any(rules.SECRET.search(name.lower()) for name in names)
    return named and not isinstance(value, bool)


def _names(location: Location) -> Iterator[str]:
    """SMTP_PASSWORD for observability.config.smtp.password; longer ones if that is taken."""
    steps = [str(step) for step in location if step not in (*HOSTS, "config")]
    short = re.sub(r"[^A-Z0-9]+", "_", "_".join(steps).upper()).strip("_")
    if short[:1].isalpha() and rules.SECRET_NAMES.get(short, location) == location:
        yield short
    long = f"{str(location[0]).upper()}_{short}" if location[0] in HOSTS else f"OLD_{short}"
    yield long
    number = 2
    while True:
        yield f"{long}_{number}"
        number += 1


def _addresses(value: Any) -> list[str]:
    """What is a text with commas, or a list."""
    items = value if isinstance(value, list) else [value]
    texts = [text.strip() for item in items for text in re.split("[,;]", str(item or ""))]
    placeholder = rules.PLACEHOLDERS["config", "alertmanager_email"]
    return list(dict.fromkeys(text for text in texts if text not in ("", placeholder)))


def _leaves(value: Any, location: Location) -> Iterator[tuple[Location, Any]]:
    """Every value; a list of plain values is one, unless something in it is secret."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*location, key))
    elif isinstance(value, list) and not _plain_list(value, location):
        for index, item in enumerate(value):
            yield from _leaves(item, (*location, index))
    else:
        yield location, value


def _plain_list(items: list[Any], location: Location) -> bool:
    return not any(isinstance(item, dict | list) or _is_secret(location, item) for item in items)


def _places(node: yaml.Node | None, location: Location) -> Iterator[tuple[Location, Any]]:
    """The line of every value, and a plain value's text as it is written."""
    if node is None:
        return
    text = str(node.value) if isinstance(node, yaml.ScalarNode) else ""
    yield location, (node.start_mark.line + 1, text)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _places(value, (*location, str(key.value)))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _places(value, (*location, index))


def _share_ssh(inventory: dict[str, Any]) -> list[str]:
    """Say once what both hosts have in common; those keys."""
    shared: list[str] = []
    targets: Mapping[str, dict[str, Any]] = inventory["targets"]
    own = [target.get("ssh", {}) for target in targets.values()]
    for key in ("user", "port"):
        if all(key in ssh for ssh in own) and len({ssh[key] for ssh in own}) == 1:
            inventory["ssh"][key] = own[0][key]
            shared.append(key)
            for ssh in own:
                del ssh[key]
    for target in targets.values():
        if not target.get("ssh", True):
            del target["ssh"]
    if not inventory["ssh"]:
        del inventory["ssh"]
    return shared
