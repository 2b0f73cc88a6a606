"""Applications in the inventory: what is refused, with what the operator is told, and what is not.

Each problem names the file, the key, what was found, what was expected and what to do.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from configs import ConfigurationError, Problem, Target
from configs.hosting import MADE, ssh_host
from configs.values import RESERVED_NAMES, RESERVED_TARGETS
from tests.unit.helpers import INVENTORY, configuration

GITHUB = "git@github.com:acme/shop.git"
LETSENCRYPT = "tls: {mode: letsencrypt, email: ops@example.org}, portal: {server_name: a.b.org}"


def inventory(settings: str) -> str:
    return INVENTORY.replace("settings: {", f"settings: {{{settings}, ")


def refused(folder: Path, settings: str) -> list[Problem]:
    with pytest.raises(ConfigurationError) as refusal:
        configuration(folder, inventory(settings))
    assert "geheim" not in str(refusal.value)
    assert all(each.file.endswith("inventory.yaml") for each in refusal.value.problems)
    return refusal.value.problems


def target(folder: Path, settings: str) -> Target:
    return configuration(folder, inventory(settings)).targets["vpsmanager"]


@pytest.mark.parametrize(
    ("app", "key", "found", "expected", "remedy"),
    [
        # Where it comes from
        ("repository: 'https://me:geheim@github.com/a/b'", "repository",
         '"https://***@github.com/a/b"', "without a password", "secrets"),
        ("repository: 'https://me:ge/heim:geheim@github.com/a/b'", "repository",
         '"https://***@github.com/a/b"', "without a password", "secrets"),
        ("repository: 'https://me:p@geheim@github.com/a/b'", "repository",
         '"https://***@github.com/a/b"', "without a password", "secrets"),
        ("repository: 'me:geheim@github.com:a/b'", "repository",
         '"***@github.com:a/b"', "without a password", "secrets"),
        ("repository: '--upload-pack=touch /tmp/x'", "repository",
         '"--upload-pack=touch /tmp/x"', "a repository such as git@github.com", "`git clone`"),
        ("repository: 'ext::sh -c id'", "repository", '"ext::sh -c id"', "such as git@", "clone"),
        ("repository: /srv/git/shop", "repository", '"/srv/git/shop"', "such as git@", "clone"),
        ("repository: 'git@github.com:a b'", "repository", '"git@github.com:a b"', "such", "clone"),
        ("repository: 'https://me:1/2@github.com/a'", "repository", '"https://***@github.com/a"',
         "without a password", "clone"),
        ("repository: 'ssh://git@github.com:99999/a'", "repository",
         '"ssh://***@github.com:99999/a"', "such as git@", "clone"),
        ("repository: 'ssh://git@github.com:x/a'", "repository",
         '"ssh://***@github.com:x/a"', "such as git@", "clone"),
        ("repository: 'ssh://git@[::1/a'", "repository", '"ssh://***@[::1/a"', "such", "clone"),
        ("branch: --mirror", "branch", '"--mirror"', "a branch or a tag", "as git shows it"),
        ("branch: 'a b'", "branch", '"a b"', "a branch or a tag", "as git shows it"),
        ("branch: 1.0", "branch", "1.0", "a branch or a tag", "as git shows it"),
        ("revision: v1.0", "revision", '"v1.0"', "40 hexadecimal digits", "git rev-parse"),
        (f"revision: {'a' * 39}", "revision", f'"{"a" * 39}"', "40 hexadecimal", "rev-parse"),
        (f"revision: {'A' * 40}", "revision", f'"{"A" * 40}"', "40 hexadecimal", "rev-parse"),
        (f"repository: '{GITHUB}', path: apps/shop", "path", "a path beside a repository",
         "one of both", "remove one of them"),
        ("path: /nowhere/to/be/found", "path", '"/nowhere/to/be/found", no folder',
         "the folder of a Laravel application", "composer.json and artisan"),
        ("path: configs", "path", '"configs", a folder without artisan',
         "the folder of a Laravel application", "composer.json and artisan"),
        ("repository: 'git@git.acme.org:a/b'", "repository",
         "a repository at git.acme.org, whose host key is not known",
         "github.com, gitlab.com, bitbucket.org", "(ssh-keyscan git.acme.org)"),
        ("repository: 'ssh://git@git.acme.org:2222/a/b'", "repository",
         "a repository at [git.acme.org]:2222, whose host key is not known",
         "a server of git.host_keys", "(ssh-keyscan -p 2222 git.acme.org)"),
        ("repository: 'https://github.com/a/b', deploy_key: true", "deploy_key",
         "true, for an application that no SSH server gives out", "git@github.com",
         "address for SSH, or remove deploy_key"),
        ("deploy_key: true", "deploy_key", "true, for an application that no SSH server gives out",
         "git@github.com", "remove deploy_key"),
        # How it runs
        ('php: "8.3"', "php", '"8.3", which is not in php.versions', "one of: 8.4",
         'add "8.3" to php.versions'),
        ("php: 8.4", "php", "8.4", "in quotes", 'such as "8.4"'),
        ("children: 0", "children", "0", "a whole number from 1 to 4096, or null", "hardware"),
        ("workers: {count: -1}", "workers.count", "-1", "from 0 to 64", "remove the line"),
        ("workers: {queues: 'a, b'}", "workers.queues", '"a, b"', "commas without blanks",
         "high,default"),
        ("workers: {queues: 'a;reboot'}", "workers.queues", '"a;reboot"', "names of queues",
         "high,default"),
        ("workers: 3", "workers", "3", "a section with any of: count, queues", "correct it"),
        ("health: up", "health", '"up"', "begins with /", "Laravel 11 and newer have /up"),
        ("health: '/up;reboot'", "health", '"/up;reboot"', "begins with /", "a page"),
        ("login_paths: /login", "login_paths", '"/login"', "a list of paths", "as the form"),
        ("login_paths: ['/a{b}']", "login_paths[0]", '"/a{b}"', "a list of paths", "as the form"),
        ("keep_releases: 1", "keep_releases", "1", "from 2 to 100", "remove the line"),
        ("keep_dumps: 0", "keep_dumps", "0", "from 1 to 100", "remove the line"),
        ("maintenance: 'on'", "maintenance", "text", "true or false", "correct it"),
        ("domain: 'a.org;b'", "domain", '"a.org;b"', "separated by single spaces", "or _"),
        ("wrokers: 3", "wrokers", "an unknown key", "one of: repository,", "did you mean workers"),
        # What stands in .env
        ("environment: {API_TOKEN: geheim}", "environment.API_TOKEN",
         "what its name says is a secret", "no secret in this file",
         "secrets set SHOP_API_TOKEN"),
        ("environment: {API_TOKEN: \"geheim\\n\"}", "environment.API_TOKEN", "text",
         "each value on one line", "NAME: value"),
        ("environment: {MOTD: \"a\\nAPP_DEBUG=true\"}", "environment.MOTD", '"a…"',
         "each value on one line", "NAME: value"),
        ("environment: {X: 1}, secrets: [X]", "environment.X",
         "a value, and the same name among its secrets", "one of both", "remove one of them"),
        ("environment: {app_name: Shop}", "environment.app_name", 'the name "app_name"',
         "capital letters, digits and underscores", "rename it"),
        ("environment: {'A=B': x}", "environment.A=B", 'the name "A=B"',
         "capital letters", "rename it"),
        ("environment: {X: null}", "environment.X", "nothing (null)", "NAME: value", "in quotes"),
        ("environment: [X=1]", "environment", "a list of 1", "NAME: value", "NAME: value"),
        ("secrets: STRIPE_SECRET", "secrets", "text", "a list of names", "names alone"),
        ("secrets: [stripe]", "secrets[0]", '"stripe"', "a list of names", "the names alone"),
        ("secrets: [DEPLOY_KEY]", "secrets", "DEPLOY_KEY, which is the key of git for shop",
         "names of the application's own", "secrets set SHOP_DEPLOY_KEY"),
        *[(f"environment: {{{name}: geheim}}", f"environment.{name}",
           f"{name}, which is made for shop", "names of the application's own",
           f"secrets set SHOP_{name}") for name in MADE],
        *[(f"secrets: [{name}]", "secrets", f"{name}, which is made for shop",
           "names of the application's own", f"secrets set SHOP_{name}") for name in MADE],
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_application(
    tmp_path: Path, app: str, key: str, found: str, expected: str, remedy: str
) -> None:
    [problem] = refused(tmp_path, f"apps: {{shop: {{{app}}}}}")
    assert problem.key == f"settings.apps.shop.{key}"
    assert problem.found == found
    assert expected in problem.expected
    assert remedy in problem.remedy


@pytest.mark.parametrize("name", [*sorted(RESERVED_NAMES), "Shop", "1shop", "my-shop", "x" * 32])
def test_names_that_no_application_may_have(tmp_path: Path, name: str) -> None:
    [problem] = refused(tmp_path, f"apps: {{{name}: {{}}}}")
    assert (problem.key, problem.found) == (f"settings.apps.{name}", f'the name "{name}"')
    assert "not one of the system's own" in problem.expected
    assert problem.remedy == "rename it, or remove it"


def test_names_that_php_fpm_has_already_are_among_them() -> None:
    """A pool of ours, and the section that is none."""
    assert {"chom", "global"} <= RESERVED_NAMES


@pytest.mark.parametrize("secret", ["SMTP_PASSWORD", "METRICS_PASSWORD", "LOGS_PASSWORD"])
def test_no_application_can_ask_for_a_secret_of_ours(tmp_path: Path, secret: str) -> None:
    name, _, key = secret.lower().partition("_")
    problems = refused(tmp_path, f"apps: {{{name}: {{secrets: [{key.upper()}]}}}}")
    assert [each.key for each in problems] == [f"settings.apps.{name}"]


def test_the_default_php_is_one_of_those_that_there_are(tmp_path: Path) -> None:
    [problem] = refused(tmp_path, 'php: {versions: ["8.4"], default: "8.2"}')
    assert problem.key == "settings.php.default"
    assert problem.found == '"8.2", which is not in php.versions'
    assert (problem.expected, "php.versions" in problem.remedy) == ("one of: 8.4", True)


def test_no_version_at_all_is_one_problem(tmp_path: Path) -> None:
    [problem] = refused(tmp_path, "php: {versions: []}, apps: {shop: {php: '8.4'}}")
    assert problem.key == "settings.php.versions"


@pytest.mark.parametrize(
    ("one", "two", "what"),
    [
        ("domain: _", "domain: _", "every name"),
        ("domain: a.org b.org", "domain: c.org b.org", "b.org"),
        ("domain: A.org", "domain: a.ORG", "a.org"),
        ("domain: '*.a.org'", "domain: '*.a.org'", "*.a.org"),
    ],
)
def test_one_name_is_of_one_application(tmp_path: Path, one: str, two: str, what: str) -> None:
    [problem] = refused(tmp_path, f"apps: {{shop: {{{one}}}, blog: {{{two}}}}}")
    assert problem.key == "settings.apps.blog.domain"
    assert problem.found == f"{what}, which shop answers to"
    assert "host names of its own" in problem.expected and "shop.example.org" in problem.remedy


def test_two_that_say_nothing_of_names_are_told_where_they_stand(tmp_path: Path) -> None:
    """Not in the defaults, which say nothing of applications."""
    [problem] = refused(tmp_path, "apps: {shop: {}, blog: {}}")
    assert (problem.key, problem.found) == (
        "settings.apps.blog",
        "every name, which shop answers to",
    )


@pytest.mark.parametrize(
    "apps",
    [
        "shop: {secrets: [EU_TOKEN]}, shop_eu: {domain: b.org, secrets: [TOKEN]}",
        "shop: {}, shop_db: {domain: b.org, secrets: [PASSWORD]}",
        "shop_db: {domain: b.org, secrets: [PASSWORD]}, shop: {}",
    ],
)
def test_one_secret_is_of_one_application(tmp_path: Path, apps: str) -> None:
    [problem] = refused(tmp_path, f"apps: {{{apps}}}")
    assert problem.key.endswith(".secrets")
    assert "whose value would be the secret SHOP_" in problem.found
    assert "another name" in problem.remedy


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    apps = "shop: {path: /nowhere, php: '8.2'}, blog: {domain: _, secrets: [APP_KEY]}"
    assert {each.key for each in refused(tmp_path, f"apps: {{{apps}}}")} == {
        "settings.apps.shop.path",
        "settings.apps.shop.php",
        "settings.apps.blog.domain",
        "settings.apps.blog.secrets",
    }


def test_a_targets_own_applications_go_before_the_common_ones(tmp_path: Path) -> None:
    own = "apps: {shop: {children: 9}, blog: {domain: blog.org}}"
    text = inventory("apps: {shop: {domain: shop.org, children: 3}}").replace(
        "address: 10.9.0.21", f"address: 10.9.0.21, settings: {{{own}}}"
    )
    apps = configuration(tmp_path, text).targets["vpsmanager"].apps
    assert list(apps) == ["shop", "blog"]
    assert (apps["shop"].domain, apps["shop"].children) == ("shop.org", 9)


def test_a_problem_of_a_target_is_told_there(tmp_path: Path) -> None:
    own = "apps: {blog: {domain: shop.org}}"
    text = inventory("apps: {shop: {domain: shop.org}}").replace(
        "address: 10.9.0.21", f"address: 10.9.0.21, settings: {{{own}}}"
    )
    with pytest.raises(ConfigurationError) as refusal:
        configuration(tmp_path, text)
    [problem] = refusal.value.problems
    assert problem.key == "targets.vpsmanager.settings.apps.blog.domain"


def test_without_any_there_is_a_page_of_our_own(tmp_path: Path) -> None:
    targets = configuration(tmp_path).targets
    assert list(targets["vpsmanager"].apps) == ["laravel"]
    assert targets["vpsmanager"].apps["laravel"].source == "page"
    assert targets["observability"].apps == {}


def test_the_observability_target_has_none(tmp_path: Path) -> None:
    text = inventory("apps: {shop: {domain: shop.org}}")
    assert configuration(tmp_path, text).targets["observability"].apps == {}


@pytest.mark.parametrize("written", ["{shop: }", "{shop: {workers: }}"])
def test_an_application_without_content_is_one(tmp_path: Path, written: str) -> None:
    app = target(tmp_path, f"apps: {written}").apps["shop"]
    assert (app.domain, app.workers.count, app.source) == ("_", 0, "page")


def test_a_folder_starts_at_the_project(tmp_path: Path) -> None:
    app = target(tmp_path, "apps: {shop: {path: tests/apps/shop}}").apps["shop"]
    assert app.source == "path"


@pytest.mark.parametrize(
    ("written", "text"),
    [("1", "1"), ("1.5", "1.5"), ("true", "true"), ("'no'", "no"), ("false", "false"), ("''", "")],
)
def test_numbers_and_switches_are_text_in_an_environment(
    tmp_path: Path, written: str, text: str
) -> None:
    app = target(tmp_path, f"apps: {{shop: {{environment: {{X: {written}}}}}}}").apps["shop"]
    assert app.environment == {"X": text}


@pytest.mark.parametrize("value", ["true", "''", "60", '"120"'])
def test_what_can_be_no_secret_may_have_any_name(tmp_path: Path, value: str) -> None:
    settings = f"apps: {{shop: {{environment: {{PASSWORD_TIMEOUT: {value}}}}}}}"
    assert "PASSWORD_TIMEOUT" in target(tmp_path, settings).apps["shop"].environment


def test_each_application_has_its_php(tmp_path: Path) -> None:
    made = target(
        tmp_path,
        'php: {versions: ["8.3", "8.4"], default: "8.4"},'
        ' apps: {shop: {}, old: {domain: old.org, php: "8.3"}}',
    )
    assert [made.php_of(app) for app in made.apps.values()] == ["8.4", "8.3"]


def test_without_a_default_the_first_php_is_it(tmp_path: Path) -> None:
    made = target(tmp_path, 'php: {versions: ["8.3", "8.4"]}')
    assert made.settings.php.default_version == "8.3"


def test_there_is_no_page_of_a_name_that_no_application_has(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="vpsmanager has no page blog"):
        target(tmp_path, "apps: {shop: }").page("blog")


# HTTPS


def test_each_application_needs_a_name_for_a_certificate(tmp_path: Path) -> None:
    apps = "apps: {shop: {domain: shop.org}, blog: {domain: blog}}"
    [problem] = refused(tmp_path, f"{LETSENCRYPT}, {apps}")
    assert problem.key == "settings.apps.blog.domain"
    assert "blog, a name without a domain" in problem.found
    assert "apps.blog.domain" in problem.remedy


def test_one_that_says_nothing_of_its_name_is_called_by_its_own(tmp_path: Path) -> None:
    apps = "apps: {blog: {domain: blog.org}, shop: {}}"
    [problem] = refused(tmp_path, f"{LETSENCRYPT}, {apps}")
    assert problem.key == "settings.tls.mode"
    assert "gives no certificate for every name, and apps.shop.domain is" in problem.found


# Whom git asks


@pytest.mark.parametrize(
    ("repository", "server"),
    [
        ("git@github.com:a/b.git", "github.com"),
        ("ssh://git@github.com/a/b.git", "github.com"),
        ("ssh://git@github.com:22/a", "github.com"),
        ("ssh://git@github.com:2222/a", "[github.com]:2222"),
        ("ssh://github.com/a", "github.com"),
        ("https://github.com/a/b", None),
        ("https://github.com:8443/a/b", None),
        ("git://github.com/a", None),
    ],
)
def test_the_server_is_named_as_known_hosts_has_it(repository: str, server: str | None) -> None:
    assert ssh_host(repository) == server


def test_what_is_to_be_written_of_a_server_is_yaml(tmp_path: Path) -> None:
    [problem] = refused(tmp_path, "apps: {shop: {repository: 'ssh://git@git.acme.org:2222/a'}}")
    [line] = re.findall("`(.*)`", problem.remedy)
    assert yaml.safe_load(line) == {"[git.acme.org]:2222": "ssh-ed25519 …"}


@pytest.mark.parametrize(
    "repository",
    [
        "git@host:/srv/x.git",
        "git@github.com:acme/größe.git",
        "org-1234@github.com:acme/shop.git",
        "git@ssh.dev.azure.com:v3/acme/the%20shop/the%20shop",
        "https://dev.azure.com/acme/_git/the%20shop",
        "ssh://APKA1@git-codecommit.eu-west-1.amazonaws.com/v1/repos/shop",
        "git@git.sr.ht:~acme/shop",
        "ssh://git@git.acme.org:2222/~acme/shop+more.git",
    ],
)
def test_repositories_as_git_takes_them(tmp_path: Path, repository: str) -> None:
    host = (ssh_host(repository) or "github.com").lower()
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA"
    apps = f"apps: {{shop: {{repository: '{repository}'}}}}"
    made = target(tmp_path, f"git: {{host_keys: {{'{host}': {key}}}}}, {apps}")
    assert made.apps["shop"].repository == repository


BRANCHES = ["feature/#123", "x/@babel/y", "größe", "v1.0", "a'b$(c)", "日本", "a-b", "a" * 250]
NO_BRANCHES = ["a..b", "a@{1}", "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a~1", "a^", "a:b",
               "a?", "a*", "a[", "a\\b", "@", "a.", "-a", "refs/heads/a", "a\tb", "",
               "a" * 251]  # fmt: skip


@pytest.mark.parametrize("branch", BRANCHES)
def test_branches_as_git_takes_them(tmp_path: Path, branch: str) -> None:
    quoted = json.dumps(branch)
    assert target(tmp_path, f"apps: {{shop: {{branch: {quoted}}}}}").apps["shop"].branch == branch


@pytest.mark.parametrize("branch", NO_BRANCHES)
def test_what_git_takes_for_no_branch_is_refused(tmp_path: Path, branch: str) -> None:
    [problem] = refused(tmp_path, f"apps: {{shop: {{branch: {json.dumps(branch)}}}}}")
    assert problem.key == "settings.apps.shop.branch" and "in quotes" in problem.remedy


@pytest.mark.parametrize("branch", [*BRANCHES, *NO_BRANCHES])
def test_git_itself_agrees(branch: str) -> None:
    """But for the full name of a branch, for @, which it expands, and for very long names."""
    said = subprocess.run(["git", "check-ref-format", "--branch", branch], capture_output=True)
    taken = (
        said.returncode == 0
        and not branch.startswith("refs/")
        and len(branch) <= 250
        and branch != "@"
    )
    assert taken == (branch in BRANCHES)


def test_a_long_value_is_no_problem_until_it_is_too_long(tmp_path: Path) -> None:
    value = "x" * 9000
    app = target(tmp_path, f"apps: {{shop: {{environment: {{LONG: {value}}}}}}}").apps["shop"]
    assert app.environment == {"LONG": value}
    too_long = "x" * 65_537
    [problem] = refused(tmp_path, f"apps: {{shop: {{environment: {{LONG: {too_long}}}}}}}")
    assert "on one line of at most 65536 characters" in problem.expected


def test_a_server_of_ones_own_is_known_once_its_key_is_written(tmp_path: Path) -> None:
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA"
    apps = "apps: {shop: {repository: 'ssh://git@git.acme.org:2222/a', deploy_key: true}}"
    made = target(tmp_path, f"git: {{host_keys: {{'[git.acme.org]:2222': {key}}}}}, {apps}")
    assert made.apps["shop"].source == "repository"
    assert "github.com" in made.settings.git.host_keys


@pytest.mark.parametrize(
    ("app", "setting", "secret"),
    [
        ("logs_password", "secrets: [WEB]", "LOGS_PASSWORD_WEB"),
        ("metrics_tls", "secrets: [KEY_WEB]", "METRICS_TLS_KEY_WEB"),
        ("redis_exporter_password", "secrets: [WEB]", "REDIS_EXPORTER_PASSWORD_WEB"),
    ],
)
def test_no_application_can_have_the_secret_of_a_target(
    tmp_path: Path, app: str, setting: str, secret: str
) -> None:
    problems = refused(tmp_path, f"apps: {{{app}: {{{setting}}}}}")
    assert [each.key for each in problems if f"the secret {secret}" in each.found] == [
        f"settings.apps.{app}.secrets"
    ]


def test_no_secret_made_for_an_application_has_the_name_of_a_targets(tmp_path: Path) -> None:
    problems = refused(tmp_path, "apps: {redis_password: {}}")
    assert {each.key for each in problems} == {"settings.apps.redis_password"}
    assert "REDIS_PASSWORD_APP_KEY" in problems[0].found


@pytest.mark.parametrize("name", sorted(RESERVED_TARGETS))
def test_names_that_no_target_may_have(tmp_path: Path, name: str) -> None:
    text = inventory("apps: {}").replace("vpsmanager: {role", f"{name}: {{role")
    assert f"{name}: {{role" in text
    with pytest.raises(ConfigurationError) as refusal:
        configuration(tmp_path, text)
    (problem,) = refusal.value.problems
    assert problem.key == f"targets.{name}" and "none of fake, index and" in problem.expected
