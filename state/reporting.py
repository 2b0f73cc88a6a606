"""What a run tells to whom: people while it goes on and at its end, CI systems, JUnit's readers."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from state import junit, markdown
from state.again import command_for
from state.ci_output import CiOutput
from state.console import say
from state.display import display_of
from state.lanes import Lane
from state.live import Live
from state.options import Options
from state.outcome import Outcome, new_versions
from state.plain import Plain
from state.record import Check, Error, Record
from state.scrubbing import Scrubber
from state.store import Store
from state.summary import print_summary
from state.timings import Timings
from state.verifying import failure


class Reporting:
    """``findings``: target → what its preflight found. ``ci``: told of each phase as it begins.

    ``timings``: an observer for the lanes.
    """

    def __init__(self, options: Options, scrubber: Scrubber, root: Path) -> None:
        self.ci = CiOutput()
        self.timings = Timings()
        self.findings: dict[str, Sequence[junit.Finding]] = {}
        self._options = options
        self._scrubber = scrubber
        self._root = root
        self._began = datetime.now(UTC)
        self._outcome: Outcome | None = None

    def display(self, lanes: Sequence[Lane]) -> Live | Plain:
        """What shows the lanes."""
        return display_of(lanes, self._options.verbosity, self._scrubber)

    def summary(
        self,
        record: Record,
        store: Store,
        urls: Mapping[str, Sequence[str]],
        warnings: Sequence[str],
    ) -> None:
        """Print what a run that is recorded came to."""
        self.ci.phase("summary")
        path = store.path_of(record.deployment_id).relative_to(self._root)
        versions = new_versions(record, store)
        self._outcome = Outcome(record, path, urls, warnings, self.timings, versions)
        print_summary(self._outcome, _again(record.targets))

    def finish(
        self,
        targets: Sequence[str],
        errors: Mapping[str, Error],
        checks: Mapping[str, Sequence[Check]],
        warnings: Sequence[str],
    ) -> None:
        """Tell CI systems, and write the files that are asked for; nothing of it fails a run."""
        self.ci.end_phase()
        record = self._outcome.record if self._outcome else None
        failed = {name: error for name, each in checks.items() if (error := failure(each))}
        failed |= errors
        if record:
            failed |= {name: each.error for name, each in record.targets.items() if each.error}
        for warning in warnings:
            self.ci.annotate("warning", "note", self._scrubber.scrub(warning))
        for name, error in failed.items():
            self.ci.annotate("error", _title(name, error), self._scrubber.scrub(_told(error)))
        try:
            if self._options.junit:
                found = junit.suites(targets, failed, self.findings, checks, record)
                text = junit.to_xml(found, self._began, self._scrubber.scrub)
                junit.write(self._options.junit, text)
            text = markdown.failures(failed, _again(failed))
            text += markdown.outcome(self._outcome) if self._outcome else ""
            self.ci.summarize(self._scrubber.scrub(text))
        except OSError as problem:
            say(f"--> A report could not be written: {problem}", fg="red")


def _again(targets: Iterable[str]) -> dict[str, str]:
    return {name: command_for(name) for name in targets}


def _title(target: str, error: Error) -> str:
    return f"{target}: {error.component or error.stage}"


def _told(error: Error) -> str:
    lines = [f"{error.operation}: {error.message}" if error.operation else error.message]
    lines += error.output[-10:]
    return "\n".join(lines + ([f"do: {error.remedy}"] if error.remedy else []))
