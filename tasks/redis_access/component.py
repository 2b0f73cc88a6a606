"""Redis' access: nobody is admitted with a password of before any more."""

from tasks.component import Site, component
from tasks.redis.component import serve
from tasks.redis.instances import instances
from tasks.redis.users import PREVIOUS_FILE, passwords
from tasks.resources import secret_text


@component(needs=["redis", "redis_exporter", "redis_leftovers"], secrets=passwords)
def redis_access(site: Site) -> None:
    """After all that uses Redis has the present one."""
    for instance in instances(site.target):
        serve(site, instance, keep=False)
    secret_text(PREVIOUS_FILE, "", mode="640")
