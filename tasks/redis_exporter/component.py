"""redis_exporter: what Redis tells of itself, for the observability target alone."""

from dataclasses import replace

from tasks.component import Site, component
from tasks.metrics.component import PASSWORD as METRICS_PASSWORD
from tasks.metrics.component import USER
from tasks.metrics.exporter import SANDBOX, admit_observers, exporter, unit_of
from tasks.redis.users import ADMINISTRATOR
from tasks.redis.users import PASSWORD as REDIS_PASSWORD
from tasks.resources import credential, secret, secret_file


@component(
    needs=["base", "metrics", "redis"],
    packages=["prometheus-redis-exporter"],
    secrets=[METRICS_PASSWORD, REDIS_PASSWORD],
)
def redis_exporter(site: Site) -> None:
    """One for both Redis; it has TLS of its own kind, and its passwords from the environment."""
    port = site.settings.redis_exporter.port
    unit = unit_of("redis_exporter")
    admit_observers(site, port)
    passwords = secret_file(
        "/etc/chom/redis_exporter.env",
        "passwords.j2",
        mode="600",
        metrics_password=secret(METRICS_PASSWORD),
        redis_user=ADMINISTRATOR,
        redis_password=secret(REDIS_PASSWORD),
    )
    arguments = [
        f"-web.listen-address=:{port}",
        f"-tls-server-cert-file={credential('tls.crt', unit)}",
        f"-tls-server-key-file={credential('tls.key', unit)}",
        "-tls-server-min-version=TLS1.3",
        f"-basic-auth-username={USER}",
    ]
    sandbox = replace(SANDBOX, extra=[f"EnvironmentFile={passwords}"])
    exporter(site, port, arguments, runs=[passwords], sandbox=sandbox)
