"""The vocabulary of components: each call declares a resource, and so deploys and records it.

Every function names its pyinfra operation and notes what it may create. Paths are absolute,
modes octal strings, ports TCP. ``Managed`` results tell a service what it runs with.
"""

import base64
import gzip
import hashlib
import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pyinfra.api.operation import OperationMeta
from pyinfra.operations import files as pyinfra_files

from facts.firewall import allow_command
from facts.services import STARTED_WITH, hash_command
from tasks.component import noted, stage
from tasks.operations import apt, artifacts, databases, files, services, users, waiting
from tasks.operations import firewall as firewalls
from tasks.quoting import QUOTINGS
from tasks.sandbox import Sandbox

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    undefined=StrictUndefined,
    keep_trailing_newline=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters.update(QUOTINGS)


@dataclass(frozen=True)
class Managed:
    """A path on the host (or a pattern of paths), and the operation that keeps it, if any."""

    path: str
    operation: OperationMeta | None = None


def matching(pattern: str, *members: Managed) -> Managed:
    """All paths that match a shell pattern, e.g. of a folder that several components fill."""
    operations_of = [item.operation for item in members if item.operation]
    return Managed(pattern, operations_of[0] if operations_of else None)


def user(name: str, home: str = "/nonexistent") -> None:
    """A system user and group of its own, without a login shell."""
    with noted(f"User {name}", ("users", name)) as label:
        users.make_system_user(name=label, user=name, home=home)


def directory(path: str, owner: str = "root", group: str | None = None, mode: str = "755") -> None:
    """A directory with its owner and mode."""
    with noted(f"Directory {path}", ("directories", path)) as label:
        pyinfra_files.directory(name=label, path=path, user=owner, group=group or owner, mode=mode)


def file(
    path: str,
    template: str,
    *,
    mode: str = "644",
    owner: str = "root",
    group: str = "root",
    check: str | None = None,
    show: bool = True,
    **values: Any,
) -> Managed:
    """A text file, rendered from a Jinja template in the component's folder.

    The template sees ``site`` and ``values``, and has the filters of ``tasks/quoting.py``.
    ``check``: a shell command that must succeed with the new file in its place, before it takes
    that place. ``show=False`` keeps it out of diffs.
    """
    here = stage()
    name = str(here.component.folder.relative_to(Path(__file__).parent) / template)
    text = _templates.get_template(name).render(site=here.site, **values)
    return text_file(path, text, mode=mode, owner=owner, group=group, check=check, show=show)


def text_file(
    path: str,
    text: str,
    *,
    mode: str = "644",
    owner: str = "root",
    group: str = "root",
    check: str | None = None,
    show: bool = True,
) -> Managed:
    """A text file with the given content; otherwise as ``file``."""
    if not text.endswith("\n"):
        text += "\n"
    folder = path.rpartition("/")[0]
    with noted(f"File {path}", ("directories", folder), ("files", path)) as label:
        done = files.put_text(
            name=label,
            path=path,
            text=text,
            mode=mode,
            user=owner,
            group=group,
            check=check,
            show=show,
        )
    return Managed(path, done)


def secret_made_here(path: str, script: str, *, owner: str, group: str) -> Managed:
    """A secret that a host makes for itself, once, and that never leaves it; mode 0640."""
    with noted(f"Secret {path}", ("files", path)) as label:
        done = files.make_once(
            name=label, path=path, script=script, mode="640", user=owner, group=group
        )
    return Managed(path, done)


def absent(path: str) -> Managed:
    """Nothing at ``path``: for a file of a package that would get in the way."""
    with noted(f"No file {path}") as label:
        done = files.remove_file(name=label, path=path)
    return Managed(path, done)


def apt_sources(mirror: str | None) -> None:
    """Debian's security and update suites beside the main one, where the machine lacks them.

    ``mirror``: the base URL of a mirror to use; without it, the one that the machine has.
    """
    path = "/etc/apt/sources.list.d/chom.sources"
    with noted("Package sources", ("files", path)) as label:
        apt.add_suites(name=label, path=path, mirror=mirror)


def packages() -> None:
    """All Debian packages of the target's stack, in one apt transaction."""
    here = stage()
    names = sorted({name for item in here.stack for name in item.packages(here.site)})
    settings = here.site.settings.apt
    created = [("packages", name) for name in names]
    with noted(f"Packages of the stack ({len(names)})", *created) as label:
        apt.install_packages(
            name=label,
            names=names,
            cache_hours=settings.cache_hours,
            lock_timeout_s=settings.lock_timeout_s,
        )


def service(
    name: str,
    *,
    runs: Sequence[Managed] = (),
    reads: Sequence[Managed] = (),
    ready: str | None = None,
    limit_s: int = 60,
    sandbox: Sandbox | None = None,
) -> None:
    """A systemd service: enabled, running with its files as they are now, and ready.

    ``runs``: files that only a restart brings into effect; ``reads``: those for which a reload
    is enough. ``ready``: a URL that must answer, or a shell command that must succeed, within
    ``limit_s`` seconds. ``sandbox`` confines the unit by a drop-in.
    """
    unit = f"{name}.service"
    run_paths, read_paths = [item.path for item in runs], [item.path for item in reads]
    drop_in = text_file(
        f"/etc/systemd/system/{unit}.d/chom.conf", _drop_in(unit, run_paths, read_paths, sandbox)
    )
    if ready and ready.startswith("http"):
        ready = services.answers(unit, ready)
    with noted(f"Service {name}", ("services", unit)) as label:
        services.run_service(
            name=label,
            unit=unit,
            runs=[drop_in.path, *run_paths],
            reads=read_paths,
            ready=ready,
            limit_s=limit_s,
            upcoming=[item.operation for item in (drop_in, *runs, *reads) if item.operation],
        )


def _drop_in(unit: str, runs: Sequence[str], reads: Sequence[str], sandbox: Sandbox | None) -> str:
    """Let the unit write down what it was started with, and confine it."""
    stamp = f"{STARTED_WITH}/{unit}"
    own = f"/etc/systemd/system/{unit}.d/chom.conf"
    lines = [
        "# written by chom; changes are overwritten",
        "[Service]",
        f"ExecStartPre=-+/bin/sh -c 'mkdir -pm 700 {STARTED_WITH};"
        f" {hash_command([own, *runs])} > {stamp}.runs;"
        f" {hash_command(list(reads))} > {stamp}.reads'",
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
    with noted("Firewall: deny by default, and in force") as label:
        firewalls.enable_firewall(name=label)


def database(name: str, owner: str) -> None:
    """A MariaDB database and the user that owns it, who logs in as that system user."""
    with noted(f"Database {name}", ("databases", name)) as label:
        databases.make_database(name=label, database=name, user=owner)


def artifact(url: str, sha256: str, into: str) -> Managed:
    """An upstream release tarball with its pinned checksum, unpacked as the folder ``into``."""
    with noted(f"Artifact {url.rsplit('/', 1)[1]}", ("artifacts", into)) as label:
        done = artifacts.unpack_artifact(name=label, url=url, sha256=sha256, into=into)
    return Managed(f"{into}/.sha256", done)


def release(folder: str, root: str) -> Managed:
    """The files of ``folder`` in the component as a release of ``root``, switched to atomically.

    The release's id is the hash of its files, so the same files are never released twice.
    """
    archive = _archive(stage().component.folder / folder)
    release_id = hashlib.sha256(archive).hexdigest()[:12]
    with noted(f"Release {release_id} of {root}", ("directories", f"{root}/releases")) as label:
        done = artifacts.unpack_release(
            name=label,
            archive_base64=base64.encodebytes(archive).decode(),
            release_id=release_id,
            root=root,
        )
    return Managed(f"{root}/current/.release", done)


def _archive(folder: Path) -> bytes:
    """A tarball of ``folder`` that depends on names and content alone."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as tar,
    ):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                entry = tarfile.TarInfo(str(path.relative_to(folder)))
                entry.size, entry.mode = path.stat().st_size, 0o644
                with path.open("rb") as content:
                    tar.addfile(entry, content)
    return packed.getvalue()


def proof(label: str, condition: str, limit_s: int, complaint: str) -> None:
    """Wait until ``condition``, a read-only shell command, succeeds on the host."""
    with noted(label) as name:
        waiting.wait_until(name=name, condition=condition, limit_s=limit_s, complaint=complaint)
