"""request_metrics: what Nginx answered and how long it took, from its access log, by mtail."""

from tasks.component import Site, component
from tasks.metrics.component import guard, secrets_of
from tasks.metrics.exporter import admit_observers
from tasks.nginx.component import ACCESS_LOG
from tasks.nginx.sites import nginx_site
from tasks.resources import directory, file, service, text_file, user
from tasks.sandbox import Checker, Sandbox

# Nginx shows the metrics page of it to Prometheus.
HOST, PORT = "127.0.0.1", 13903
PROGRAMS = "/etc/mtail"
# Those who read logs; its own user is no more than that.
SANDBOX = Sandbox(loopback_only=True, extra=("SupplementaryGroups=adm",))


@component(needs=["base", "metrics"], packages=["mtail"], secrets=secrets_of)
def request_metrics(site: Site) -> None:
    """It follows the log by its name, so a rotation does not stop it."""
    user("mtail")
    directory(PROGRAMS)
    program = file(
        f"{PROGRAMS}/nginx.mtail",
        "nginx.mtail.j2",
        check=Checker(f"mtail --compile_only --logtostderr --progs {PROGRAMS}", SANDBOX, "mtail"),
    )
    arguments = text_file(
        "/etc/default/mtail",
        "# written by chom; changes are overwritten\n"
        f"LOGS={ACCESS_LOG}\n"
        f"HOST={HOST}\n"
        f"PORT={PORT}\n"
        "EXTRA_ARGS=--emit_prog_label=false\n",
    )
    port = site.settings.request_metrics.port
    admit_observers(site, port)
    nginx_site(
        "request_metrics", "site.conf.j2", port=port, guard=guard(site), page=f"{HOST}:{PORT}"
    )
    service(
        "mtail",
        runs=[program, arguments],
        ready=f"http://{HOST}:{PORT}/metrics",
        sandbox=SANDBOX,
    )
