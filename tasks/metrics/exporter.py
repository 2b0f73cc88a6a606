"""How an exporter runs: as a user of its own, for the observability targets alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from facts.services import answers
from tasks.component import Site, stage
from tasks.metrics.component import CREDENTIALS, guard, login_of
from tasks.nginx.sites import nginx_site
from tasks.quoting import systemd
from tasks.resources import allow, credential, service, text_file, user
from tasks.sandbox import Sandbox

EVERYWHERE, LOOPBACK = "", "127.0.0.1"
SANDBOX = Sandbox(umask="0077")
# For exporters that can be asked to connect somewhere: they reach nothing but this machine.
LOCAL = replace(SANDBOX, loopback_only=True)


def unit_of(component: str) -> str:
    """The unit of Debian's package for an exporter, without ``.service``."""
    return f"prometheus-{component.replace('_', '-')}"


def toolkit(port: int, address: str = EVERYWHERE) -> list[str]:
    """The arguments of an exporter that is built with Prometheus' own exporter-toolkit."""
    web = credential("web.yml", unit_of(stage().component.name))
    return [f"--web.listen-address={address}:{port}", f"--web.config.file={web}"]


def admit_observers(site: Site, port: int) -> None:
    """Let the other observability targets, and nobody else, reach ``port``."""
    for observer in site.of_role("observability"):
        if observer.name != site.target.name:
            allow(port, site.ip_of(observer))


def shown_by_nginx(
    site: Site,
    port: int,
    internal_port: int,
    path: str = "/metrics",
    *,
    parameter: str = "",
    values: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Have Nginx show one page of an exporter that others must not ask to connect elsewhere.

    The exporter listens on loopback. Nginx admits the observability targets to ``port``, and passes
    on requests for ``path`` without their parameters.

    + internal_port: where the exporter itself listens
    + parameter: the one parameter that is passed on
    + values: what it may say, and what the exporter is told then; else the answer is 404
    """
    admit_observers(site, port)
    name = stage().component.name
    nginx_site(
        name,
        "metrics/exporter.conf.j2",
        port=port,
        guard=guard(site),
        server_name=login_of(site, site.target).server_name,
        address=f"{LOOPBACK}:{internal_port}",
        path=path,
        parameter=parameter,
        variable=f"{name}_{parameter}",
        values=values,
    )


def exporter(
    site: Site,
    port: int,
    arguments: Sequence[str],
    *,
    runs: Sequence[str] = (),
    reads: Sequence[str] = (),
    credentials: Mapping[str, str] = MappingProxyType({}),
    sandbox: Sandbox = SANDBOX,
) -> None:
    """Debian's package of the component under a user of the component's name, with TLS.

    ``arguments``: without spaces. ``runs``, ``reads``, ``credentials``: as of ``service``.
    ``sandbox``: what the exporter needs beside its user.
    """
    name = stage().component.name
    unit = unit_of(name)
    user(name)
    arguments_file = text_file(
        f"/etc/default/{unit}",
        f"# written by chom; changes are overwritten\nARGS={systemd(' '.join(arguments))}\n",
    )
    service(
        unit,
        runs=[arguments_file, *runs],
        reads=reads,
        # Whoever has no password is refused, and that is an answer.
        ready=answers(f"{unit}.service", f"https://127.0.0.1:{port}/", any_status=True),
        credentials={**CREDENTIALS, **credentials},
        sandbox=replace(sandbox, extra=(f"User={name}", f"Group={name}", *sandbox.extra)),
    )
