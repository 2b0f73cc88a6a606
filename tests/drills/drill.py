"""One drill: break something, wait for the one mail about it, mend it, wait for its end."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.drills.alerts import Told, firing, told
from tests.e2e.mailbox import Mailbox
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.lab import Lab

# Seconds; what is printed tells how long it took.
LIMIT_S = 240


@dataclass(frozen=True)
class Fault:
    """What breaks, and what is to be heard of it.

    ``alert``: the one that is mailed, of this ``severity``. ``follows``: the alerts that must fire,
    too, and be kept back. ``prepare``: what must be there before.
    """

    alert: str
    follows: frozenset[str]
    breaks: Callable[[Lab], object]
    mends: Callable[[Lab], object]
    severity: str = "critical"
    prepare: Callable[[Lab], object] = lambda lab: None


@dataclass
class Seen:
    """What a drill saw; times in seconds since the fault, and since it was mended."""

    fault: str
    alert: str
    mailed_s: float = 0
    resolved_s: float = 0
    kept_back: set[str] = field(default_factory=set)


class Drills:
    """``group_wait_s``: how long Alertmanager waits before it mails what is new."""

    def __init__(self, platform: Platform, mailbox: Mailbox, group_wait_s: float) -> None:
        self._platform = platform
        self._mailbox = mailbox
        self._group_wait_s = group_wait_s
        self.seen: list[Seen] = []

    def run(self, name: str, fault: Fault) -> None:
        """Do it on vpsmanager; AssertionError for any other mail than those that are due."""
        lab = self._platform.lab
        fault.prepare(lab)
        self._wait_for_calm()
        start = len(self._mailbox.mails)
        seen = Seen(name, fault.alert)
        self.seen.append(seen)
        fired = Told("FIRING", fault.alert, fault.severity, "vpsmanager")
        resolved = Told("RESOLVED", fault.alert, "", "vpsmanager")
        since = time.monotonic()
        try:
            fault.breaks(lab)
            self._wait_for_mail(fired, start, seen)
            seen.mailed_s = time.monotonic() - since
            self._wait_for_what_follows(fault, seen)
        finally:
            since = time.monotonic()
            fault.mends(lab)
        self._wait_for_mail(resolved, start, seen)
        seen.resolved_s = time.monotonic() - since
        self._wait_for_calm()
        mails = told(self._mailbox.mails[start:])
        assert mails == [fired, resolved], mails

    def _wait_for_mail(self, due: Told, start: int, seen: Seen) -> None:
        def arrived() -> bool:
            self._look(seen)
            mails = told(self._mailbox.mails[start:])
            others = [each for each in mails if each.alert != due.alert]
            assert not others, f"{others} besides {due}"
            return due in mails

        wait_for(f"mail: {due}", arrived, LIMIT_S, every_s=0.5)

    def _wait_for_what_follows(self, fault: Fault, seen: Seen) -> None:
        """Until all of it has been there for long enough to be mailed, were it not kept back."""

        def all_there() -> bool:
            self._look(seen)
            return fault.follows <= seen.kept_back

        wait_for(f"{set(fault.follows)} to be kept back", all_there, LIMIT_S, every_s=0.5)
        deadline = time.monotonic() + self._group_wait_s
        wait_for("what might be mailed", lambda: time.monotonic() > deadline, LIMIT_S)

    def _look(self, seen: Seen) -> None:
        seen.kept_back |= {each.name for each in firing(self._platform) if not each.told}

    def _wait_for_calm(self) -> None:
        """Until nothing fires, and the end of all that was told has been told."""

        def calm() -> bool:
            last = {(each.alert, each.target): each.state for each in told(self._mailbox.mails)}
            return not firing(self._platform) and "FIRING" not in last.values()

        wait_for("calm", calm, LIMIT_S, every_s=0.5)
