"""Laravel applications: where each comes from, where it answers, and what runs beside its pages."""

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from configs.values import (
    EMPTY_IS_FINE,
    PHP_VERSION,
    SERVER_NAME,
    Model,
    PathText,
    PhpVersion,
    ServerName,
    setting,
)

# user@host:path, as git and the forges write it; or a URL. No password: it would be told to all.
_USER = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
# Without blanks and what nobody sees, and without @, before which a password may stand.
_PATH = r"[^\s\x00-\x1f\x7f-\xa0\u2028\u2029@?#\\]+"
_SCP = rf"{_USER}@[A-Za-z0-9][A-Za-z0-9.-]*:{_PATH}"
_URL = rf"(ssh://({_USER}@)?|https?://|git://)[A-Za-z0-9\[][A-Za-z0-9.\[\]:-]*/{_PATH}"
_REPOSITORY = re.compile(rf"{_SCP}|{_URL}")
# git check-ref-format(1); git would take what begins with - for an option.
_NO_REF = re.compile(
    r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/]|[/.]$|(^|/)\.|\.lock(/|$)|^@$|^refs/"
)
# One line of .env; some hold a certificate or a key.
MAX_VALUE = 65_536
REPOSITORY = "a repository such as git@github.com:acme/shop.git, without a password"
# Where folders of an operator's own are; systemd would take a blank for the end of a path.
_WRITABLE_PATH = r"^/(mnt|media|srv|opt|data)(/[A-Za-z0-9_][A-Za-z0-9._-]*)+$"
WRITABLE_PATHS = "paths of folders below /mnt, /media, /srv, /opt or /data, without blanks"
ENVIRONMENT = (
    "NAME: value, each name of capital letters, digits and underscores, each value on one line of"
    f" at most {MAX_VALUE} characters"
)
URL_PATH = "a path that begins with /, such as /up"


def _repository(text: str) -> str:
    if not _REPOSITORY.fullmatch(text):
        raise ValueError("no repository")
    if "://" in text:
        _ = urlsplit(text).port  # which raises ValueError for what is none
    return text


def _ref(text: str) -> str:
    if _NO_REF.search(text) or not text.isprintable():
        raise ValueError("no name that git takes")
    return text


def _as_text(value: Any) -> Any:
    """What an environment can hold: text; YAML's numbers, true and false as they were written."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


Repository = Annotated[str, Field(max_length=1024), AfterValidator(_repository)]
Branch = Annotated[str, Field(min_length=1, max_length=250), AfterValidator(_ref)]
Revision = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,99}$")]
_OneLine = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=MAX_VALUE)]
EnvironmentValue = Annotated[
    _OneLine,
    BeforeValidator(_as_text, json_schema_input_type=_OneLine | bool | int | float),
]
UrlPath = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._~/-]*$", max_length=255)]
WritablePath = Annotated[str, Field(pattern=_WRITABLE_PATH, max_length=255)]
Queues = Annotated[str, Field(pattern=r"^[A-Za-z0-9_:-]+(,[A-Za-z0-9_:-]+)*$", max_length=255)]


class Workers(Model):
    """Who works off the queue: `artisan queue:work` as systemd units."""

    count: int = setting("How many at once.", default=0, ge=0, le=64)
    queues: Queues = setting(
        "The queues, the first one first, separated by commas.",
        default="default",
        expected="names of queues, separated by commas without blanks",
        remedy="write the names as your code has them, such as high,default",
    )
    tries: int = setting("How often a job is tried before it has failed.", default=3, ge=1, le=1000)
    timeout_s: int = setting(
        "The longest that a job may take, in seconds; a deployment waits for it at most as long.",
        default=60,
        ge=1,
        le=86_400,
    )
    memory_mb: int = setting(
        "The most memory of one worker, in MiB: with more it ends after its job and a new one "
        "starts; with half as much again systemd ends it.",
        default=128,
        ge=32,
        le=65_536,
    )


class App(Model):
    """One Laravel application. With neither repository nor path: a page of our own."""

    repository: Repository | None = setting(
        "Its git repository.",
        default=None,
        expected=REPOSITORY,
        remedy="write it as `git clone` takes it: user@host:path, ssh://, https:// or git://; a"
        " blank in a path is %20; a key belongs into the secrets, see deploy_key",
    )
    branch: Branch = setting(
        "The branch, or the tag, that is deployed.",
        default="main",
        expected="the name of a branch or a tag, without refs/heads/ or the name of a remote",
        remedy="write it in quotes, as git shows it; a commit belongs into revision",
    )
    revision: Revision | None = setting(
        "The commit that is deployed instead of the newest one of the branch.",
        default=None,
        expected="the 40 hexadecimal digits of a commit",
        remedy="write what `git rev-parse` prints, in quotes",
    )
    deploy_key: bool = setting(
        "Whether git logs in with a key: the secret <APP>_DEPLOY_KEY, an OpenSSH private key.",
        default=False,
    )
    path: PathText | None = setting(
        "Its folder on this computer, instead of a repository; a relative path starts at the "
        "project's folder.",
        default=None,
        expected="the path of a folder",
        remedy="write the path of the folder that holds composer.json and artisan",
    )
    domain: ServerName = setting(
        "The host names it answers to, separated by spaces; _ answers to every name.",
        default="_",
        expected=SERVER_NAME,
        remedy="write the site's host name, such as shop.example.org, or _",
    )
    php: PhpVersion | None = setting(
        "Its PHP, one of php.versions; without it the default one.",
        default=None,
        expected=PHP_VERSION,
        remedy='write the version in quotes, such as "8.4"',
    )
    children: int | None = setting(
        "How many requests are served at once; without it its share of the memory.",
        default=None,
        ge=1,
        le=4096,
    )
    workers: Annotated[Workers, EMPTY_IS_FINE] = setting(
        "Who works off the queue.", default_factory=Workers
    )
    scheduler: bool = setting("Whether `artisan schedule:run` runs every minute.", default=False)
    environment: dict[EnvironmentName, EnvironmentValue] = setting(
        "Further lines of .env, as NAME: value; never a secret.",
        default_factory=dict,
        expected=ENVIRONMENT,
        remedy="write NAME: value, in quotes where it is no word or number",
    )
    secrets: tuple[EnvironmentName, ...] = setting(
        "Names of further lines of .env whose values are secrets: NAME is the secret <APP>_NAME.",
        default=(),
        strict=False,
        expected="a list of names such as STRIPE_SECRET",
        remedy="write the names alone; python -m configs secrets set keeps the values",
    )
    health: UrlPath = setting(
        "The page that answers 200 if, and only if, the application works.",
        default="/up",
        expected=URL_PATH,
        remedy="write the path of a page that needs no login; Laravel 11 and newer have /up",
    )
    login_paths: tuple[UrlPath, ...] = setting(
        "Where passwords are sent to: each visitor may try ten times a minute.",
        default=("/login",),
        strict=False,
        expected="a list of paths such as /login",
        remedy="write each path as the form has it",
    )
    writable_paths: tuple[WritablePath, ...] = setting(
        "Further folders of the server that it may write to, beside its storage.",
        default=(),
        strict=False,
        expected=WRITABLE_PATHS,
        remedy="write the folder's path, such as /mnt/uploads, and give it to the application's "
        "user on the server",
    )
    maintenance: bool = setting(
        "Whether visitors get a page that says so (503) instead of the application.", default=False
    )
    maintenance_pauses_jobs: bool = setting(
        "Whether workers and scheduler pause while `maintenance` is true.", default=True
    )
    keep_releases: int = setting(
        "How many good releases stay on the server, the one in use included.",
        default=5,
        ge=2,
        le=100,
    )
    keep_dumps: int = setting(
        "How many dumps of the database stay, of those that are made before it is migrated.",
        default=5,
        ge=1,
        le=100,
    )

    @property
    def source(self) -> Literal["repository", "path", "page"]:
        """Where it comes from."""
        if self.repository:
            return "repository"
        return "path" if self.path else "page"
