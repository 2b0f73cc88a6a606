"""Files that a release cannot serve as they are: refused before composer runs, with the reason."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.releases.host import contents
from tasks.releases.host.commands import Failed
from tests.unit.releasing import Machine

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 12345\n"
Edit = Callable[[Machine], None]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def writes(path: str, text: str = "text") -> Edit:
    return lambda machine: machine.write(path, text)


def links(path: str, target: str) -> Edit:
    def edit(machine: Machine) -> None:
        (machine.files / path).parent.mkdir(parents=True, exist_ok=True)
        (machine.files / path).symlink_to(target)

    return edit


def moves_into_subfolder(machine: Machine) -> None:
    (machine.files / "backend").mkdir()
    for name in ("artisan", "composer.json"):
        (machine.files / name).rename(machine.files / "backend" / name)


def is_no_laravel(machine: Machine) -> None:
    (machine.files / "artisan").unlink()


def has_linked_public(machine: Machine) -> None:
    (machine.files / "public").rename(machine.files / "web")
    (machine.files / "public").symlink_to("web")


REFUSED: dict[str, tuple[Edit, str]] = {
    "an application in a subfolder": (
        moves_into_subfolder,
        "no artisan at the top, but in backend",
    ),
    "no Laravel application": (is_no_laravel, "it is not a Laravel application"),
    "a folder public that is a link": (has_linked_public, "public is a link"),
    "a pointer of Git LFS": (
        writes("public/logo.png", POINTER),
        "Git LFS, which is not supported: public/logo.png",
    ),
    "a submodule": (
        writes(".gitmodules", '[submodule "x"]\n\tpath = packages/x\n\turl = ../x\n'),
        "submodules, which are not fetched: packages/x",
    ),
    "a file below storage": (
        writes("storage/app/public/logo.png"),
        "files below storage, which all releases share and no release replaces: storage/app/public",
    ),
    "a link below storage": (links("storage/app/data", "../../public"), "storage/app/data"),
    "a file below public/storage": (
        writes("public/storage/logo.png"),
        "files below public/storage, where Laravel makes a link to the storage: public/storage",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_files_that_would_not_work_are_refused_before_composer_runs(
    machine: Machine, what: str
) -> None:
    before = machine.deploy()
    machine.commands.clear()
    edit, words = REFUSED[what]
    edit(machine)
    machine.change("two")
    failure = machine.fail()
    assert failure.step == "files" and words in "\n".join(failure.output)
    assert "composer install" not in machine.commands
    assert machine.live == before


def test_all_reasons_are_given_together(machine: Machine) -> None:
    machine.write("a.bin", POINTER)
    machine.write("storage/app/x", "")
    moves_into_subfolder(machine)
    machine.change("two")
    assert len([line for line in machine.fail().output if "exit code" not in line]) == 3


def test_of_many_files_the_first_are_named(machine: Machine) -> None:
    for number in range(8):
        machine.write(f"storage/app/{number}", "")
    machine.change("two")
    assert "storage/app/4 and 3 more" in machine.fail().output[0]


@pytest.mark.parametrize("name", sorted(contents.PLACEHOLDERS))
@pytest.mark.parametrize("folder", ["storage/app/public", "public/storage"])
def test_placeholders_keep_no_release_from_its_storage(
    machine: Machine, folder: str, name: str
) -> None:
    machine.write(f"{folder}/{name}", "*\n")
    machine.change("two")
    release = machine.app.releases / machine.deploy()
    assert (release / "storage").readlink() == machine.app.shared / "storage"
    # Laravel makes its link where nothing is in the way.
    assert not (release / "public/storage").exists()


@pytest.mark.parametrize(
    "text",
    [
        "version https://git-lfs.github.com/spec/v1\nis what a pointer begins with\n",
        POINTER + "x" * 1024,
        "",
    ],
    ids=["prose", "longer than any pointer", "empty"],
)
def test_other_files_are_no_pointers(machine: Machine, text: str) -> None:
    machine.write("public/file", text)
    machine.change("two")
    assert machine.deploy()


def test_a_submodule_whose_files_are_there_is_deployed(machine: Machine) -> None:
    machine.write(".gitmodules", '[submodule "x"]\n\tpath = packages/x\n')
    machine.write("packages/x/composer.json", "{}")
    machine.change("two")
    assert machine.deploy()


# What Laravel's own commands make of them


@pytest.mark.parametrize(
    ("path", "target", "is_served"),
    [
        ("public/storage", "../storage/app/public", True),
        ("public/storage", "../storage/app/uploads", False),
        ("public/uploads", "../storage/app/public", False),
        ("public/build/assets", "../css", False),
    ],
)
def test_a_link_in_public_is_refused_unless_it_is_served(
    machine: Machine, path: str, target: str, is_served: bool
) -> None:
    links(path, target)(machine)
    machine.change("two")
    if is_served:
        assert machine.deploy()
    else:
        failure = machine.fail()
        assert failure.step == "storage:link"
        assert f"links in public, which Nginx does not follow: {path}" in failure.output[0]


def test_a_link_that_laravel_could_not_make_is_a_failure(machine: Machine) -> None:
    said = "   ERROR  The [public/images] link already exists."
    machine.says = {"artisan storage:link": said}
    failure = machine.fail()
    assert failure.step == "storage:link" and failure.output[0] == said.strip()


WORKS_WITHOUT = {
    "config:cache": "In ConfigCacheCommand.php line 72:\n\n  Your configuration files are not"
    "\n  serializable.",
    "route:cache": "  Unable to prepare route [two] for serialization. Another route has\n"
    "  already been assigned name [same].",
    "view:cache": 'In Finder.php line 650:\n\n  The "/var/www/shop/releases/20261123-120001/'
    'resources/views" direct  \n  ory does not exist.',
}


@pytest.mark.parametrize("command", WORKS_WITHOUT)
def test_a_cache_that_an_application_works_without_is_left_out(
    machine: Machine, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.fails = {f"artisan {command}"}
    machine.says = {f"artisan {command}": WORKS_WITHOUT[command]}
    assert machine.deploy()
    assert f"{command} is left out, the application works without" in capsys.readouterr().out
    # What an earlier attempt may have left is gone.
    cleared = machine.commands.index(f"artisan {command.replace('cache', 'clear')}")
    assert cleared == machine.commands.index(f"artisan {command}") + 1


@pytest.mark.parametrize("command", WORKS_WITHOUT)
def test_a_cache_that_fails_otherwise_is_a_failure(machine: Machine, command: str) -> None:
    machine.fails = {f"artisan {command}"}
    machine.says = {f"artisan {command}": "syntax error, unexpected token"}
    with pytest.raises(Failed):
        machine.deploy()


def test_a_rollback_needs_no_cache_that_the_release_works_without(machine: Machine) -> None:
    first = machine.deploy()
    machine.change("two")
    machine.deploy()
    machine.fails = {"artisan config:cache"}
    machine.says = {"artisan config:cache": WORKS_WITHOUT["config:cache"]}
    assert machine.roll_back() == first
