"""One run of pyinfra in this project: from the settings to the closed record."""

import json
import platform
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pyinfra import logger
from pyinfra.api import Host, State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.state import BaseStateCallback

from configs import Configuration, Target
from configs.secrets import Secret
from state import console, proposing, sudo
from state.breaths import Breaths
from state.connection import connect_remedy
from state.copies import put_copies
from state.deployer import identify
from state.held import Held
from state.holder import holder_of
from state.junit import Finding
from state.lanes import GRACE_S, Lane, Lanes, Step
from state.links import Links
from state.locks import Locks
from state.matching import note_matches
from state.options import Options
from state.owned import Owned
from state.ownership import Ours, Ownership
from state.plan import ComponentPlan, Plan, TargetPlan
from state.planning import components_of, counts
from state.reaching import become_root
from state.record import Check, Config, Error, Record, Status
from state.record import Target as TargetRecord
from state.recorder import Recorder
from state.reporting import Reporting
from state.scrubbing import Scrubber
from state.selecting import Selection
from state.store import FOLDER, Store, now
from state.target_lock import NoAnswer, Robbed
from state.telling import Announcement, tell
from state.verifying import Verify, failure, verify_all, verify_one

SCRIPT_VERSION = "5.0.0"


class Run(BaseStateCallback):
    """What inventory.py begins, deploy.py fills, and pyinfra's end closes.

    ``passwords``: target → sudo password, for those whose sudo asks for one. ``secrets``: those of
    the components, by name. ``scrubber``: keeps all of these out of the records.
    ``settings_from``: the deployment whose settings are deployed, if not the inventory's.
    ``selection``: the components that the run is about.
    """

    def __init__(
        self,
        configuration: Configuration,
        options: Options,
        root: Path,
        passwords: Mapping[str, str],
        secrets: Mapping[str, Secret],
        scrubber: Scrubber,
    ) -> None:
        self.configuration = configuration
        self.options = options
        self.root = root
        self.passwords = passwords
        self.secrets = secrets
        self.scrubber = scrubber
        self.store = Store(root / FOLDER, scrubber)
        self.breaths = Breaths(self.store.folder / "questions", scrubber.scrub)
        self.locks = Locks(self.store.folder, options.lock_wait_s, console.print_wait)
        self.hardware: dict[str, Mapping[str, Any] | None] = {}
        self.errors: dict[str, Error] = {}
        self.warnings: list[str] = []
        self.lanes: list[Lane] = []
        self.plans: dict[str, dict[str, ComponentPlan]] = {}
        self.urls: dict[str, Sequence[str]] = {}
        self.checks: dict[str, Sequence[Check]] = {}
        self.verifiers: dict[Host, Verify] = {}
        self.announcements: list[tuple[Host, Announcement]] = []
        self.ownership = Ownership(self.store)
        self.recorder: Recorder | None = None
        self.running: Lanes | None = None
        self.exit_code: int | None = None
        self.settings_from: str | None = None
        self.selection = Selection()
        self.reporting = Reporting(options, scrubber, root)

    @property
    def targets(self) -> list[Target]:
        return list(self.configuration.targets.values())

    def owned(self, target: str) -> Container[tuple[str, str]]:
        """What is ours on a target by the records: kind and name."""
        return Ours(self.ownership, target)

    def owned_resources(self, target: str) -> Sequence[Owned]:
        """The same, whole, and in the order of creation."""
        return self.ownership.of(target)

    # From inventory.py and pyinfra's beginning

    def before_connect(self, state: State) -> None:
        """Watch the connections, and let a failing host fail alone: no prompt stops the others."""
        self.reporting.ci.phase("preflight")
        state.config.FAIL_PERCENT = self.options.fail_percent
        state.should_raise_failed_hosts = None
        state.check_for_changes = self.options.makes_plan
        state.add_callback_handler(self)

    def host_connect(self, state: State, host: Host) -> None:  # type: ignore[override]
        if self.options.action == "deploy":
            self.breaths.attach(host)
        try:
            self._prepare_link(host)
        except sudo.Refused as refusal:
            self.errors[host.name] = Error(
                stage="preflight", message=f"sudo: {refusal}", remedy=refusal.remedy
            )

    def _prepare_link(self, host: Host) -> None:
        target = self.configuration.targets[host.name]
        become_root(host, target, self.passwords.get(host.name))

    def host_connect_error(  # type: ignore[override]
        self, state: State, host: Host, error: Exception
    ) -> None:
        target = self.configuration.targets[host.name]
        failure = Error(
            stage="connect", message=str(error), remedy=connect_remedy(target, str(error))
        )
        self.errors[host.name] = failure
        console.say(f"    do: {failure.remedy}")

    # From deploy.py

    def prepare(self, host: Host, declare: Callable[[Target], None]) -> None:
        """Let ``declare`` check and plan one target.

        Whatever goes wrong there leaves out this target alone. One whose sudo refused is not
        asked anything more.
        """
        try:
            if host.name in self.errors:
                self._note_machine(host, None)
                self.leave_out(host, self.errors[host.name])
            else:
                self.breaths.draw(_itself(host))
                declare(self.configuration.targets[host.name])
        except PyinfraError:
            raise
        except Exception as error:
            logger.debug("preparing %s failed", host.name, exc_info=True)
            message = f"{type(error).__name__}: {error}"
            self.leave_out(host, Error(stage="prepare", message=message))

    def checked(
        self, host: Host, hardware: Mapping[str, Any] | None, findings: Sequence[Finding]
    ) -> bool:
        """Take the preflight's result; returns whether the target can be deployed to."""
        if hardware:
            self.ownership.machines[host.name] = hardware["machine"]
        if hardware and not self.options.dry:
            self.store.save_hardware(host.name, hardware)
        self.reporting.findings[host.name] = findings
        failed = [finding for finding in findings if not finding.warning]
        self.warnings += [f"{host.name}: {f}; {f.remedy}" for f in findings if f.warning]
        if failed:
            self.errors[host.name] = Error(
                stage="preflight",
                message="; ".join(map(str, failed)),
                remedy="; ".join(finding.remedy for finding in failed),
            )
        self._note_machine(host, hardware)
        if failed:
            self.leave_out(host, self.errors[host.name])
        return not failed

    def learn(self, host: Host, ids: Iterable[str]) -> None:
        """Take over what others have deployed to a target: the records of these that we lack."""
        if self.options.dry:
            return
        try:
            got, problems = self.ownership.learn(_itself(host), ids)
        except OSError as error:
            got, problems = [], [f"{host.name} did not hand out its records: {error}"]
        for problem in problems:
            console.say(f"    note: {problem}", fg="yellow")
        if got:
            console.say(f"    note: {host.name} told of {_counted(got)} of others: {got[-1]} last")

    def knows_all(self, host: Host, ids: Iterable[str], machine: str) -> bool:
        """Whether the history has these deployments of a target, and is of this machine.

        If not, the target is left out: what is ours there would not be known.
        """
        self.ownership.machines[host.name] = machine
        unknown = sorted({*ids} - {*self.store.effects()} - {*self.store.ids()})
        if unknown:
            message = f"it tells of {_counted(unknown)} that this history lacks: {unknown[-1]} last"
            remedy = "get them with python -m state sync, and run it again"
        elif self.ownership.is_another(host.name):
            message = "it is another machine than the one that was deployed to"
            remedy = "nothing on it is ours, so there is nothing to do; deploy to it to begin anew"
        else:
            return True
        self.leave_out(host, Error(stage="prepare", message=message, remedy=remedy))
        return False

    def _note_machine(self, host: Host, hardware: Mapping[str, Any] | None) -> None:
        """Keep what a machine is; the last one lets the table of all be printed."""
        self.hardware[host.name] = hardware
        if set(self.hardware) >= {each.name for each in host.state.activated_hosts}:
            self._print_preflight()

    def _print_preflight(self) -> None:
        ordered = {t.name: self.hardware[t.name] for t in self.targets if t.name in self.hardware}
        bad = {name for name, error in self.errors.items() if error.stage == "preflight"}
        console.print_hardware(ordered, bad)
        for warning in self.warnings:
            console.say(f"    note: {warning}", fg="yellow")
        for name in ordered:
            if name in bad:
                console.print_failure(name, self.errors[name])

    def leave_out(self, host: Host, error: Error) -> None:
        """Let a target take no part; raises SystemExit when none is left."""
        self.errors[host.name] = error
        if error.stage == "prepare":
            console.print_failure(host.name, error)
        try:
            host.state.fail_hosts({_itself(host)})
        except PyinfraError:
            console.say(
                "--> No target can be deployed to; nothing was changed", fg="red", bold=True
            )
            raise SystemExit(1) from None

    def plan(
        self,
        host: Host,
        role: str,
        steps: Sequence[Step],
        urls: Sequence[str],
        verify: Verify | None = None,
    ) -> None:
        """Take what deploy.py declared for one target; ``verify`` proves that it works."""
        lane = Lane(_itself(host), role, steps)
        self.lanes.append(lane)
        if self.options.makes_plan:
            self.plans[host.name] = components_of(host.state, lane)
        self.urls[host.name] = urls
        if verify:
            self.verifiers[_itself(host)] = verify

    def prepared(self, state: State) -> bool:
        """Show what would be done, and have it confirmed; returns whether that is settled now.

        Raises SystemExit at the end of a dry run, where nothing is to be done, and where it was not
        confirmed.
        """
        if not self.lanes:
            return False
        if not self.options.makes_plan:
            return True
        plan = self._make_plan(state)
        try:
            proposing.propose(plan, self.options, state.config.DIFF, self.scrubber.scrub)
        except OSError as error:
            console.print_refusal(f"the plan could not be written: {error}", "name another file")
            raise SystemExit(1) from None
        if self.options.dry:
            raise SystemExit(proposing.exit_code(plan, self.options.detailed_exitcode))
        if not self.options.yes:
            self._confirm(plan)
        return True

    def _make_plan(self, state: State) -> Plan:
        targets = {}
        for name in self.taking_part(state):
            target, its = self.configuration.targets[name], self.plans.get(name, {})
            targets[name] = TargetPlan(
                role=target.role,
                address=target.address,
                error=self.errors.get(name),
                components=its,
                counts=counts(its.values()),
            )
        return Plan(
            action=self.options.action or "deploy",
            created_at=now(),
            only=list(self.options.only),
            skip=list(self.options.skip),
            changes=sum(sum(each.counts.values()) for each in targets.values()),
            targets=targets,
        )

    def _confirm(self, plan: Plan) -> None:
        newest = self.store.newest()
        last = newest and self.store.read(newest.deployment_id)
        if not plan.changes and not self.errors and last and last.status == "completed":
            raise SystemExit(0)
        if not proposing.is_confirmed():
            console.say("    Nothing was changed.")
            raise SystemExit(1)

    # From verify.py

    def prove(self, host: Host, verify: Verify) -> None:
        """Verify one target; once all are, the run ends: raises SystemExit."""
        self.reporting.ci.phase("verify")
        self.checks[host.name] = verify_one(_itself(host), verify)
        if set(self.checks) >= {each.name for each in host.state.active_hosts}:
            problems = sum(bool(each.problem) for found in self.checks.values() for each in found)
            problems += len(self.errors)
            count = sum(map(len, self.checks.values()))
            verdict = f"{problems} of {count} checks failed" if problems else f"all {count} passed"
            console.say(f"--> Verified: {verdict}", fg="red" if problems else "green", bold=True)
            raise SystemExit(bool(problems))

    def note(self, host: Host, text: str) -> None:
        """Say something that is worth knowing of a target, and no problem."""
        console.say(f"    note: {host.name}: {text}", fg="yellow")

    def tell_afterwards(self, host: Host, announcements: Sequence[Announcement]) -> None:
        """Take what is to be told on a target, should this deployment change something."""
        self.announcements += [(_itself(host), each) for each in announcements]

    # From pyinfra's middle and end

    def operate(self, state: State, serial: bool, usual: Callable[[], None]) -> None:
        """Run the lanes, recorded; anything but a deploy runs as pyinfra usually does."""
        order = [target.name for target in self.targets]
        lanes = [lane for lane in self.lanes if lane.host in state.active_hosts]
        lanes.sort(key=lambda lane: order.index(lane.host.name))
        if not self.lanes:
            usual()
            return
        state.is_executing = True
        self.reporting.ci.phase("deploy")
        links = Links(state, self._prepare_link, self.locks.targets)
        try:
            self.recorder = self._open_record(state, lanes, links)
        except OSError as error:
            raise PyinfraError(f"nothing was changed: {self._unwritable(error)}") from error
        except (Held, Robbed, NoAnswer) as problem:
            console.print_refusal(str(problem), problem.remedy)
            raise SystemExit(1) from None
        display = self.reporting.display(lanes)
        quiet = console.Quiet(self.options.verbosity)
        logger.addFilter(quiet)
        slots = 1 if serial else state.config.PARALLEL or len(lanes)
        running = {lane.host.name for lane in lanes}
        left_out = {
            name: self.configuration.targets[name].role
            for name in self.taking_part(state)
            if name not in running
        }
        try:
            display.begin()
            observers = [self.breaths, self.recorder, self.reporting.timings, display]
            self.running = Lanes(state, lanes, observers, slots, links, left_out)
            self.running.run()
            self.running = None
            if self.exit_code is not None:
                raise SystemExit(self.exit_code)
            display.verifying()
            self._verify(state)
        except OSError as error:
            raise PyinfraError(self._unwritable(error)) from error
        finally:
            self.running = None
            display.end()
            logger.removeFilter(quiet)

    def _verify(self, state: State) -> None:
        """Prove that all of it works, where all of it was deployed and there is anything new.

        What was seen to work and has not changed since is not proven again.
        """
        record = self.recorder.record if self.recorder else None
        if record is None or not self.verifiers:
            return
        if any(target.status != "completed" for target in record.targets.values()):
            console.say("--> Not verified: not every target was completed", fg="yellow")
            return
        if not self.selection.whole:
            rest = "pyinfra inventory.py verify.py proves all"
            console.say(f"--> Not verified: only some components were deployed; {rest}")
            return
        before = record.previous and self.store.read(record.previous.deployment_id)
        changed = any(
            each.changed for t in record.targets.values() for each in t.components.values()
        )
        if not changed and before and before.status == "completed":
            return
        self.reporting.ci.phase("verify")
        console.say("--> Verifying...", fg="blue", bold=True)
        for name, checks in verify_all(state, self.verifiers).items():
            target = record.targets[name]
            target.checks = self.checks[name] = checks
            if error := failure(checks):
                target.status, target.error = "failed", error
                self.errors[name] = error
        state.failed_hosts.update(host for host in self.verifiers if host.name in self.errors)

    def _unwritable(self, error: OSError) -> str:
        return (
            f"the record could not be written: {error}; make room for {self.store.folder.name},"
            " or let your user write there, and run it again"
        )

    def _open_record(self, state: State, lanes: Sequence[Lane], links: Links) -> Recorder:
        """Hold all locks, and write down what begins. Raises Held, Robbed, NoAnswer, OSError."""
        deployer, action = identify(self.root, self.targets[0].address), self.options.action
        message = self.scrubber.scrub(self.options.message)
        holder = replace(holder_of(deployer, now(), action or "deploy"), message=message)
        self.locks.take_checkout(holder)
        for left_open in self.store.close_left_open(deployer.hostname):
            console.say(f"    note: the deployment {left_open} was interrupted; going on")
        holder = replace(holder, deployment_id=self.store.next_id())
        self.locks.take_targets([lane.host for lane in lanes], holder)
        for lock in self.locks.targets.values():
            # Somebody may have been waited for.
            self.learn(lock.host, lock.copies)
        deployment_id = self.store.next_id()
        self.locks.describe(replace(holder, deployment_id=deployment_id))
        settings = {target.name: target.settings.model_dump(mode="json") for target in self.targets}
        record = Record(
            deployment_id=deployment_id,
            action=action or "deploy",
            message=message,
            deployer=deployer,
            started_at=now(),
            config=Config(
                inventory_sha256=self.configuration.inventory_sha256,
                script_version=SCRIPT_VERSION,
                settings=settings,
                settings_sha256=_sha256(settings),
                settings_from=self.settings_from,
                only=list(self.options.only),
                skip=list(self.options.skip),
            ),
            tools={"python": platform.python_version(), "pyinfra": version("pyinfra")},
            previous=self.store.newest(),
            targets={name: self._target_record(name) for name in self.taking_part(state)},
        )
        recorder = Recorder(state, record, self.store, links, self.owned_resources)
        self.ownership.noted = recorder.owners
        recorder.open(lanes)
        return recorder

    def taking_part(self, state: State) -> list[str]:
        """The targets that ``--limit`` leaves, those that failed or were left out included."""
        chosen = {host.name for host in state.inventory if state.is_host_in_limit(host)}
        return [target.name for target in self.targets if target.name in chosen]

    def _target_record(self, name: str) -> TargetRecord:
        target, error = self.configuration.targets[name], self.errors.get(name)
        hardware = self.hardware.get(name)
        return TargetRecord(
            role=target.role,
            address=target.address,
            status="failed" if error else "pending",
            hardware=dict(hardware) if hardware else None,
            error=error,
        )

    def interrupted(self, exit_code: int) -> bool:
        """Remember that a signal ends this run; returns whether the lanes end it themselves."""
        self.exit_code = exit_code
        under_way = self.running.interrupt() if self.running else None
        console.print_interrupted(under_way, GRACE_S)
        return under_way is not None

    def report(self, state: State, usual: Callable[[], None]) -> None:
        """Show pyinfra's line per operation with ``-v`` only; our summary follows at the end."""
        if self.recorder is None or self.options.verbosity > 0:
            usual()

    def finish(self, state: State) -> None:
        """Close the record, on every way out, free the locks, and say what was done."""
        try:
            if self.recorder is not None:
                self._close(self.recorder)
            elif self.options.dry and self.options.action == "deploy" and self.selection.whole:
                self._note_matches(state)
        finally:
            self._remember_questions()
            self.locks.release()
            self.reporting.finish(self.taking_part(state), self.errors, self.checks, self.warnings)

    def _remember_questions(self) -> None:
        """Only where there is a history: a dry run of a bare project leaves nothing behind."""
        if self.store.folder.is_dir():
            # One that was asked for a few components was not asked all.
            whole = self.recorder and self.selection.whole
            targets = self.recorder.record.targets if self.recorder and whole else {}
            self.breaths.remember(
                [name for name, each in targets.items() if each.status == "completed"]
            )

    def _close(self, recorder: Recorder) -> None:
        record = recorder.record
        unfinished = any(each.status != "completed" for each in record.targets.values())
        status: Status = "failed" if unfinished else "completed"
        try:
            recorder.close(status if self.exit_code is None else "interrupted")
        except OSError as error:
            console.say(f"--> {self._unwritable(error)}", fg="red")
        # Who interrupts does not want to wait for anything else.
        warnings = tell(self.announcements, record) if self.exit_code is None else []
        hosts = {lane.host.name: lane.host for lane in self.lanes}
        copies = {hosts[name]: lock.copies for name, lock in self.locks.targets.items()}
        limit_s = 60 if self.exit_code is None else 5
        warnings += put_copies(self.store, copies, limit_s)
        self.reporting.summary(record, self.store, self.urls, warnings)

    def _note_matches(self, state: State) -> None:
        settings = {target.name: target.settings.model_dump(mode="json") for target in self.targets}
        try:
            note_matches(self.store, state, self.lanes, _sha256(settings))
        except OSError as error:
            console.say(f"    note: {self._unwritable(error)}", fg="yellow")


def _counted(ids: Sequence[str]) -> str:
    return "a deployment" if len(ids) == 1 else f"{len(ids)} deployments"


def _sha256(settings: Mapping[str, Any]) -> str:
    return sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _itself(host: Host) -> Host:
    """The host behind ``pyinfra.host``, which means another one in every greenlet."""
    return host.inventory.get_host(host.name)


_current: Run | None = None


def begin(run: Run) -> None:
    """Make ``run`` the one of this process."""
    global _current
    _current = run


def current() -> Run:
    """The run of this process; RuntimeError where inventory.py has not begun one."""
    if _current is None:
        raise RuntimeError("use this with pyinfra inventory.py")
    return _current
