"""redis_exporter: what Redis tells of itself, for the observability target alone."""

import json
from dataclasses import replace

from tasks.component import Site, component
from tasks.metrics.component import USER, login_of, secrets_of
from tasks.metrics.exporter import LOCAL, LOOPBACK, exporter, shown_by_nginx, unit_of
from tasks.redis.instances import instances, reaches_redis
from tasks.redis.users import EXPORTER, exporter_password
from tasks.resources import credential, secret, secret_file, secret_text

PASSWORDS = "/etc/chom/redis_exporter.json"
# Its page /scrape connects to any Redis that a request names: Nginx passes on our own alone.
INTERNAL_PORT = 19121


@component(
    needs=["base", "metrics", "redis"],
    packages=["prometheus-redis-exporter"],
    secrets=lambda target: [*secrets_of(target), exporter_password(target)],
)
def redis_exporter(site: Site) -> None:
    """One for all instances; it has TLS of its own kind, and its password from the environment.

    It sends a password only to the addresses in its password file.
    """
    unit = unit_of("redis_exporter")
    urls = {instance.full_name: instance.url for instance in instances(site.target)}
    shown_by_nginx(
        site,
        site.settings.redis_exporter.port,
        INTERNAL_PORT,
        "/scrape",
        parameter="target",
        values=urls,
    )
    password = secret_file(
        "/etc/chom/redis_exporter.env",
        "password.j2",
        mode="600",
        metrics_password=login_of(site, site.target).password,
    )
    redis_password = secret(exporter_password(site.target)).reveal()
    known = {url.replace("://", f"://{EXPORTER}@"): redis_password for url in urls.values()}
    secret_text(PASSWORDS, json.dumps(known, ensure_ascii=False) + "\n")
    arguments = [
        f"-web.listen-address={LOOPBACK}:{INTERNAL_PORT}",
        f"-tls-server-cert-file={credential('tls.crt', unit)}",
        f"-tls-server-key-file={credential('tls.key', unit)}",
        "-tls-server-min-version=TLS1.3",
        f"-basic-auth-username={USER}",
        # Nobody asks for /metrics, which would be about this one.
        "-redis.addr=",
        f"-redis.user={EXPORTER}",
        f"-redis.password-file={credential('passwords.json', unit)}",
    ]
    exporter(
        site,
        INTERNAL_PORT,
        arguments,
        runs=[password],
        credentials={"passwords.json": PASSWORDS},
        sandbox=replace(LOCAL, extra=[f"EnvironmentFile={password}", *reaches_redis(site.target)]),
    )
