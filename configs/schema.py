"""What can be set: the one description that validates, explains and publishes the settings.

Units are in the names. A `None` among the settings means "follow the detected hardware".
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from configs.apps import App
from configs.pages import Page
from configs.paths import resolved
from configs.values import (
    ADDRESS,
    EMAIL,
    EMPTY_IS_FINE,
    NAME,
    PACKAGE_VERSION,
    PACKAGE_VERSION_MEANING,
    SERVER_NAME,
    SINCE_PHP_8_1,
    URL,
    Address,
    ApplicationName,
    EmailAddress,
    Fingerprint,
    GitHost,
    HostKey,
    Megabytes,
    Model,
    Name,
    Network,
    PackageVersion,
    PathText,
    Percent,
    PhpVersion,
    PluginId,
    Port,
    ServerName,
    Sha256,
    TlsMode,
    Url,
    UserName,
    setting,
)

# The application of a target that was given none.
OWN_PAGE = "laravel"

Role = Literal["observability", "vpsmanager"]
Architecture = Literal["amd64", "arm64"]
Eviction = Literal[
    "noeviction",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
]


class Ssh(Model):
    """How a target is reached."""

    user: str = setting(
        "The user to log in as.",
        expected="a Linux user name, such as root or deploy",
        remedy="write the user that may log in with the key",
        default="root",
        pattern=r"^[a-z_][a-z0-9_-]{0,31}$",
    )
    port: Port = setting(
        "The port sshd listens on.",
        remedy="write the port sshd listens on, usually 22",
        default=22,
    )
    key: PathText = setting(
        "The private key; a relative path starts at the project's folder.",
        expected="the path of a private key file",
        remedy="write the path of the private key, usually keys/chom_deploy_key",
        default="keys/chom_deploy_key",
    )
    known_hosts: PathText = setting(
        "The file of known host keys; a relative path starts at the project's folder.",
        expected="the path of a known_hosts file",
        remedy="write the path of the known_hosts file, usually ~/.ssh/known_hosts",
        default="~/.ssh/known_hosts",
    )
    config: PathText | None = setting(
        "OpenSSH's configuration file for the way to the target, as of `ssh -F`; without it: "
        "~/.ssh/config and the system's. A relative path starts at the project's folder.",
        expected="the path of an ssh_config file",
        remedy="write the path of the file, or leave it out for ~/.ssh/config",
        default=None,
    )
    sudo: bool = setting(
        "Whether to become root with sudo; without it: true unless the user is root.",
        default_factory=lambda fields: fields["user"] != "root",
    )
    sudo_password: bool = setting(
        "Whether sudo asks for a password; the password itself is never written here.",
        remedy="write true if sudo asks this user for a password, else false; "
        "the password itself never belongs in this file",
        default=False,
    )

    @property
    def key_path(self) -> Path:
        """The private key as a path that does not depend on the current folder."""
        return resolved(self.key)

    @property
    def known_hosts_path(self) -> Path:
        """The known_hosts file as a path that does not depend on the current folder."""
        return resolved(self.known_hosts)

    @property
    def config_path(self) -> Path | None:
        """OpenSSH's configuration file as such a path; None for ssh's own choice."""
        return resolved(self.config) if self.config else None


class Specs(Model):
    """What a target is said to have; optional, compared with what is detected."""

    cpu: int | None = setting("Processor cores.", default=None, ge=1, le=4096)
    memory_mb: Megabytes | None = setting("Memory in MiB.", default=None)
    disk_gb: int | None = setting("Disk in GiB.", default=None, ge=1, le=1_048_576)


class AptSettings(Model):
    """Debian packages."""

    cache_hours: int = setting(
        "How old the package lists may be, in hours; 0 refreshes them every time.", ge=0, le=8760
    )
    unattended_upgrades: bool = setting("Whether security updates install themselves.")
    security_updates_first: bool = setting(
        "Whether the first deploy to a server installs Debian's pending security updates."
    )
    lock_timeout_s: int = setting(
        "How long to wait for another apt to finish, in seconds.", ge=0, le=3600
    )
    mirror: Url | None = setting(
        "Base URL of a Debian mirror; null keeps the machine's own.",
        expected=URL,
        remedy="write the mirror's base URL, such as http://mirror.example.com/debian, or null",
    )


class NetworkSettings(Model):
    """Who may reach what."""

    admin_networks: tuple[Network, ...] = setting(
        "Networks that may open the Prometheus and Alertmanager pages.",
        strict=False,
        expected="a list of networks such as 10.1.0.0/16 or 2a00:1450::/32, no bits set after "
        "the prefix",
        remedy="write each network as address/prefix, a single address as it is",
    )


class Requirement(Model):
    """The least a target must have."""

    memory_mb: Megabytes = setting("The least memory, in MiB.")
    free_disk_mb: Megabytes = setting("The least free space on /, /var and /var/lib each, in MiB.")


class PreflightSettings(Model):
    """The least each role needs; a target with less is refused before anything changes."""

    observability: Requirement
    vpsmanager: Requirement

    def of(self, role: Role) -> Requirement:
        """The requirement of one role."""
        return self.observability if role == "observability" else self.vpsmanager


class ExporterSettings(Model):
    """What tells Prometheus of one program on the target."""

    port: Port = setting("The port of its metrics page.")


class NodeExporterSettings(ExporterSettings):
    """The machine's metrics."""


class NginxExporterSettings(ExporterSettings):
    """The web server's metrics."""


class RequestMetricsSettings(ExporterSettings):
    """What Nginx answered and how long it took, which Nginx shows."""


class MysqldExporterSettings(ExporterSettings):
    """The database's metrics."""


class PhpfpmExporterSettings(ExporterSettings):
    """PHP-FPM's metrics, which Nginx shows."""


class RedisExporterSettings(ExporterSettings):
    """The cache's metrics."""


class BlackboxExporterSettings(ExporterSettings):
    """What looks at the applications' pages; on loopback."""


class PrometheusSettings(Model):
    """The metrics database: an upstream release, proven by its checksum."""

    version: str = setting(
        "The release; pinned: that of configs/versions.yaml.",
        expected='pinned, or a release number in quotes, such as "3.13.2"',
        remedy='write pinned, or the release number in quotes, such as "3.13.2", with its sha256',
        pattern=r"^(pinned|[0-9]+\.[0-9]+\.[0-9]+(-rc\.[0-9]+)?)$",
    )
    base_url: Url = setting(
        "Where releases are fetched: v<version>/prometheus-<version>.linux-<architecture>.tar.gz "
        "below it.",
        expected=URL,
        remedy="write the folder that holds the v<version> folders of the releases",
    )
    sha256: dict[Architecture, Sha256] = setting(
        "SHA-256 of the tarball of each architecture, for a version that is not the pinned one.",
        expected="64 hexadecimal digits in small letters for amd64, arm64 or both",
        remedy="copy the checksums from sha256sums.txt on the release's page",
        min_length=1,
    )
    port: Port = setting("The port of its page.")
    retention_days: int = setting("How long metrics are kept, in days.", ge=1, le=3650)
    retention_size_mb: Megabytes | None = setting(
        "The most disk the metrics may take, in MiB; null follows the disk."
    )
    scrape_interval_s: int = setting("Seconds between two scrapes.", ge=1, le=300)


class AptRepository(Model):
    """A vendor's signed apt repository."""

    url: Url = setting(
        "Its base URL, or that of a mirror of it.",
        expected=URL,
        remedy="write the URL as the vendor's page shows it",
    )
    key_url: Url = setting(
        "Where its key is.", expected=URL, remedy="write the URL as the vendor's page shows it"
    )
    fingerprints: tuple[Fingerprint, ...] = setting(
        "Of the keys that may sign it; other keys in the vendor's file are dropped.",
        strict=False,
        min_length=1,
        expected="a list of fingerprints of 40 hexadecimal digits in capitals",
        remedy="write the fingerprints that the vendor publishes, without spaces",
    )
    unattended_upgrades: bool = setting(
        "Whether unattended-upgrades installs what it publishes, where apt.unattended_upgrades is "
        "true; packages that are pinned to a version stay as they are."
    )


class LokiSettings(Model):
    """The log database."""

    version: PackageVersion = setting(
        PACKAGE_VERSION_MEANING,
        expected=PACKAGE_VERSION,
        remedy="write pinned, latest, or the version as the repository has it",
    )
    port: Port = setting("The port that Grafana asks, on its own machine alone.")
    push_port: Port = setting("The port that log shippers write to, by TLS and with a password.")
    retention_days: int = setting("How long logs are kept, in days.", ge=1, le=3650)


class GrafanaSettings(Model):
    """The dashboards."""

    version: PackageVersion = setting(
        PACKAGE_VERSION_MEANING,
        expected=PACKAGE_VERSION,
        remedy="write pinned, latest, or the version as the repository has it",
    )
    port: Port = setting("The port of its page, on its own machine alone; Nginx is before it.")
    data_sources: tuple[PluginId, ...] = setting(
        "Ids of data sources of its package that are used beside Prometheus, Loki and Alertmanager;"
        " the others are disabled, as each takes memory.",
        strict=False,
        expected="a list of ids such as mysql or grafana-postgresql-datasource",
        remedy="write the ids as Grafana's page of plugins has them",
    )


class LogsSettings(Model):
    """What ships every target's logs to Loki."""

    shipper: Literal["alloy", "promtail"] = setting(
        "The program; Promtail gets no more updates from its makers."
    )
    version: PackageVersion = setting(
        PACKAGE_VERSION_MEANING,
        expected=PACKAGE_VERSION,
        remedy="write pinned, latest, or the version as the repository has it",
    )
    port: Port = setting("The port of its own metrics page.")


class SmtpSettings(Model):
    """The mail server that takes the alerts; its password is the secret SMTP_PASSWORD."""

    host: Address | None = setting(
        "The mail server; null: no mail is sent.",
        expected=ADDRESS,
        remedy="write the mail server's address, such as smtp.example.org, or null",
    )
    port: Port = setting("The port it takes mail on, usually 587.")
    username: UserName | None = setting(
        "The user to log in as; null: no login.",
        expected="a user name of at most 320 characters on one line",
        remedy="write the user name in quotes, or null to send without a login",
    )
    sender: EmailAddress | None = setting(
        "The address that mail comes from; null: the username, which must then be one.",
        expected=EMAIL,
        remedy="write the address alone, without a name, or null",
    )
    starttls: bool = setting("Whether to refuse to send without TLS.")


class AlertmanagerSettings(Model):
    """The sender of alerts."""

    port: Port = setting("The port of its page.")
    email_to: tuple[EmailAddress, ...] = setting(
        "Who gets alerts by mail.",
        strict=False,
        expected=f"a list, each item {EMAIL}",
        remedy="write each address alone, without a name, such as [alerts@example.org]",
    )
    watchdog_url: Url | None = setting(
        "What is posted to every few minutes while alerts get out; null: nothing. A service "
        "outside tells you once that stops.",
        expected=URL,
        remedy="write the URL that the service gives you for this check, or null",
    )


class AlertingSettings(Model):
    """When an alert fires, for all targets; only the observability target's are looked at."""

    disk_free_percent: Percent = setting(
        "The least free room, and the least free inodes, of a file system in percent; half of it "
        "is critical."
    )
    memory_available_percent: Percent = setting("The least available memory, in percent.")
    load_per_cpu: float = setting("The highest load average of each vCPU.", ge=0.1, le=1000)
    limit_percent: Percent = setting(
        "How much of a limit may be used, in percent: connections of MariaDB and Nginx, the room "
        "of Redis and of Prometheus."
    )
    slow_s: int = setting("Seconds after which a page or a request is slow.", ge=1, le=300)
    slow_per_minute: float = setting(
        "How many slow requests, or slow queries, there may be in a minute.", ge=0, le=1_000_000
    )
    server_error_percent: Percent = setting(
        "How many of Nginx' answers may be 5xx, in percent, where there are 20 a minute at least."
    )
    queue_jobs: int = setting(
        "How many jobs of an application may wait for long.", ge=1, le=1_000_000_000
    )
    availability_percent: float = setting(
        "How much of 30 days an application must answer, in percent.", ge=95, le=99.99
    )
    certificate_days: int = setting(
        "How long a certificate must still be good, in days; a quarter of it is critical.",
        ge=1,
        le=365,
    )
    time_factor: float = setting(
        "Times every waiting time and window of alerts and their mail: less than 1 for drills.",
        ge=0.0001,
        le=10,
    )


class NginxSettings(Model):
    """The web server."""

    worker_connections: int = setting("Connections per worker.", ge=16, le=65535)
    connections_per_client: int = setting(
        "Connections, or requests of HTTP/2, that one client may have at once: an IPv4 address or "
        "an IPv6 /64. Raise it if visitors come through a proxy of few addresses.",
        ge=16,
        le=65535,
    )
    requests_per_client: int = setting(
        "Requests that one client may send to PHP per second, and twice as many in a burst. Raise "
        "it if visitors come through a proxy of few addresses.",
        ge=1,
        le=100000,
    )
    client_max_body_mb: int = setting("The largest upload, in MiB.", ge=1, le=10240)


class PhpSettings(Model):
    """PHP-FPM."""

    versions: tuple[PhpVersion, ...] = setting(
        "The PHP versions, side by side; one that is taken out of the list is removed.",
        strict=False,
        min_length=1,
        expected=f'a list of PHP versions in quotes, such as ["8.4"], {SINCE_PHP_8_1}',
        remedy='write each version in quotes, such as ["8.4", "8.3"]',
    )
    default: PhpVersion | None = setting(
        "The version of the command php, and of applications that name none; null: the first.",
        expected='one of php.versions in quotes, such as "8.4"',
        remedy='write the version in quotes, such as "8.4", or null',
    )
    children: int | None = setting(
        "How many requests all applications together serve at once; null follows the memory.",
        ge=1,
        le=4096,
    )
    child_memory_mb: int = setting("Memory counted for one child, in MiB.", ge=8, le=8192)

    @property
    def default_version(self) -> str:
        """That of the command php."""
        return self.default or self.versions[0]


class MariadbSettings(Model):
    """The database."""

    innodb_buffer_pool_mb: int | None = setting(
        "Memory for InnoDB's buffer pool, in MiB; null follows the memory.", ge=16, le=16_777_216
    )
    max_connections: int = setting("Connections at once.", ge=10, le=100_000)


class RedisSettings(Model):
    """Two for each application: one for jobs and sessions, which are kept, one for the cache."""

    queue_memory_mb: int | None = setting(
        "The most memory for jobs and sessions, in MiB, shared equally by the applications; null"
        " follows the memory.",
        ge=4,
        le=16_777_216,
    )
    cache_memory_mb: int | None = setting(
        "The most memory for caches, in MiB, shared as that is; null follows the memory.",
        ge=4,
        le=16_777_216,
    )
    cache_eviction: Eviction = setting("What is dropped when the cache is full (maxmemory-policy).")


class GitSettings(Model):
    """Where repositories are."""

    host_keys: dict[GitHost, HostKey] = setting(
        "The SSH host key of each git server; another one is refused.",
        expected="a server's name and its key, such as ssh-ed25519 AAAA…",
        remedy="write SERVER: key as the server's makers publish it; ssh-keyscan -t ed25519 SERVER "
        "shows what answers now",
    )


class PortalSettings(Model):
    """The observability target's page, with Grafana below it."""

    server_name: ServerName = setting(
        "The host names it answers to, separated by spaces; _ answers to every name.",
        expected=SERVER_NAME,
        remedy="write the page's host name, such as status.example.org, or _",
    )


class TlsSettings(Model):
    """HTTPS: of the application's page, and of the observability target's."""

    mode: TlsMode = setting(
        "off: plain HTTP. selfsigned: a certificate of our own, which browsers warn of. "
        "letsencrypt: one that they trust, for the names in server_name.",
        expected="off, selfsigned or letsencrypt",
        remedy="write letsencrypt if server_name names this server for everyone, else selfsigned",
    )
    email: EmailAddress | None = setting(
        "The email address of the account with Let's Encrypt.",
        expected=EMAIL,
        remedy="write the address alone, without a name, or null",
    )
    acme_url: Url = setting(
        "The ACME directory that certificates are asked of.",
        expected=URL,
        remedy="write the directory's URL as its makers publish it",
    )


class Settings(Model):
    """Everything that can be tuned, complete."""

    apt: AptSettings
    network: NetworkSettings
    preflight: PreflightSettings
    node_exporter: NodeExporterSettings
    nginx_exporter: NginxExporterSettings
    request_metrics: RequestMetricsSettings
    mysqld_exporter: MysqldExporterSettings
    phpfpm_exporter: PhpfpmExporterSettings
    redis_exporter: RedisExporterSettings
    blackbox_exporter: BlackboxExporterSettings
    prometheus: PrometheusSettings
    grafana_apt: AptRepository
    loki: LokiSettings
    grafana: GrafanaSettings
    logs: LogsSettings
    smtp: SmtpSettings
    alertmanager: AlertmanagerSettings
    alerting: AlertingSettings
    nginx: NginxSettings
    php_apt: AptRepository
    php: PhpSettings
    mariadb: MariadbSettings
    redis: RedisSettings
    git: GitSettings
    apps: dict[ApplicationName, Annotated[App, EMPTY_IS_FINE]] = setting(
        "The Laravel applications, each under its name, which is also that of its system user and "
        "its database; none: a page of our own.",
        expected="each application under a name of its own: 1 to 31 small letters, digits and "
        "underscores that begins with a letter and is not one of the system's own, such as root",
        remedy="name every application under `apps:`",
    )
    portal: PortalSettings
    tls: TlsSettings


class Entry(Model):
    """What is written of one target, over what holds for every target."""

    role: Role = setting(
        "What the target is for.", remedy="write observability (the one that watches) or vpsmanager"
    )
    address: Address = setting(
        "Where the target is reached.",
        expected=ADDRESS,
        remedy="write the server's address, as its provider shows it",
    )
    ssh: Ssh = setting("SSH of this target, over the common `ssh`.", default_factory=Ssh)
    specs: Specs | None = setting("What the target is said to have.", default=None)
    settings: Settings = setting("Settings of this target, over the common `settings`.")


class Target(Entry):
    """One server, with everything that is wanted of it."""

    name: Name

    @property
    def url_host(self) -> str:
        """The address as a URL has it: one of IPv6 in brackets."""
        return f"[{self.address}]" if ":" in self.address else self.address

    @property
    def apps(self) -> dict[str, App]:
        """Its applications by name; none on a target of another role."""
        if self.role != "vpsmanager":
            return {}
        return self.settings.apps or {OWN_PAGE: App()}

    @property
    def encrypted(self) -> bool:
        """Whether its public pages are served by HTTPS."""
        return self.settings.tls.mode != "off"

    @property
    def pages(self) -> list[Page]:
        """Its public pages: of the applications, or the portal."""
        if self.role == "observability":
            return [self._page("portal", self.settings.portal.server_name, "/healthz")]
        return [self._page(name, app.domain, app.health) for name, app in self.apps.items()]

    def page(self, name: str) -> Page:
        """One of its public pages; LookupError where there is none of that name."""
        try:
            return next(page for page in self.pages if page.name == name)
        except StopIteration:
            raise LookupError(f"{self.name} has no page {name}") from None

    def _page(self, name: str, server_name: str, health: str) -> Page:
        return Page(name, server_name, health, self.url_host, self.encrypted)

    @property
    def host_names(self) -> list[str]:
        """The names of all its public pages, once each, without wildcards."""
        return list(dict.fromkeys(name for page in self.pages for name in page.host_names))

    def php_of(self, app: App) -> str:
        """The PHP version of one of its applications."""
        return app.php or self.settings.php.default_version


class Inventory(Model):
    """The inventory with the defaults and the common sections merged into each target."""

    ssh: Ssh = setting("SSH of every target.", default_factory=Ssh)
    targets: Annotated[dict[Name, Entry], Field(min_length=1)] = setting(
        "The servers, each under its name.",
        expected=f"each server under a name of its own: {NAME}, and none of"
        " fake, index and shipper",
        remedy="name every server under `targets:`, with its role and address",
    )
    settings: Settings = setting("Settings of every target, over defaults.yaml.")
