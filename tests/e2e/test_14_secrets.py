"""Secrets get to where they are used, and show nowhere else: not even when everything fails."""

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_network

import pytest

from configs.secrets import random_value
from tests.e2e.conftest import SUBNET
from tests.e2e.leaks import Place, found_in, journals, leaks_here, places, readable_by_all
from tests.e2e.machines import (
    all_units,
    answer,
    grafana_admits,
    page,
    redis,
    restarted,
    scrape,
)
from tests.e2e.mailbox import PORT, distrust, serve, trust
from tests.e2e.platform import Platform
from tests.e2e.project import changed
from tests.e2e.watching import Watch
from tests.lab import Lab

NASTY = " q\"u'o$HOME `id` \\n %d #; éß"
USER = "alerts@example.org"
GATEWAY = next(ip_network(SUBNET).hosts())
MAIL = {
    "targets.observability.settings.smtp": {
        "host": str(GATEWAY),
        "port": PORT,
        "username": USER,
    },
    "targets.observability.settings.alertmanager.email_to": ["operator@example.org"],
}
EXPORTERS = {
    *(("observability", f"prometheus-{each}-exporter.service") for each in ("node", "nginx")),
    ("observability", "prometheus-blackbox-exporter.service"),
    *(
        ("vpsmanager", f"prometheus-{each}-exporter.service")
        for each in ("node", "nginx", "mysqld", "redis")
    ),
}
SHIPPERS = {(machine, "alloy.service") for machine in ("observability", "vpsmanager")}
MACHINES = ("observability", "vpsmanager")
SERVICES: dict[str, set[tuple[str, str]]] = {
    # Redis itself reads its users again without a restart.
    "REDIS_PASSWORD_VPSMANAGER": set(),
    "REDIS_EXPORTER_PASSWORD_VPSMANAGER": {("vpsmanager", "prometheus-redis-exporter.service")},
    "LARAVEL_REDIS_PASSWORD": set(),
    "LARAVEL_DB_PASSWORD": set(),
    "LARAVEL_APP_KEY": set(),
    "SMTP_PASSWORD": {("observability", "prometheus-alertmanager.service")},
    # Prometheus reads these again by itself.
    **{
        f"{kind}_{machine.upper()}": {each for each in EXPORTERS if each[0] == machine}
        for kind in ("METRICS_PASSWORD", "METRICS_TLS_KEY")
        for machine in MACHINES
    },
    **{f"LOGS_PASSWORD_{each.upper()}": {(each, "alloy.service")} for each in MACHINES},
    "LOGS_TLS_KEY": SHIPPERS,
    "GRAFANA_ADMIN_PASSWORD": set(),
    "GRAFANA_SECRET_KEY": {("observability", "grafana-server.service")},
}
OBSERVABILITY = {
    *(
        Place(
            "observability",
            f"/etc/prometheus-server/logins/{machine}-*.password",
            "root",
            "prometheus-server",
            "640",
        )
        for machine in MACHINES
    ),
    Place("observability", "/etc/chom/metrics/tls.key", "root", "root", "600"),
    Place("observability", "/etc/chom/logs/password", "root", "root", "600"),
    Place("observability", "/etc/chom/logs/tls.key", "root", "root", "600"),
    Place("observability", "/etc/alertmanager/smtp_password", "root", "root", "600"),
    Place("observability", "/etc/chom/grafana/admin_password", "root", "grafana", "640"),
    Place("observability", "/etc/chom/grafana/login", "root", "root", "600"),
    Place("observability", "/etc/chom/grafana/secret_key", "root", "grafana", "640"),
}
VPSMANAGER = {
    Place("vpsmanager", "/etc/chom/metrics/tls.key", "root", "root", "600"),
    Place("vpsmanager", "/etc/chom/logs/password", "root", "root", "600"),
    Place("vpsmanager", "/etc/chom/redis_exporter.env", "root", "root", "600"),
    Place("vpsmanager", "/etc/chom/redis_exporter.json", "root", "root", "600"),
    Place("vpsmanager", "/etc/chom/mariadb/laravel.cnf", "root", "root", "600"),
    Place("vpsmanager", "/etc/chom/redis/password", "root", "root", "600"),
    Place("vpsmanager", "/var/www/laravel/shared/.env", "root", "laravel", "640"),
}
# Each release has cached the settings that it was made with.
CACHED = Place(
    "vpsmanager", "/var/www/laravel/releases/*/bootstrap/cache/config.php", "root", "laravel", "640"
)
VPSMANAGER.add(CACHED)
# Component → the file of it that cannot be written, as a folder stands in its place.
OBSTACLES = {
    "metrics": ("observability", "/etc/chom/metrics/web.yml"),
    "logs": ("observability", "/etc/chom/logs/tls.key"),
    "prometheus": ("observability", "/etc/prometheus-server/prometheus.yml"),
    "alertmanager": ("observability", "/etc/alertmanager/smtp_password"),
    "grafana_access": ("observability", "/etc/chom/grafana/login"),
    "redis": ("vpsmanager", "/etc/chom/redis/laravel-queue.conf"),
    "laravel": ("vpsmanager", "/var/www/laravel/shared/.env"),
}
# Those that fail in one deploy: on each target one at most.
FAILURES = [
    ("metrics", "redis"),
    ("logs", "laravel"),
    ("prometheus",),
    ("alertmanager",),
    ("grafana_access",),
]
LOUD = ("-y", "-vvv", "--debug", "--diff")


def values(word: str) -> dict[str, str]:
    """New values, as somebody could have typed them; those that are keys are random."""
    typed = (
        "REDIS_PASSWORD_VPSMANAGER",
        "REDIS_EXPORTER_PASSWORD_VPSMANAGER",
        "LARAVEL_REDIS_PASSWORD",
        "LARAVEL_DB_PASSWORD",
        *(f"METRICS_PASSWORD_{machine.upper()}" for machine in MACHINES),
        *(f"LOGS_PASSWORD_{machine.upper()}" for machine in MACHINES),
        "SMTP_PASSWORD",
        "GRAFANA_ADMIN_PASSWORD",
        "GRAFANA_SECRET_KEY",
    )
    return {
        **{name: f"{word}{name}{NASTY}" for name in typed},
        "LARAVEL_APP_KEY": random_value("laravel_app_key"),
        **{f"METRICS_TLS_KEY_{each.upper()}": random_value("private_key") for each in MACHINES},
        "LOGS_TLS_KEY": random_value("private_key"),
    }


def told_places(lab: Lab, secrets: Mapping[str, str]) -> set[Place]:
    """Where secrets are; in whichever release that is, and whichever password of Prometheus'."""
    varying = r"(?<=/releases/)[^/]+|(?<=-)[0-9a-f]{16}(?=[.]password$)"
    return {each._replace(path=re.sub(varying, "*", each.path)) for each in places(lab, secrets)}


@pytest.fixture(scope="module")
def loud(platform: Platform) -> Iterator[Platform]:
    """Fresh machines, deployed to as loudly as possible, watched all the time."""
    platform.refresh()
    project = platform.project
    project.set_secrets(values("first-"))
    # Every deploy proves that its mail arrives: whatever password it has now.
    with serve(str(GATEWAY), USER, None) as mailbox:
        trust(platform.lab, mailbox)
        with Watch(project.secrets()) as watch:
            outcome = project.deploy(*LOUD, changes=MAIL)
        assert outcome.code == 0, outcome
        assert [command for command in watch.commands if OBSTACLES["redis"][1] in command]
        assert [command for command in watch.commands if "deploy.py -y -vvv" in command]
        assert watch.leaks == set()
        assert found_in(outcome.text.encode(), project.secrets()) == set()
        yield platform
    platform.unsettle()
    distrust(platform.lab)
    # Later tests deploy without mail, so without its password.
    project.set_secrets({"SMTP_PASSWORD": None})


def test_a_first_deploy_shows_no_secret(loud: Platform) -> None:
    secrets = loud.project.secrets()
    # No service has the key of the records.
    assert set(secrets) - {"RECORDS_KEY"} == set(SERVICES)
    assert leaks_here(loud, secrets) == set()
    assert journals(loud.lab, secrets) == set()


def test_secrets_are_in_their_own_files_alone(loud: Platform) -> None:
    assert told_places(loud.lab, loud.project.secrets()) == OBSERVABILITY | VPSMANAGER


def test_no_secret_is_open_to_all_in_memory(loud: Platform) -> None:
    for machine in loud.lab.machines:
        found = readable_by_all(loud.lab, machine.name, "first-")
        assert found == ""


@pytest.mark.parametrize(
    "options",
    [
        ("-y", "-vvv", "--debug-all", "--diff"),
        ("-y", "--json", "-vvv"),
        ("--dry", "--diff", "-vvv", "--debug"),
        ("--dry", "--json"),
        ("-y", "--debug-operations"),
        ("-y", "--debug-facts"),
    ],
    ids=" ".join,
)
def test_no_option_shows_a_secret(loud: Platform, options: tuple[str, ...]) -> None:
    project = loud.project
    if "-y" not in options:  # there is something to plan
        project.set_secrets(values("planned-"))
    outcome = project.deploy(*options, changes=MAIL)
    assert outcome.code == 0, outcome
    assert found_in(outcome.text.encode(), project.secrets()) == set()
    assert leaks_here(loud, project.secrets()) == set()
    if "--diff" in options and "--dry" in options:
        shown = "change /etc/chom/redis/password (its content is secret, and not shown)"
        assert shown in outcome.text


def test_a_changed_secret_gets_everywhere(loud: Platform) -> None:
    project, lab = loud.project, loud.lab
    outcome = project.deploy(changes=MAIL)
    assert outcome.code == 0, outcome
    old, before = project.secrets(), all_units(lab)

    project.set_secrets(values("changed-"))
    outcome = project.deploy(*LOUD, changes=MAIL)
    assert outcome.code == 0, outcome
    new = project.secrets()
    assert [name for name in old if old[name] == new[name]] == ["RECORDS_KEY"]
    assert found_in(outcome.text.encode(), {**{f"old {k}": v for k, v in old.items()}, **new}) == (
        set()
    )
    assert restarted(before, all_units(lab)) == set().union(*SERVICES.values())

    assert redis(lab, "vpsmanager", "PING", new["REDIS_PASSWORD_VPSMANAGER"]) == "PONG"
    assert "NOAUTH" in redis(lab, "vpsmanager", "PING", old["REDIS_PASSWORD_VPSMANAGER"])
    assert _logs_in(loud, new["LARAVEL_DB_PASSWORD"])
    assert not _logs_in(loud, old["LARAVEL_DB_PASSWORD"])
    for machine in ("observability", "vpsmanager"):
        assert scrape(lab, machine, 9100, new[f"METRICS_PASSWORD_{machine.upper()}"]) == 200
        assert scrape(lab, machine, 9100, old[f"METRICS_PASSWORD_{machine.upper()}"]) == 401
    assert grafana_admits(lab, new["GRAFANA_ADMIN_PASSWORD"]) == 200
    assert grafana_admits(lab, old["GRAFANA_ADMIN_PASSWORD"]) == 401
    credential = "/run/credentials/prometheus-alertmanager.service/smtp_password"
    # To the byte: Alertmanager would send a line end along.
    assert lab.run("observability", f"cat {credential}").stdout == new["SMTP_PASSWORD"]
    assert page(f"http://{loud.address('vpsmanager')}/up")[0] == 200
    assert told_places(lab, old) <= {CACHED}
    assert told_places(lab, new) == OBSERVABILITY | VPSMANAGER

    again = project.deploy(changes=MAIL)
    assert again.code == 0, again
    assert changed(project.record()) == {}


def _logs_in(platform: Platform, password: str) -> bool:
    """Whether MariaDB takes the application's password from another system user."""
    quoted = password.replace("\\", "\\\\").replace('"', '\\"')
    done = platform.lab.run(
        "vpsmanager",
        "umask 077; cat > /run/login.cnf; mariadb --defaults-file=/run/login.cnf -e 'select 1';"
        " code=$?; rm /run/login.cnf; exit $code",
        input=f'[client]\nuser=laravel\npassword="{quoted}"\n',
        check=False,
    )
    return done.returncode == 0


def test_what_a_changed_secret_restarts_is_no_more_than_needed(loud: Platform) -> None:
    before = all_units(loud.lab)
    loud.project.set_secrets({"REDIS_PASSWORD_VPSMANAGER": "another" + NASTY})
    assert loud.project.deploy(changes=MAIL).code == 0
    assert restarted(before, all_units(loud.lab)) == SERVICES["REDIS_PASSWORD_VPSMANAGER"]
    assert set(changed(loud.project.record())) == {
        ("vpsmanager", "redis"),
        ("vpsmanager", "redis_access"),
    }


@pytest.mark.drill
@pytest.mark.parametrize("components", FAILURES, ids=" and ".join)
def test_a_failing_component_shows_no_secret(loud: Platform, components: tuple[str, ...]) -> None:
    project, lab = loud.project, loud.lab
    for component in components:
        machine, path = OBSTACLES[component]
        answer(lab, machine, f"mv {path} {path}.aside && mkdir {path}")
    project.set_secrets(values(f"{components[0]}-"))
    with Watch(project.secrets()) as watch:
        outcome = project.deploy(*LOUD, changes=MAIL)
    assert outcome.code == 1, outcome
    for component in components:
        error = project.record().targets[OBSTACLES[component][0]].error
        assert error is not None and error.component == component
    assert watch.leaks == set()
    secrets = project.secrets()
    assert found_in(outcome.text.encode(), secrets) == set()
    assert leaks_here(loud, secrets) == set()
    assert journals(lab, secrets) == set()
    assert told_places(lab, secrets) <= OBSERVABILITY | VPSMANAGER
    for component in components:
        machine, path = OBSTACLES[component]
        answer(lab, machine, f"rmdir {path} && mv {path}.aside {path}")


@pytest.mark.drill
def test_after_these_failures_the_next_deploy_brings_them_everywhere(loud: Platform) -> None:
    assert loud.project.deploy(changes=MAIL).code == 0
    assert told_places(loud.lab, loud.project.secrets()) == OBSERVABILITY | VPSMANAGER


@pytest.mark.drill
def test_a_service_that_tells_its_own_password_is_not_repeated(loud: Platform) -> None:
    project, lab = loud.project, loud.lab
    drop_in = "/etc/systemd/system/laravel-redis-queue.service.d/zz-talks.conf"
    password = "/etc/chom/redis/password"
    talk = f"cat {password}; echo; base64 -w0 {password}; exit 1"
    text = f"[Service]\nExecReload=+/bin/sh -c '{talk}'\n"
    lab.run("vpsmanager", f"cat > {drop_in}", input=text)
    project.set_secrets(values("talking-"))
    outcome = project.deploy(*LOUD, changes=MAIL)
    assert outcome.code == 1, outcome
    record = project.record()
    error = record.targets["vpsmanager"].error
    assert error is not None and error.component == "redis"
    assert any("[secret REDIS_PASSWORD_VPSMANAGER]" in line for line in error.output), error
    assert "[secret REDIS_PASSWORD_VPSMANAGER]" in outcome.text
    secrets = project.secrets()
    assert found_in(outcome.text.encode(), secrets) == set()
    assert leaks_here(loud, secrets) == set()
    answer(lab, "vpsmanager", f"rm {drop_in}")
    assert project.deploy(changes=MAIL).code == 0


def test_what_only_the_user_knows_is_named_before_anything_connects(loud: Platform) -> None:
    project = loud.project
    known = len(project.records())
    project.set_secrets({"SMTP_PASSWORD": None})
    outcome = project.deploy(changes=MAIL)
    assert outcome.code == 1, outcome
    assert "SMTP_PASSWORD" in outcome.text and "alerts@example.org" in outcome.text
    assert "python -m configs secrets set SMTP_PASSWORD" in outcome.text
    assert "Connecting" not in outcome.text
    assert len(project.records()) == known


def test_ci_makes_no_secret(loud: Platform) -> None:
    project = loud.project
    value = project.secrets()["REDIS_PASSWORD_VPSMANAGER"]
    project.set_secrets({"REDIS_PASSWORD_VPSMANAGER": None})
    outcome = project.deploy(env={"CI": "true"})
    project.set_secrets({"REDIS_PASSWORD_VPSMANAGER": value})
    assert outcome.code == 1, outcome
    assert "secrets set REDIS_PASSWORD_VPSMANAGER --generate password" in outcome.text
    assert "Connecting" not in outcome.text
