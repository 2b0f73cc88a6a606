"""From a git repository: with a deploy key, from the server that it says it is, and no other."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.e2e.machines import answer
from tests.e2e.platform import Platform
from tests.e2e.project import changed
from tests.e2e.shop import MACHINE, Shop, release_of

SERVER, HOME = "observability", "/srv/git"
SECRET = "SHOP_DEPLOY_KEY"


@dataclass
class Repository:
    """The shop's repository on a machine that gives it to one key alone."""

    shop: Shop
    bare: Path
    settings: dict[str, Any]

    def commit(self, branch: str = "main") -> str:
        """Commit a change and push it; the commit."""
        self.shop.edit()
        self.git("add", "-A", "-f")
        self.git("commit", "-qm", "change")
        self.push(f"HEAD:refs/heads/{branch}")
        return self.git("rev-parse", "HEAD")

    def branch(
        self, name: str, files: Mapping[str, str] | None = None, without: Sequence[str] = ()
    ) -> str:
        """Push a branch that has these files beside those of main; its commit."""
        self.git("checkout", "-q", "-B", name, "main")
        for path, text in (files or {}).items():
            (self.shop.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.shop.folder / path).write_text(text)
        if without:
            self.git("rm", "-rq", *without)
        self.git("add", "-A", "-f")
        self.git("commit", "-qm", f"Change what {name} is about")
        self.push(f"HEAD:refs/heads/{name}")
        commit = self.git("rev-parse", "HEAD")
        self.git("checkout", "-q", "main")
        return commit

    def push(self, what: str) -> None:
        """Push into the repository, which is its user's again afterwards."""
        answer(self.shop.platform.lab, SERVER, f"chown -R root: {HOME}/shop.git")
        self.git("push", "-qf", str(self.bare), what)
        answer(self.shop.platform.lab, SERVER, f"chown -R git: {HOME}/shop.git")

    def git(self, *arguments: str) -> str:
        """What git says in the working copy."""
        identity = ["-c", "user.name=dev", "-c", "user.email=dev@chom.test"]
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=self.shop.folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def changes(self, host_key: str | None = None, **settings: Any) -> dict[str, Any]:
        """The changes of the inventory for an application from this repository."""
        host = self.shop.platform.address(SERVER)
        key = host_key or answer(
            self.shop.platform.lab, SERVER, "cut -d' ' -f1,2 /etc/ssh/ssh_host_ed25519_key.pub"
        )
        app = {**self.settings, **settings}
        return {
            "settings.git": {"host_keys": {host: key}},
            "settings.apps": {"laravel": {}, "shop": app},
        }

    def deploy(self, host_key: str | None = None, **settings: Any) -> Any:
        """Deploy the application's target, whatever comes of it."""
        self.shop.platform.unsettle()
        changes = self.changes(host_key, **settings)
        return self.shop.platform.project.deploy("-y", "--limit", MACHINE, changes=changes)

    def live(self, **settings: Any) -> str | None:
        """The revision that serves after a deployment, which must succeed."""
        outcome = self.deploy(**settings)
        assert outcome.code == 0, outcome
        return release_of(self.shop.platform.project.record()).revision


def new_key() -> tuple[str, str]:
    """A private key and its public key, as OpenSSH has them."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private.decode().strip(), public.decode()


@pytest.fixture(scope="module")
def repository(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A repository on observability, and its key among the secrets."""
    platform.settle()
    shop = Shop(platform, tmp_path_factory.mktemp("git") / "shop")
    private, public = new_key()
    platform.project.set_secrets({SECRET: private})
    answer(
        platform.lab,
        SERVER,
        "apt-get update -qq && apt-get install -y -qq git >/dev/null 2>&1"
        f" && useradd --system --create-home --home-dir {HOME} --shell /usr/bin/git-shell git"
        f" && git init -q --bare -b main {HOME}/shop.git && mkdir -m 700 {HOME}/.ssh"
        f" && echo 'restrict {public}' > {HOME}/.ssh/authorized_keys && chown -R git: {HOME}",
    )
    url = f"ssh://git@{platform.address(SERVER)}{HOME}/shop.git"
    bare = platform.lab.rootfs(SERVER) / HOME.lstrip("/") / "shop.git"
    settings = {**shop.settings, "repository": url, "deploy_key": True}
    settings.pop("path")
    found = Repository(shop, bare, settings)
    found.git("init", "-q", "-b", "main")
    return found


def test_the_newest_commit_of_the_branch_is_released_once(repository: Repository) -> None:
    for _ in range(2):
        commit = repository.commit()
        assert repository.live() == commit
        assert repository.shop.ask("/note.txt")[1].rstrip() == (
            repository.shop.folder / "public/note.txt"
        ).read_text().rstrip("\n")
    releases = repository.shop.releases()
    assert repository.live() == commit
    assert changed(repository.shop.platform.project.record()) == {}
    assert repository.shop.releases() == releases


def test_a_revision_goes_before_the_branch_and_a_tag_is_one(repository: Repository) -> None:
    pinned = repository.git("rev-parse", "HEAD~1")
    assert repository.live(revision=pinned) == pinned
    other = repository.commit("next")
    assert repository.live() == repository.git("rev-parse", "HEAD~1")
    assert repository.live(branch="next") == other
    repository.git("tag", "-am", "one", "v1.0", pinned)
    repository.push("v1.0")
    assert repository.live(branch="v1.0") == pinned


def test_a_branch_that_is_not_there_is_said(repository: Repository) -> None:
    serves = repository.shop.serves()
    outcome = repository.deploy(branch="nowhere")
    assert outcome.code == 1
    assert "has no branch and no tag nowhere" in outcome.text
    assert repository.shop.serves() == serves


def test_a_pinned_commit_that_is_gone_is_said(repository: Repository) -> None:
    serves = repository.shop.serves()
    outcome = repository.deploy(revision="1" * 40)
    assert outcome.code == 1
    assert f"there is no commit {'1' * 40} on any branch or tag" in outcome.text
    assert repository.shop.serves() == serves


def test_a_repository_as_people_have_it_is_released_whole(repository: Repository) -> None:
    """With placeholders, with export-ignore, with two routes of one name and without any view."""
    repository.commit()
    routes = (repository.shop.folder / "routes/web.php").read_text()
    twice = "Route::get('/%s', fn () => '%s')->name('same');\n"
    files = {
        "public/storage/.gitkeep": "",
        "storage/app/public/.gitignore": "*\n",
        ".gitattributes": "/public/note.txt export-ignore\n",
        "routes/web.php": routes
        + "Route::get('/', fn () => 'plain');\n"
        + twice % ("one", "first")
        + twice % ("two", "second"),
    }
    commit = repository.branch("feature/#123", files, without=["resources/views"])
    outcome = repository.deploy(branch="feature/#123")
    assert outcome.code == 0, outcome
    assert release_of(repository.shop.platform.project.record()).revision == commit
    assert repository.shop.ask("/note.txt")[0] == 200
    assert repository.shop.ask("/one") == (200, "first")
    assert repository.shop.ask("/two") == (200, "second")
    link = answer(
        repository.shop.platform.lab, MACHINE, "readlink -f /var/www/shop/current/public/storage"
    )
    assert link == "/var/www/shop/shared/storage/app/public"
    assert repository.live() == repository.git("rev-parse", "main")


def test_files_that_would_not_work_are_refused_with_all_reasons(repository: Repository) -> None:
    serves = repository.shop.serves()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12\n"
    repository.branch(
        "odd",
        {
            "backend/artisan": (repository.shop.folder / "artisan").read_text(),
            "public/logo.png": pointer,
            "storage/app/public/price.pdf": "text",
        },
        without=["artisan"],
    )
    outcome = repository.deploy(branch="odd")
    assert outcome.code == 1
    for words in (
        "no artisan at the top, but in backend",
        "only pointers of Git LFS, which is not supported: public/logo.png",
        "files below storage, which all releases share and no release replaces: storage/app/public",
        "shop: the step files failed",
    ):
        assert words in outcome.text
    assert repository.shop.serves() == serves


def test_the_plan_has_the_commits_and_the_migrations_that_come(repository: Repository) -> None:
    lab = repository.shop.platform.lab
    repository.commit()
    live = repository.live()
    name = "2026_03_01_000001_more"
    files = {f"database/migrations/{name}.php": "<?php\n"}
    commit = repository.branch("planned", files)
    # All that a build user could write to, and what a run of git might leave elsewhere.
    look = (
        "find /var/www/shop /var/cache/chom /tmp /var/tmp /run/chom -mindepth 1"
        " -printf '%p %T@ %C@ %s\n' | grep -v -e shared/storage -e systemd-private | sort | md5sum"
    )
    before = answer(lab, MACHINE, look)
    changes = repository.changes(branch="planned")
    project = repository.shop.platform.project
    outcome = project.deploy("--dry", "--limit", MACHINE, changes=changes)
    assert outcome.code == 0, outcome
    words = f"(1 commit, {str(live)[:7]} → {commit[:7]}, 1 migration to run)"
    assert f"change Release of shop {words}" in " ".join(outcome.text.split())
    assert "Change what planned is about" in outcome.text and f"migration {name}" in outcome.text
    assert answer(lab, MACHINE, look) == before
    gone = project.deploy("--dry", "--limit", MACHINE, changes=repository.changes(branch="nowhere"))
    assert "as it stands it will fail: " in gone.text and "no tag nowhere" in gone.text


def test_an_application_that_is_down_by_artisan_is_said(repository: Repository) -> None:
    serves = repository.shop.serves()
    repository.commit()
    repository.shop.artisan("down")
    try:
        outcome = repository.deploy()
        assert outcome.code == 1
        assert "the application is down by artisan" in outcome.text
        [command] = re.findall(r"\((runuser -u shop -- \S+ \S+ up)\)", outcome.text)[:1]
        answer(repository.shop.platform.lab, MACHINE, f"cd / && {command}")
    finally:
        repository.shop.artisan("up")
    assert repository.shop.serves() == serves
    assert repository.live() == repository.git("rev-parse", "main")


def test_another_host_key_is_refused(repository: Repository) -> None:
    repository.commit()
    serves = repository.shop.serves()
    outcome = repository.deploy(host_key=new_key()[1])
    assert outcome.code == 1
    assert "Host key verification failed" in outcome.text
    assert "shop: the step fetch failed" in outcome.text
    assert repository.shop.serves() == serves


def test_a_key_that_the_server_does_not_know_is_refused(repository: Repository) -> None:
    project = repository.shop.platform.project
    right = project.secrets()[SECRET]
    serves = repository.shop.serves()
    project.set_secrets({SECRET: new_key()[0]})
    try:
        outcome = repository.deploy()
    finally:
        project.set_secrets({SECRET: right})
    assert outcome.code == 1
    assert "Permission denied (publickey)" in outcome.text
    assert repository.shop.serves() == serves
    assert repository.live() == repository.git("rev-parse", "main")


def test_the_key_is_roots_alone(repository: Repository) -> None:
    lab = repository.shop.platform.lab
    assert answer(lab, MACHINE, "stat -c '%U %a' /etc/chom/apps/shop.key") == "root 600"
    assert answer(lab, MACHINE, "stat -c '%U %a' /var/www/shop/repository.git") == "_shop 700"


def test_a_server_whose_key_is_not_known_is_refused_before_any_connection(
    repository: Repository,
) -> None:
    others = {"host_keys": {"git.chom.test": "ssh-ed25519 AAAA"}}
    changes = repository.changes() | {"settings.git": others}
    outcome = repository.shop.platform.project.deploy("-y", changes=changes)
    assert outcome.code == 1
    assert "whose host key is not known" in outcome.text
    assert "nothing was connected to" in outcome.text
