"""From files to a release that could serve: each step by its name, none of them public."""

import os
import shutil
from pathlib import Path

from .app import App
from .commands import Failed, artisan, run

SPARE_MB = 100
CACHES = ("config:cache", "route:cache", "view:cache", "event:cache")


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


def furnish(app: App, release: Path) -> None:
    """Give a release what all have in common; until it is sealed, its user may write to it."""
    shutil.rmtree(release / "storage", ignore_errors=True)
    (release / "storage").unlink(missing_ok=True)
    (release / "storage").symlink_to(app.shared / "storage")
    (release / ".env").unlink(missing_ok=True)
    (release / ".env").symlink_to(app.shared / ".env")
    (release / "bootstrap/cache").mkdir(parents=True, exist_ok=True)
    # What was cached elsewhere would hide the settings of this place.
    for cached in (release / "bootstrap/cache").glob("*.php"):
        cached.unlink()
    (release / ".release").write_text(f"{release.name}\n")
    run("files", ["chown", "-Rh", f"{app.owner}:{app.owner}", str(release)])
    for folder in (app.views, app.views / release.name):
        folder.mkdir(mode=0o750, exist_ok=True)
        shutil.chown(folder, app.owner, app.owner)


def install(app: App, release: Path) -> None:
    """What composer.json asks for, without what is for development."""
    if not (release / "composer.json").exists():
        return
    app.cache.mkdir(parents=True, exist_ok=True, mode=0o755)
    shutil.chown(app.cache, app.owner, app.owner)
    options = ["--no-dev", "--no-interaction", "--prefer-dist", "--optimize-autoloader"]
    run(
        "composer",
        [app.php, "/usr/bin/composer", "install", *options, "--no-progress", "--no-ansi"],
        cwd=release,
        env={"HOME": str(app.cache), "COMPOSER_HOME": str(app.cache)},
        user=app.owner,
    )


def link_storage(app: App, release: Path) -> None:
    artisan(app, release, "storage:link", "storage:link", "--force")


def fill_caches(app: App, release: Path) -> None:
    """Also the first that sees a mistake in what every page needs: the database is untouched."""
    for command in CACHES:
        artisan(app, release, command, command)


def seal(app: App, release: Path) -> None:
    """From here on nobody but root changes the code that visitors get."""
    run("seal", ["chown", "-Rh", "root:root", str(release)])
    cached = release / "bootstrap/cache/config.php"
    if cached.exists():  # with every secret of .env in it
        run("seal", ["chown", f"root:{app.owner}", str(cached)])
        cached.chmod(0o640)


def refresh(app: App, release: Path) -> None:
    """Cache the settings of a sealed release anew: they may have changed since it was made."""
    folder = release / "bootstrap/cache"
    run("seal", ["chown", "-Rh", f"{app.owner}:{app.owner}", str(folder)])
    try:
        artisan(app, release, CACHES[0], CACHES[0])
    finally:
        seal(app, release)
