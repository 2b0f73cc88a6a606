"""The vocabulary of components: each call declares a resource, and so deploys and records it.

Every function names its pyinfra operation and notes what it may create. Paths are absolute,
modes octal strings, ports TCP. What keeps a path returns it, for the service that runs with it.
"""

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatch
from functools import partial
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

from pyinfra import host
from pyinfra.api.operation import OperationMeta
from pyinfra.operations import files as pyinfra_files

from configs.secrets import Needed, Secret
from facts.files import FileState
from facts.firewall import DEFAULTS, ENABLE, allow_command
from facts.folders import Folder
from facts.services import STARTED_WITH, answers, hash_command
from tasks import archives
from tasks.artifacts import Artifact
from tasks.awaiting import is_awaited_later
from tasks.component import noted, stage
from tasks.operations import (
    apt,
    artifacts,
    databases,
    files,
    journald,
    readiness,
    releases,
    repositories,
    services,
    users,
    waiting,
)
from tasks.operations import firewall as firewalls
from tasks.operations import folders as folder_operations
from tasks.places import SYSTEM_FOLDERS
from tasks.quoting import option_file, systemd_unit
from tasks.repositories import Repository
from tasks.sandbox import Checker, Sandbox
from tasks.templating import templates
from tasks.upcoming import Upcoming
from tasks.vendors import preferences

# How long a timer may take to be active, in seconds.
TIMER_LIMIT_S = 10


def user(name: str, home: str = "/nonexistent") -> None:
    """A system user and group of its own, without a login shell."""
    with noted(f"User {name}", ("users", name)) as label:
        owned = stage().site.owned
        users.make_system_user(
            name=label, user=name, home=home, is_another=lambda: ("users", name) not in owned
        )


def member(name: str, group: str) -> None:
    """A user as a member of another one's group."""
    with noted(f"User {name} in the group {group}") as label:
        users.join_group(name=label, user=name, group=group)


def directory(
    path: str,
    owner: str = "root",
    group: str | None = None,
    mode: str = "755",
    kind: str = "directories",
) -> None:
    """A directory with its owner and mode. ``kind``: ``artifacts`` where programs fill it."""
    with noted(f"Directory {path}", *_folders(path, kind)) as label:
        pyinfra_files.directory(name=label, path=path, user=owner, group=group or owner, mode=mode)


def user_folders(base: str, owner: str, folders: Mapping[str, Folder]) -> None:
    """Folders of a user's below ``base``, which that user may change; each by its path below it.

    No link is followed, and what the user has made a link or given away is left alone.
    """
    with noted(f"Folders in {base}") as label:
        folder_operations.make_user_folders(name=label, base=base, owner=owner, folders=folders)


def log_file(path: str, *, mode: str = "640", owner: str = "root", group: str = "adm") -> None:
    """A log that is there before its writer, who would open it to nobody else."""
    with noted(f"Log {path}", *_of_data(path, "files")) as label:
        pyinfra_files.file(name=label, path=path, user=owner, group=group, mode=mode)


def file(
    path: str,
    template: str,
    *,
    mode: str = "644",
    owner: str = "root",
    group: str = "root",
    check: str | Checker | None = None,
    **values: Any,
) -> str:
    """A text file, rendered from a Jinja template in the component's folder.

    The template sees ``site`` and ``values``, and has the filters of ``tasks/quoting.py``.
    ``check``: a shell command that must succeed with the new file in its place, before it takes
    that place; a ``Checker`` runs as the unit that reads the file.
    """
    text = rendered(template, **values)
    return text_file(path, text, mode=mode, owner=owner, group=group, check=check)


def text_file(
    path: str,
    text: str,
    *,
    mode: str = "644",
    owner: str = "root",
    group: str = "root",
    check: str | Checker | None = None,
) -> str:
    """A text file with the given content; otherwise as ``file``."""
    for secret in stage().site.secrets.values():
        if secret.reveal() in text:
            raise ValueError(f"{path} holds {secret.name}: only secret_file keeps it from diffs")
    return _text(path, text, mode, owner, group, check)


def secret(needed: Needed) -> Secret:
    """A secret that the component has declared; templates write it with a filter of quoting."""
    return stage().secret(needed)


def former_secret(needed: Needed) -> Secret | None:
    """A retired secret that the component has declared, if the secrets file still has it."""
    return stage().former_secret(needed)


def has_text(path: str, text: str) -> bool:
    """Whether a file on the target has this text now."""
    found = host.get_fact(FileState, path=path)
    return found is not None and found["sha256"] == sha256(text.encode()).hexdigest()


def secret_file(
    path: str,
    template: str,
    *,
    mode: str = "640",
    owner: str = "root",
    group: str = "root",
    check: str | Checker | None = None,
    **values: Any,
) -> str:
    """A file that holds secrets: as ``file``, but a diff says only that it changes."""
    return _text(path, rendered(template, **values), mode, owner, group, check, hidden=True)


def secret_text(path: str, text: str, *, mode: str = "600", group: str = "root") -> str:
    """A file of root's with nothing but a secret in it, as systemd's credentials want it.

    No line end is added: some programs would take it for a part of the password.
    """
    return _put(path, Secret(path, text), mode, "root", group, None)


def previous_text(path: str, text: str, previous: str, *, group: str) -> None:
    """A copy of what ``path`` held before it got ``text``; declared before that is."""
    with noted(f"File {previous}", ("files", previous)) as label:
        files.keep_previous(
            name=label, path=path, text=Secret(path, text), previous=previous, group=group
        )


def rendered(template: str, **values: Any) -> str:
    """The text of a template in the component's folder, or in another one that it names."""
    here = stage()
    own = here.component.folder.relative_to(Path(__file__).parent) / template
    name = template if "/" in template else str(own)
    return templates.get_template(name).render(site=here.site, **values)


def _text(
    path: str,
    text: str,
    mode: str,
    owner: str,
    group: str,
    check: str | Checker | None,
    *,
    hidden: bool = False,
) -> str:
    whole = text if text.endswith("\n") else text + "\n"
    return _put(path, Secret(path, whole) if hidden else whole, mode, owner, group, check)


def _put(
    path: str, text: str | Secret, mode: str, owner: str, group: str, check: str | Checker | None
) -> str:
    here = stage()
    here.held.append(files.TextFile(path, text, mode, owner, group, check, is_anothers(path)))
    here.put = _put_held
    return path


def _put_held() -> None:
    """Declare the files that were held as one operation."""
    here = stage()
    held, here.held = here.held, []
    if not held:
        return
    paths = [each.path for each in held]
    created = [(*_folders(path.rpartition("/")[0]), ("files", path)) for path in paths]
    changing: set[str] = set()
    with noted(_title(paths), *dict.fromkeys(sum(created, ()))) as label:
        done = files.put_texts(name=label, files=held, changing=changing)
    for path in paths:
        kept(path, done, f"File {path}", partial(changing.__contains__, path))


def _title(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"File {paths[0]}{more}"


def is_anothers(path: str) -> Callable[[], bool]:
    """Whether what stands at ``path`` then is not ours, so that it must be kept for its owner."""
    owned = stage().site.owned
    return lambda: ("files", path) not in owned


def _folders(path: str, kind: str = "directories") -> list[tuple[str, str]]:
    """A folder as a resource, after those that it is in, as far as Debian does not have them."""
    above = [str(each) for each in reversed(PurePosixPath(path).parents)]
    if path in SYSTEM_FOLDERS:
        return []
    ours = [each for each in above if each not in SYSTEM_FOLDERS]
    return [item for each in ours for item in _of_data(each, "directories")] + _of_data(path, kind)


def _of_data(path: str, kind: str) -> list[tuple[str, str]]:
    """A path as a resource: of the kind ``data`` if it is that; in a folder of data it is none."""
    here = stage()
    folders = here.component.data(here.site)
    if path in folders:
        return [("data", path)]
    inside = any(path.startswith(f"{folder}/") for folder in folders)
    return [] if inside else [(kind, path)]


def kept(
    path: str, operation: OperationMeta, label: str, concerns: Callable[[], bool] = lambda: True
) -> str:
    """Note what keeps a path: a plan asks it whether a service must restart."""
    stage().written[path] = Upcoming(label, operation, concerns)
    return path


def journal_on_disk() -> None:
    """The journal on disk, so that what was logged before a reboot can be read after it."""
    path = "/etc/systemd/journald.conf.d/50-chom.conf"
    text_file(path, "# written by chom; changes are overwritten\n[Journal]\nStorage=persistent\n")
    with noted("Journal on disk") as label:
        journald.keep_on_disk(name=label)


def link(path: str, to: str, *, unless: str | None = None) -> str:
    """A symbolic link to ``to``; one to ``unless`` stays, as long as that is there."""
    with noted(f"Link {path}", ("files", path)) as label:
        done = files.put_link(name=label, path=path, to=to, unless=unless, keep=is_anothers(path))
    return kept(path, done, f"Link {path}")


def absent(path: str) -> str:
    """Nothing at ``path``: for a file of a package that would get in the way."""
    with noted(f"No file {path}", ("originals", path)) as label:
        done = files.remove_file(name=label, path=path, keep=is_anothers(path))
    return kept(path, done, f"No file {path}")


def nothing_else(folder: str, pattern: str, names: Sequence[str]) -> None:
    """Of the files in ``folder`` that match a shell pattern, these alone."""
    with noted(f"Nothing else in {folder}") as label:
        files.remove_others(name=label, folder=folder, pattern=pattern, names=list(names))


def apt_sources(mirror: str | None) -> None:
    """Debian's security and update suites beside the main one, where the machine lacks them.

    ``mirror``: the base URL of a mirror to use; without it, the one that the machine has.
    """
    path = "/etc/apt/sources.list.d/chom.sources"
    with noted("Package sources", ("files", path)) as label:
        apt.add_suites(name=label, path=path, mirror=mirror)


def vendor_repositories() -> Sequence[Repository]:
    """The signed repositories that the target's stack needs beside Debian's; returns them."""
    here = stage()
    wanted = list({one: None for item in here.stack for one in item.repositories(here.site)})
    for each in wanted:
        with noted(f"Key of the repository {each.name}", ("files", each.key_path)) as label:
            repositories.trust_keys(name=label, repository=each, keep=is_anothers(each.key_path))
        text_file(each.source_path, each.source())
        if each.owns:
            text_file(each.preferences_path, each.preferences())
    return wanted


def held_versions() -> None:
    """apt's preferences that hold the stack's packages of a certain version at it.

    Each has a file of its own, as a deploy of a few components knows nothing of the others.
    """
    here = stage()
    wanted = (name for item in here.stack for name in item.packages(here.site))
    for name, text in preferences(wanted).items():
        text_file(f"/etc/apt/preferences.d/chom-version-{name}", text)


def packages() -> None:
    """All packages of the target's stack, in one apt transaction.

    Each is noted for every component that asks for it; and so are the data of all components, as
    some of them are made by packages.
    """
    here = stage()
    wanted = [(name, item.name) for item in here.stack for name in item.packages(here.site)]
    names = sorted({name for name, _ in wanted})
    settings = here.site.settings.apt
    created = [("packages", name.split("=")[0], owner) for name, owner in sorted(wanted)]
    data = [
        (kind, name, item.name)
        for item in here.stack
        for path in item.data(here.site)
        for kind, name in [*_folders(path.rpartition("/")[0]), ("data", path)]
    ]
    changing: set[str] = set()
    with noted(f"Packages of the stack ({len(names)})", shared=[*created, *data]) as label:
        done = apt.install_packages(
            name=label,
            names=names,
            cache_hours=settings.cache_hours,
            lock_timeout_s=settings.lock_timeout_s,
            changing=changing,
            security_updates_first=settings.security_updates_first,
            beside=[each for item in here.stack for each in item.artifacts(here.site)],
        )
    for name in {each.split("=")[0] for each in names}:
        kept(_program(name), done, f"Package {name}", partial(changing.__contains__, name))


def _program(package: str) -> str:
    """The name by which a package's files count as what a service runs with."""
    return f"package:{package}"


def service(
    name: str,
    *,
    runs: Sequence[str] = (),
    reads: Sequence[str] = (),
    ready: str | None = None,
    limit_s: int = 60,
    reload: str | None = None,
    sandbox: Sandbox | None = None,
    credentials: Mapping[str, str] | None = None,
    hurry: services.Hurry | None = None,
) -> None:
    """A systemd service: enabled, running with its files as they are now, and ready.

    If no other component needs it before, it is awaited together with others (tasks/awaiting.py).
    ``runs``: files that only a restart brings into effect; ``reads``: those for which a reload
    is enough; either may be shell patterns. ``ready``: a URL that must answer, or a shell command
    that must succeed, within ``limit_s`` seconds. ``reload``: a shell command that brings ``reads``
    into effect, for a unit that has none. ``sandbox`` confines the unit by a drop-in.
    ``credentials``: name → path of files that the unit alone gets to see, whoever they belong
    to, in ``credential(name, …)``; it runs with them. ``hurry``: what is done around a start.
    """
    unit = f"{name}.service"
    credentials = credentials or {}
    runs = [*runs, *credentials.values()]
    text = _drop_in(unit, runs, reads, reload, sandbox, credentials)
    drop_in = text_file(f"/etc/systemd/system/{unit}.d/chom.conf", text)
    if ready and ready.startswith("http"):
        ready = answers(unit, ready)
    # In a hurry, what it starts with stands there until it is ready, and no longer.
    waits = hurry is not None or not is_awaited_later()
    with noted(f"Service {name}", ("services", unit)) as label:
        done = services.run_service(
            name=label,
            unit=unit,
            runs=[drop_in, *runs],
            reads=list(reads),
            ready=ready,
            limit_s=limit_s,
            upcoming=_upcoming([drop_in, *runs, *_programs()]),
            upcoming_reads=_upcoming(reads),
            hurry=hurry,
            waits=waits,
        )
    stage().awaited.append(readiness.Awaited(unit, ready, limit_s, done))


def _programs() -> list[str]:
    """The packages of the current component, as what its services run with."""
    here = stage()
    return [_program(name.split("=")[0]) for name in here.component.packages(here.site)]


def services_ready() -> None:
    """All services and timers that were declared so far, ready now."""
    awaited = stage().awaited
    with noted(f"Services are ready ({len(awaited)})") as label:
        readiness.await_services(name=label, services=list(awaited))


def _upcoming(paths: Sequence[str]) -> list[Upcoming]:
    """What keeps what matches one of these shell patterns."""
    written = stage().written.items()
    return [done for path, done in written if any(fnmatch(path, each) for each in paths)]


def timer(name: str, runs: str | None = None, makes: Sequence[str] = ()) -> None:
    """A systemd timer: enabled and running, as it says in the file ``runs`` if that is ours.

    ``makes``: the files that what it starts writes.
    """
    made = [("files", path) for path in makes]
    created = [*made, *([("services", f"{name}.timer")] if runs else [])]
    with noted(f"Timer {name}", *created) as label:
        done = services.run_timer(
            name=label, unit=f"{name}.timer", upcoming=stage().written[runs] if runs else None
        )
    stage().awaited.append(readiness.Awaited(f"{name}.timer", None, TIMER_LIMIT_S, done))


def socket_unit(name: str, runs: str) -> None:
    """A systemd socket: enabled and listening, as it says in our file ``runs``."""
    with noted(f"Socket {name}", ("services", f"{name}.socket")) as label:
        done = services.run_socket(
            name=label, unit=f"{name}.socket", upcoming=stage().written[runs]
        )
    stage().awaited.append(readiness.Awaited(f"{name}.socket", None, TIMER_LIMIT_S, done))


def no_service(name: str) -> None:
    """No systemd service of this name, neither now nor after a reboot."""
    unit = f"{name}.service"
    with noted(f"No service {name}") as label:
        services.stop_service(name=label, unit=unit)
    absent(f"/etc/systemd/system/{unit}.d/chom.conf")


def credential(name: str, unit: str) -> str:
    """Where the service ``unit`` finds one of its ``credentials``."""
    return f"/run/credentials/{unit}.service/{name}"


def _drop_in(
    unit: str,
    runs: Sequence[str],
    reads: Sequence[str],
    reload: str | None,
    sandbox: Sandbox | None,
    credentials: Mapping[str, str],
) -> str:
    """Let the unit write down what it was started with, confine it, and give it its credentials."""
    stamp = f"{STARTED_WITH}/{unit}"
    own = f"/etc/systemd/system/{unit}.d/chom.conf"
    lines = [
        "# written by chom; changes are overwritten",
        "[Service]",
        f"ExecStartPre=-+/bin/sh -c 'mkdir -pm 700 {STARTED_WITH};"
        f" {hash_command([own, *runs])} > {stamp}.runs;"
        f" {hash_command(list(reads))} > {stamp}.reads'",
        *([f"ExecReload=+/bin/sh -c {systemd_unit(reload)}"] if reload else []),
        *(f"LoadCredential={name}:{path}" for name, path in credentials.items()),
        *(sandbox.lines() if sandbox else []),
    ]
    return "\n".join(lines) + "\n"


def allow(port: int, from_: str | None = None) -> None:
    """Admit TCP ``port`` through the firewall, from one address or network or from anywhere."""
    rule = allow_command(port, from_)
    with noted(f"Firewall: {rule}", ("firewall_rules", rule)) as label:
        firewalls.add_rule(name=label, rule=rule)


def firewall() -> None:
    """The firewall in force, denying by default; declare what it must admit before this."""
    created = [("firewall_rules", ENABLE)]
    if ("packages", "ufw") not in stage().site.owned:
        created.insert(0, ("originals", DEFAULTS))
    with noted("Firewall: deny by default, and in force", *created) as label:
        firewalls.enable_firewall(name=label)


def secured_databases() -> None:
    """A MariaDB that a deploy brought, without what lets strangers in."""
    owned = stage().site.owned
    with noted("Nobody but root by its socket") as label:
        databases.secure_server(name=label, is_ours=lambda: ("packages", "mariadb-server") in owned)


def database_login(owner: str) -> str:
    """The option file by which root's commands log in to MariaDB as the owner of a database."""
    return f"/etc/chom/mariadb/{owner}.cnf"


def database(name: str, owner: str, password: Secret) -> None:
    """A MariaDB database and the user that owns it: that system user, or who has the password."""
    login = f"[client]\nuser={option_file(owner)}\npassword={option_file(password.reveal())}\n"
    option_path = secret_text(database_login(owner), login)
    with noted(f"Database {name}", ("databases", name)) as label:
        databases.make_database(
            name=label,
            database=name,
            user=owner,
            password=password,
            login=option_path,
            upcoming=stage().written[option_path],
        )


def database_reader(name: str, privileges: Sequence[str]) -> None:
    """A MariaDB user for the system user of that name, with these global privileges alone."""
    with noted(f"Database user {name}", ("database_users", name)) as label:
        databases.make_reader(name=label, user=name, privileges=list(privileges))


def artifact(wanted: Artifact) -> str:
    """An upstream release tarball with its pinned checksum, unpacked as a folder."""
    with noted(f"Artifact {wanted.name}", *_folders(wanted.into, "artifacts")) as label:
        done = artifacts.unpack_artifact(name=label, artifact=wanted)
    return kept(wanted.marker, done, f"Artifact {wanted.name}")


def folder_of_files(folder: Path, into: str) -> str:
    """The files of a local ``folder`` as the folder ``into``, which is replaced as a whole.

    Returns the file that changes with them, for the service that runs with them.
    """
    with noted(f"Files of {into}", *_folders(into, "artifacts")) as label:
        done = artifacts.put_folder(name=label, archive=archives.pack(folder), into=into)
    return kept(f"{into}/.sha256", done, f"Files of {into}")


def app_release(
    name: str,
    files: archives.Archive | None,
    settings: Sequence[str],
    wanted: Mapping[str, Any],
) -> str:
    """The release of an application that is wanted: live, unless it is bad.

    ``files``: of which it consists, where no repository has them. ``settings``: the files that say
    what is wanted. ``wanted``: the same for a preview, with the names of the migrations that come
    with ``files``. What fails stops no other application, nor the components that tolerate it.
    """
    base = f"/var/www/{name}"
    made = [("files", f"{base}/{each}") for each in ("releases.jsonl", "current")]
    if files is None:
        made.append(("artifacts", f"{base}/repository.git"))
    cache = _folders(f"/var/cache/chom/{name}", "artifacts")
    with noted(f"Release of {name}", *cache, *made, alone=True) as label:
        done = releases.release_app(
            name=label,
            app=name,
            files=files,
            upcoming=[stage().written[path] for path in settings],
            wanted=wanted,
        )
    return kept(f"{base}/current/.release", done, f"Release of {name}")


def proof(label: str, condition: str, limit_s: int, complaint: str, *, alone: bool = False) -> None:
    """Wait until ``condition``, a read-only shell command, succeeds on the host.

    + alone: whether its failure lets the rest of the target be deployed
    """
    with noted(label, alone=alone) as name:
        waiting.wait_until(
            name=name,
            what=label,
            condition=condition,
            limit_s=limit_s,
            complaint=complaint,
        )
