"""One run of pyinfra in this project: from the settings to the closed record."""

import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gevent
from pyinfra import logger
from pyinfra.api import Host, State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.state import MAX_PARALLEL, BaseStateCallback

from configs import Configuration, ConfigurationError, Target
from configs.findings import Finding
from configs.given import adopted_in
from configs.secrets import Secret
from state import console, proposing, sudo
from state.breaths import Breaths
from state.commands import terminal
from state.copies import LIMIT_S, packed, without_copy
from state.deployer import identify
from state.diagnosis import diagnose
from state.held import Held
from state.holder import holder_of
from state.ids import is_id
from state.lanes import GRACE_S, Lane, Lanes, Step
from state.links import Links
from state.locks import Locks
from state.machines import Machines, assumed_machine
from state.matching import note_matches
from state.opening import config_of, new_record, settings_of, sha256_of, targets_of
from state.options import Options
from state.owned import Owned
from state.ownership import Ours, Ownership
from state.plan import ComponentPlan
from state.planning import components_of, plan_of
from state.preflight import Preflight
from state.private_keys import read_keys
from state.reaching import become_root
from state.record import Check, Deployer, Error, Status
from state.recorder import Recorder
from state.reporting import Reporting
from state.scrubbing import Scrubber
from state.selecting import Selection
from state.signing import RecordKey, left_alone
from state.store import FOLDER, Store, now
from state.target_lock import NoAnswer, Robbed
from state.telling import Announcement, tell
from state.verifying import Verify, failure, is_due, verify_all, verify_one
from state.watching import not_watched


class Run(BaseStateCallback):
    """What inventory.py begins, deploy.py fills, and pyinfra's end closes.

    ``passwords``: target → sudo password, for those whose sudo asks for one. ``secrets``: those of
    the components, by name. ``scrubber``: keeps all of these out of the records, which ``key``
    signs. ``settings_from``: the deployment whose settings are deployed, if not the inventory's.
    ``selection``: the components that the run is about. ``connected``: target → when it was
    connected to, in seconds since 1970.
    """

    def __init__(
        self,
        configuration: Configuration,
        options: Options,
        root: Path,
        passwords: Mapping[str, str],
        secrets: Mapping[str, Secret],
        scrubber: Scrubber,
        key: RecordKey | None = None,
    ) -> None:
        self.configuration = configuration
        self.options = options
        self.root = root
        self.passwords = passwords
        self.secrets = secrets
        self.scrubber = scrubber
        self.store = Store(root / FOLDER, scrubber, key)
        self.breaths = Breaths(self.store.folder / "questions", scrubber.scrub, key=key)
        self.locks = Locks(self.store.folder, options.lock_wait_s, console.print_wait)
        self.connected: dict[str, float] = {}
        self.found = Preflight(self.targets, self.store, brief=options.action != "deploy")
        self.errors = self.found.errors
        self.lanes: list[Lane] = []
        self.plans: dict[str, dict[str, ComponentPlan]] = {}
        self.urls: dict[str, Sequence[str]] = {}
        self.checks: dict[str, Sequence[Check]] = {}
        self.verifiers: dict[Host, Verify] = {}
        self.announcements: list[tuple[Host, Announcement]] = []
        self.ownership = Ownership(self.store)
        self.machines = Machines(self.store, configuration.targets)
        self.recorder: Recorder | None = None
        self._identifying = gevent.Greenlet(identify, root, self.targets[0].address)
        self.running: Lanes | None = None
        self.exit_code: int | None = None
        self.settings_from: str | None = None
        self.selection = Selection()
        self._told: set[str] = set()
        self.reporting = Reporting(options, scrubber, root, self.found.findings)

    @property
    def targets(self) -> list[Target]:
        return list(self.configuration.targets.values())

    def owned(self, target: str, machine: str) -> Container[tuple[str, str]]:
        """What is ours on a target by the records: kind and name.

        + machine: which one it was seen to be; nothing on a new one is ours
        """
        self.ownership.saw(target, machine)
        return Ours(self.ownership, target)

    def owned_resources(self, target: str) -> Sequence[Owned]:
        """The same, whole, and in the order of creation."""
        return self.ownership.of(target)

    # From inventory.py and pyinfra's beginning

    def connect(self, state: State, usual: Callable[[], None]) -> None:
        """Watch the connections, and let a failing host fail alone: no prompt stops the others.

        Raises SystemExit where none is left, or fewer than are wanted.
        """
        self.reporting.ci.phase("preflight")
        self._name_distrusted()
        state.config.FAIL_PERCENT = self.options.fail_percent
        state.should_raise_failed_hosts = None
        state.check_for_changes = self.options.makes_plan
        state.add_callback_handler(self)
        self._read_keys(state)
        # git is asked beside the targets.
        self._identifying.start()
        quiet = console.NoAdvice()
        logger.addFilter(quiet)
        try:
            usual()
        except PyinfraError:
            self.found.end_without_targets()
        finally:
            logger.removeFilter(quiet)
        if self.options.action != "deploy":
            self.found.report()

    def _name_distrusted(self) -> None:
        """Name the records of this folder that nothing is planned from."""
        for name, trust in self.store.distrusted().items() if self.options.action else ():
            console.say(f"    note: {name} {left_alone(trust)}", fg="yellow")

    def _read_keys(self, state: State) -> None:
        names = self.taking_part(state)
        try:
            read_keys(state, [each for each in self.targets if each.name in names])
        except ConfigurationError as error:
            console.say(str(error))
            raise SystemExit(1) from None

    def host_connect(self, state: State, host: Host) -> None:  # type: ignore[override]
        self.connected[host.name] = time.time()
        # Whether sudo lets us is asked at the same time as all that needs it.
        asking = gevent.spawn(self._refusal, host)
        if host.name in self.passwords:
            asking.join()
        gevent.sleep(0)
        if self.options.action == "deploy":
            self.breaths.attach(host)
            self.breaths.begin(host)
        if refusal := asking.get():
            self.found.find(host.name, "preflight", [refusal])

    def _refusal(self, host: Host) -> Finding | None:
        try:
            self._prepare_link(host)
        except sudo.Refused as refusal:
            return refusal.finding
        return None

    def _prepare_link(self, host: Host) -> None:
        target = self.configuration.targets[host.name]
        become_root(host, target, self.passwords.get(host.name))

    def host_connect_error(  # type: ignore[override]
        self, state: State, host: Host, error: Exception
    ) -> None:
        target = self.configuration.targets[host.name]
        self.found.find(host.name, "connect", [diagnose(host, target, error)])

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
                if self.options.action == "deploy" and not self.options.makes_plan:
                    self.locks.begin(_itself(host))
                declare(self.configuration.targets[host.name])
        except PyinfraError:
            raise
        except Exception as error:
            logger.debug("preparing %s failed", host.name, exc_info=True)
            message = f"{type(error).__name__}: {error}"
            self._note_machine(host, self.found.hardware.get(host.name))
            self.leave_out(host, Error(stage="prepare", message=message))

    def checked(
        self, host: Host, hardware: Mapping[str, Any] | None, findings: Sequence[Finding]
    ) -> bool:
        """Take the preflight's result; returns whether the target can be deployed to."""
        if hardware and not self.options.dry:
            self.store.save_hardware(host.name, hardware)
        self.found.find(host.name, "preflight", findings)
        self._refuse_second_names(host, str(hardware["machine"]) if hardware else "")
        self._note_machine(host, hardware)
        if host.name in self.errors:
            self.leave_out(host, self.errors[host.name])
        return host.name not in self.errors

    def _refuse_second_names(self, host: Host, machine: str) -> None:
        """Leave out the targets that are the same machine as this one, and this one with them."""
        for name, finding in self.machines.saw(host.name, machine).items():
            was_fit = name not in self.errors
            self.found.find(name, "preflight", [finding])
            if was_fit and name != host.name:
                self.leave_out(host.inventory.get_host(name), self.errors[name])

    def learn(self, host: Host, ids: Iterable[str]) -> None:
        """Take over what others have deployed to a target: the records of these that we lack.

        A dry run only tells what it would not take.
        """
        keep = not self.options.dry
        try:
            got, problems = self.ownership.learn(_itself(host), ids, keep)
        except OSError as error:
            got, problems = [], [f"{host.name} did not hand out its records: {error}"]
        if former := self.ownership.former_name(host.name):
            problems = [*problems, f"{host.name} is the machine that was {former}: what is ours"
                        " there stays ours"]  # fmt: skip
        for problem in problems:
            if problem not in self._told:
                self._told.add(problem)
                console.say(f"    note: {terminal.clean(problem)}", fg="yellow")
        if got and keep:
            console.say(f"    note: {host.name} told of {_counted(got)} of others: {got[-1]} last")

    def knows_all(
        self, host: Host, ids: Iterable[str], machine: str, hardware: Mapping[str, Any] | None
    ) -> bool:
        """Whether the history has these deployments of a target, and is of this machine.

        If not, the target is left out: what is ours there would not be known, or would not be what
        was confirmed.
        """
        self.ownership.saw(host.name, machine)
        self.found.hardware[host.name] = hardware
        self._refuse_second_names(host, machine)
        if error := self.errors.get(host.name):
            console.print_failure(host.name, error)
            self.leave_out(host, error)
            return False
        said = {each for each in ids if is_id(each)}
        unknown = sorted(said - {*self.store.effects()} - {*self.store.ids()})
        if unknown:
            message = f"it tells of {_counted(unknown)} that this history lacks: {unknown[-1]} last"
            remedy = (
                "get them with python -m state sync, which names those that it does not take, and"
                " run it again"
            )
        elif not self.ownership.is_as_assumed(host.name, self.assumed_machine(host.name)):
            message = "it is another machine than the one that was deployed to by this name"
            remedy = (
                "nothing of that one is removed here; deploy to it, which learns what is ours on"
                " this one, and run it again"
            )
        else:
            return True
        self.leave_out(host, Error(stage="prepare", message=message, remedy=remedy))
        return False

    def assumed_machine(self, target: str) -> str:
        """The machine that a target is, as far as it is known before there is a connection."""
        return assumed_machine(
            self.store, self.configuration.targets[target], self.configuration.targets
        )

    def _note_machine(self, host: Host, hardware: Mapping[str, Any] | None) -> None:
        self.found.note_machine(
            host.name, hardware, [each.name for each in host.state.activated_hosts]
        )

    def leave_out(self, host: Host, error: Error) -> None:
        """Let a target take no part; raises SystemExit when none is left."""
        self.errors[host.name] = error
        if error.stage == "prepare":
            console.print_failure(host.name, error)
        try:
            host.state.fail_hosts({_itself(host)})
        except PyinfraError:
            self.found.end_without_targets()

    def plan(
        self,
        host: Host,
        role: str,
        steps: Sequence[Step],
        urls: Sequence[str],
        verify: Verify | None = None,
    ) -> None:
        """Take what deploy.py declared for one target; ``verify`` proves that it works."""
        if host.name in self.errors:
            # Another target has turned out to be the same machine meanwhile.
            return
        lane = Lane(_itself(host), role, steps)
        self.lanes.append(lane)
        self.breaths.declared(_itself(host), steps)
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
        names = {name: self.configuration.targets[name] for name in self.taking_part(state)}
        plan = plan_of(self.options, names, self.plans, self.errors)
        try:
            proposing.propose(plan, self.options, state.config.DIFF, self.scrubber.scrub)
        except OSError as error:
            console.print_refusal(f"the plan could not be written: {error}", "name another file")
            raise SystemExit(1) from None
        if self.options.dry:
            raise SystemExit(proposing.exit_code(plan, self.options.detailed_exitcode))
        if not self.options.yes:
            newest = self.store.newest()
            proposing.confirm(plan, self.store.read(newest.deployment_id) if newest else None)
        return True

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

    @property
    def deployer(self) -> Deployer:
        """Who runs this, and from where."""
        deployer: Deployer = self._identifying.get()
        return deployer

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
        # pyinfra's own limit is for connecting; a lane waits for its target most of the time.
        slots = 1 if serial else self.options.parallel or min(len(lanes), MAX_PARALLEL)
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
            partial, self.running = self.running.partial, None
            if self.exit_code is not None:
                raise SystemExit(self.exit_code)
            display.verifying()
            self._verify(state, partial)
        except OSError as error:
            raise PyinfraError(self._unwritable(error)) from error
        finally:
            self.running = None
            display.end()
            logger.removeFilter(quiet)

    def _verify(self, state: State, partial: Container[str]) -> None:
        """Prove that all of it works, if that is due.

        + partial: targets on which some applications failed, and nothing else did
        """
        record = self.recorder.record if self.recorder else None
        if record is None or not self.verifiers:
            return
        before = self.store.read(record.previous.deployment_id) if record.previous else None
        if not is_due(record, before, self.selection.whole, partial):
            return
        self.reporting.ci.phase("verify")
        console.say("--> Verifying...", fg="blue", bold=True)
        for name, checks in verify_all(state, self.verifiers).items():
            target = record.targets[name]
            target.checks = self.checks[name] = checks
            if error := failure(checks):
                target.status, target.error = "failed", target.error or error
                self.errors[name] = target.error
        state.failed_hosts.update(host for host in self.verifiers if host.name in self.errors)

    def _unwritable(self, error: OSError) -> str:
        return (
            f"the record could not be written: {error}; make room for {self.store.folder.name},"
            " or let your user write there, and run it again"
        )

    def _open_record(self, state: State, lanes: Sequence[Lane], links: Links) -> Recorder:
        """Hold all locks, and write down what begins. Raises Held, Robbed, NoAnswer, OSError."""
        deployer = self.deployer
        action = self.options.action
        message = self.scrubber.scrub(self.options.message)
        holder = replace(holder_of(deployer, now(), action or "deploy"), message=message)
        self.locks.take_checkout(holder)
        if signed := self.store.sign_history():
            console.say(f"    note: signed {_counted(signed)} of before records were signed")
        for left_open in self.store.close_left_open(deployer.hostname):
            if left_open != self.found.told:
                console.say(f"    note: the deployment {left_open} was interrupted; going on")
        holder = replace(holder, deployment_id=self.store.next_id())
        self.locks.take_targets([lane.host for lane in lanes], holder)
        for lock in self.locks.targets.values():
            # Somebody may have been waited for.
            self.learn(lock.host, lock.copies)
            self.breaths.keep(lock.host, lock.turn)
        deployment_id = self.store.next_id()
        self.locks.describe(replace(holder, deployment_id=deployment_id))
        record = new_record(
            deployment_id,
            deployer,
            replace(self.options, message=message),
            config_of(self.configuration, self.options, self.settings_from),
            self.store.newest(),
            targets_of(self.configuration, self.taking_part(state), self.found),
        )
        adopted = adopted_in(self.options.data)
        recorder = Recorder(state, record, self.store, links, self.owned_resources, adopted)
        self.ownership.noted = recorder.owners
        recorder.may_wait = self.breaths.attached
        self.breaths.before_change = recorder.settle
        recorder.open(lanes)
        return recorder

    def taking_part(self, state: State) -> list[str]:
        """The targets that ``--limit`` leaves, those that failed or were left out included."""
        chosen = {host.name for host in state.inventory if state.is_host_in_limit(host)}
        return [target.name for target in self.targets if target.name in chosen]

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
            self.reporting.finish(
                self.taking_part(state), self.errors, self.checks, self.found.warnings
            )

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
        warnings += self._give_back()
        if record.action == "deploy":
            warnings += not_watched(record, self.store, self.targets)
        self.reporting.summary(record, self.store, self.urls, warnings)

    def _give_back(self) -> list[str]:
        """Let each target have its copies, and nobody hold it; returns what went wrong."""
        copies, problems = {}, {}
        for name, lock in self.locks.targets.items():
            try:
                outdated = self.store.signing.outdated(name)
                copies[name] = packed(self.store, name, {*lock.copies} - outdated)
            except OSError as error:
                problems[name] = str(error)
        problems |= self.locks.give_back(copies, LIMIT_S if self.exit_code is None else 5)
        for name in copies.keys() - problems.keys():
            self.store.signing.sent(name)
        return [without_copy(*problem) for problem in problems.items()]

    def _note_matches(self, state: State) -> None:
        settings = sha256_of(settings_of(self.configuration))
        try:
            note_matches(self.store, state, self.lanes, settings)
        except OSError as error:
            console.say(f"    note: {self._unwritable(error)}", fg="yellow")


def _counted(ids: Sequence[str]) -> str:
    return "a deployment" if len(ids) == 1 else f"{len(ids)} deployments"


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
