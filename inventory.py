"""The servers: configs/inventory.yaml (or the file that CHOM_INVENTORY names) for pyinfra.

Groups: ``observability`` and ``vpsmanager``. What is wrong is said here, before any connection.
"""

import os
import signal
import sys

import click

import configs
from configs.routes import route_of
from configs.secrets import Provided, provide
from state import (
    confirming,
    graph,
    options,
    reaching,
    record_key,
    restoring,
    run,
    seam,
    selecting,
    signing,
    sudo,
)
from state.limiting import check_limits
from state.machines import assumed_machine, unnamed
from state.owned import Owned
from state.scrubbing import Scrubber
from state.store import FOLDER, Store
from tasks.quoting import QUOTINGS
from tasks.releases.rollback import chosen_app
from tasks.stacks import STACKS, needed_secrets
from tasks.teardown.request import plans
from tasks.teardown.showing import shown


def _secrets() -> Provided:
    """The secrets: all that the action needs, or those that can be opened where it needs none.

    What changes a target is recorded, and the record is signed.
    """
    needs = [signing.NEEDED] if _options.action else []
    if _options.action == "deploy":
        needs += needed_secrets(_targets, _selection.of(STACKS))
    try:
        return provide(needs, keep=not _options.dry)
    except configs.ConfigurationError:
        if needs:
            raise
        return Provided({})


def _confirm_teardown(targets: list[configs.Target], store: Store) -> None:
    """Show what would go from these targets, and have it confirmed; ends where nothing would."""
    names = _configuration.targets

    def owned(name: str) -> list[Owned]:
        return store.owned(name, machine=assumed_machine(store, names[name], names))

    found = plans(targets, owned, _options.data, STACKS)
    stacks = {target.name: STACKS[target.role] for target in targets}
    for line in shown(found, stacks):
        click.echo(line, err=True)
    for line in unnamed(store, names):
        click.echo(f"    note: {line}", err=True)
    concerned = [name for name, plan in found.items() if plan.every]
    if not concerned:
        sys.exit(0)
    if not _options.dry:
        done = [name for name in found if name not in concerned]
        confirming.confirm(concerned, _options.data, done)


_selection = selecting.Selection()
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    _options = options.read()
    graph.check(STACKS)
    _configuration = configs.load(data=_options.data)
    check_limits(_options, list(_configuration.targets.values()))
    _restored = restoring.from_data(
        _options.data,
        Store(configs.PROJECT / FOLDER),
        _configuration,
        [
            each.name
            for each in _configuration.targets.values()
            if _options.leave(each.name, each.role)
        ],
    )
    if _restored:
        _configuration = _restored.configuration
    _targets = list(_configuration.targets.values())
    _roles = {each.role for each in _targets}
    if _options.action == "deploy":
        _there = {str(role): stack for role, stack in STACKS.items() if role in _roles}
        _selection = selecting.select(_there, _options.only, _options.skip)
    if _options.action == "rollback":
        chosen_app(_targets, _options.data)
    _provided = _secrets()
    _key = record_key.key_of(_provided.secrets)
    _store = Store(configs.PROJECT / FOLDER, key=_key)
    if _options.action:
        record_key.check(_store)
    if _restored:
        restoring.refuse_distrusted(_restored, _store)
    if _options.action == "teardown":
        _confirm_teardown(
            [each for each in _targets if _options.leave(each.name, each.role)], _store
        )
    _passwords = sudo.find_passwords(_targets, os.environ)
except (
    configs.ConfigurationError,
    confirming.NotConfirmed,
    graph.NeedsError,
    options.NoTerminal,
    sudo.NoPassword,
) as _problem:
    click.echo(str(_problem), err=True)
    sys.exit(1)
except (KeyboardInterrupt, EOFError):
    # Where something is asked for; pyinfra's own way would end with exit code 0.
    click.echo("\ninterrupted; nothing was connected to, nothing was changed", err=True)
    sys.exit(130)

for _line in _provided.notes:
    click.echo(f"    note: {_line}", err=True)
_scrubber = Scrubber(
    {
        **{name: secret.reveal() for name, secret in _provided.secrets.items()},
        **{sudo.variable_of(target): password for target, password in _passwords.items()},
    },
    QUOTINGS.values(),
)
_scrubber.guard_streams()
seam.scrub_crash_report(_scrubber.scrub)
for _line in (*_selection.lines, *(_restored.lines if _restored else ())):
    click.echo(f"    {_line}", err=True)
# No component can declare that it needs the key of the records.
_secrets_of_targets = {
    name: secret for name, secret in _provided.secrets.items() if name != signing.NAME
}
_run = run.Run(
    _configuration, _options, configs.PROJECT, _passwords, _secrets_of_targets, _scrubber, _key
)
for _target in _targets:
    if not _options.leave(_target.name, _target.role):
        continue
    if _leads := route_of(_target.address, _target.ssh).destination:
        click.echo(f"    note: {_target.name}: {_target.address} leads {_leads}", err=True)
_run.selection = _selection
_run.settings_from = _restored.deployment_id if _restored else None
run.begin(_run)
seam.install(_run)

observability = [reaching.of(each) for each in _targets if each.role == "observability"]
vpsmanager = [reaching.of(each) for each in _targets if each.role == "vpsmanager"]
