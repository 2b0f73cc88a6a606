"""Build a release: each step by its name, none of them public.

The build user makes it and owns it meanwhile. Nothing of that user's runs when a step has ended,
so root may then take the folder over. The application's own user sees it sealed, and owns none of
it: root works in no folder that this user can change.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .app import App, Confinement
from .commands import Failed, artisan, run, run_confined

SPARE_MB = 100
# Beside view:cache, which writes to the application's storage.
CACHES = ("config:cache", "route:cache", "event:cache")
# Laravel serves an application as well without these caches. They fail for an application that
# works where it has a closure in its configuration, two routes of one name, a closure as a route
# (Laravel 7), or no folder of views. Without blanks: Symfony breaks its messages within words.
_OPTIONAL = {
    "config:cache": re.compile(r"configurationfilesarenotserializable"),
    "route:cache": re.compile(r"Unabletoprepareroute.*forserialization"),
    "view:cache": re.compile(r"directorydoesnotexist"),
}
# What storage:link says, and goes on with exit code 0.
_NO_LINK = re.compile(r"The \S+ (link|directory) already exists")
# How a program of ours is run by its path, with nothing of anybody's else in its way.
CONTENTS = (sys.executable, "-I", str(Path(__file__).with_name("contents.py")))
# Everybody may pass, which Nginx must; only what is in ``public`` is readable to it.
_SEALED_MODE = 0o751


def check_room(app: App) -> None:
    """Raise Failed where a release like the last one would fill the disk."""
    live = app.current.resolve()
    size = sum(
        os.lstat(os.path.join(folder, name)).st_size
        for folder, _, names in os.walk(live)
        for name in names
    ) if live.is_dir() else 0  # fmt: skip
    needed = SPARE_MB + (size >> 20)
    free = shutil.disk_usage(app.base).free >> 20
    if free < needed:
        raise Failed(
            "room", f"{free} MB are free for a release, which needs {needed} MB: make room"
        )


def prepare(app: App, release: Path) -> None:
    """Make the folder of a release and those in which it is built, for the build user."""
    app.cache.parent.mkdir(exist_ok=True)
    if app.cache.is_dir() and app.cache.lstat().st_uid != os.geteuid():
        # The application's own user may have put anything there.
        shutil.rmtree(app.cache)
    app.cache.mkdir(exist_ok=True)
    for folder in (app.cache / "composer", app.cache / "storage", release):
        if not folder.is_dir():
            folder.mkdir(mode=0o700)
        shutil.chown(folder, app.build.user, app.build.user)


def furnish(app: App, release: Path) -> None:
    """Give a release what all releases of the application have in common."""
    scratch = app.cache / "storage"
    command = [*CONTENTS, "furnish", str(release), str(app.shared), str(scratch)]
    run_confined("files", app, app.build, command, writes=[release, scratch])


def install(app: App, release: Path) -> None:
    """Install what composer.json asks for, without what is for development."""
    if not (release / "composer.json").exists():
        return
    composer = app.cache / "composer"
    options = ["--no-dev", "--no-interaction", "--prefer-dist", "--optimize-autoloader"]
    run_confined(
        "composer",
        app,
        app.build,
        [app.php, "/usr/bin/composer", "install", *options, "--no-progress", "--no-ansi"],
        cwd=release,
        env={"HOME": str(composer), "COMPOSER_HOME": str(composer)},
        writes=[release, composer],
        binds=_scratch(app),
    )


def cache(app: App, release: Path) -> None:
    """Write Laravel's caches into a release, and link what it publishes of its storage.

    It is also the first step that sees a mistake in what every page needs.
    """
    command = ("storage:link", "--force")
    said = artisan(app, app.build, release, *command, writes=[release], binds=_scratch(app))
    if missing := [line.strip() for line in said.splitlines() if _NO_LINK.search(line)]:
        raise Failed(command[0], "\n".join([*missing, "take out what is in its place"]))
    if links := sorted(_unserved_links(release)):
        raise Failed(
            command[0],
            f"links in public, which Nginx does not follow: {', '.join(links[:5])}; commit files in"
            " their place; of the storage, storage/app/public is served as /storage, and nothing"
            " else",
        )
    for each in CACHES:
        _cache(app, app.build, release, each, writes=[release], binds=_scratch(app))


def _unserved_links(release: Path) -> Iterator[str]:
    """Links in ``public`` but for ``public/storage``, which Nginx serves without following it."""
    public = release / "public"
    if public.is_symlink():
        yield "public"
        return
    for folder, folders, names in os.walk(public):
        for path in (Path(folder) / name for name in (*folders, *names)):
            if path.is_symlink() and not _is_storage_link(release, path):
                yield str(path.relative_to(release))


def _is_storage_link(release: Path, path: Path) -> bool:
    target = os.path.normpath(path.parent / os.readlink(path))
    return path == release / "public/storage" and target.endswith("storage/app/public")


def _cache(app: App, who: Confinement, release: Path, command: str, **options: Any) -> None:
    """Run a command that writes a cache; raise Failed unless the application works without it."""
    try:
        artisan(app, who, release, command, **options)
    except Failed as failure:
        words = " ".join(failure.output).split()
        pattern = _OPTIONAL.get(command)
        if pattern is None or not pattern.search("".join(words)):
            raise
        # Nothing half-written stays.
        artisan(app, who, release, command.replace(":cache", ":clear"), **options)
        print(
            f"{command} is left out, the application works without: {' '.join(words)[:300]}",
            flush=True,
        )


def compile_views(app: App, release: Path) -> None:
    """Compile the views of a sealed release, as its user: they are in the storage."""
    folder = str(app.views / release.name)
    run_confined("view:cache", app, app.runtime, ["mkdir", "-p", "-m", "750", folder])
    _cache(app, app.runtime, release, "view:cache")


def seal(app: App, release: Path) -> None:
    """Give a release to root: from here on nobody else changes the code that visitors get.

    The application's group reads it, and everybody what is public. No command follows a link.
    """
    public = release / "public"
    run("seal", ["chown", "-Rh", f"root:{app.owner}", str(release)])
    run("seal", ["chmod", "-R", "u=rwX,g=rX,o=", str(release)])
    everything = ["find", "-P", str(public), "(", "-type", "d", "-o", "-type", "f", ")"]
    if public.is_dir() and not public.is_symlink():
        run("seal", [*everything, "-exec", "chmod", "o+rX", "{}", "+"])
    release.chmod(_SEALED_MODE)


def close(release: Path) -> None:
    """Give a release that failed to root alone: it stays for a look, and never serves."""
    run("seal", ["chown", "-Rh", "root:root", str(release)])
    release.chmod(0o700)


def is_sealed(app: App, release: Path) -> bool:
    """Whether a release was sealed in this way, and not by an earlier version of this program."""
    found = release.lstat()
    return (found.st_uid, found.st_mode & 0o7777) == (os.geteuid(), _SEALED_MODE)


def seal_earlier(app: App, release: Path) -> bool:
    """Seal a release that an earlier version of this program made.

    False if not all of it belongs to root: another user may have made it, and it must not serve.
    """
    others = ["find", "-P", str(release), "!", "-user", "root", "-print", "-quit"]
    if release.is_symlink() or run("seal", others):
        return False
    seal(app, release)
    return True


def refresh(app: App, release: Path) -> None:
    """Cache the settings of a sealed release again: they may have changed since it was made."""
    folder = release / "bootstrap/cache"
    run("seal", ["chown", "-Rh", f"{app.build.user}:{app.build.user}", str(folder)])
    try:
        _cache(app, app.build, release, CACHES[0], writes=[folder], binds=_scratch(app))
    finally:
        seal(app, release)


def _scratch(app: App) -> dict[Path, Path]:
    """A build sees a storage of its own in place of the application's."""
    return {app.storage: app.cache / "storage"}


def remove_views(app: App, release: str) -> None:
    """Remove the compiled views of a release, as the user whom they belong to."""
    folder = str(app.views / release)
    run_confined("views", app, app.runtime, ["rm", "-rf", "--", folder])
