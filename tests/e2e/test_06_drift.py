"""What somebody changed by hand is put back; nothing else is touched."""

from tasks.prometheus.hurry import scrapes_each_second
from tests.e2e.disks import Listing, differences, listing
from tests.e2e.machines import all_units, answer, restarted
from tests.e2e.platform import Platform
from tests.e2e.polling import wait_for
from tests.e2e.project import changed
from tests.lab import Lab

EDITS = [
    ("vpsmanager", "nginx", "/etc/nginx/nginx.conf", "echo '# mine' >> {}"),
    ("vpsmanager", "redis", "/etc/chom/redis/laravel-queue.conf", "chmod 666 {}"),
    ("vpsmanager", "mariadb", "/etc/mysql/mariadb.conf.d/60-chom.cnf", "rm {}"),
    (
        "observability",
        "prometheus",
        "/etc/prometheus-server/targets/vpsmanager.yml",
        "chown 1000 {}",
    ),
    ("observability", "alertmanager", "/etc/alertmanager/alertmanager.yml", "truncate -s0 {}"),
]


def _configuration(lab: Lab) -> dict[str, Listing]:
    return {each.name: listing(lab.rootfs(each.name), "etc") for each in lab.machines}


def test_edited_files_are_put_back(deployed: Platform) -> None:
    lab = deployed.lab
    files, units = _configuration(lab), all_units(lab)
    deployed.unsettle()
    for machine, _, path, edit in EDITS:
        answer(lab, machine, edit.format(path))
    drifted = _configuration(lab)
    for machine in files:
        paths = {path for where, _, path, _ in EDITS if where == machine}
        assert differences(files[machine], drifted[machine], {}) == paths

    record = deployed.converge()
    assert changed(record) == {(machine, component): 1 for machine, component, _, _ in EDITS}
    assert _configuration(lab) == files
    # The processes still run with what is in the files again, so they may go on.
    assert restarted(units, all_units(lab)) == set()


def test_stopped_and_disabled_services_are_as_they_were(deployed: Platform) -> None:
    lab = deployed.lab
    units = all_units(lab)
    deployed.unsettle()
    answer(lab, "vpsmanager", "systemctl stop laravel-redis-queue")
    answer(lab, "observability", "systemctl disable prometheus-alertmanager")

    record = deployed.converge()
    assert changed(record) == {("vpsmanager", "redis"): 1, ("observability", "alertmanager"): 1}
    assert answer(lab, "vpsmanager", "systemctl is-active laravel-redis-queue") == "active"
    enabled = answer(lab, "observability", "systemctl is-enabled prometheus-alertmanager")
    assert enabled == "enabled"
    assert restarted(units, all_units(lab)) == {("vpsmanager", "laravel-redis-queue.service")}


def test_a_hurry_of_prometheus_that_was_cut_off_is_undone(deployed: Platform) -> None:
    """A new one looks at its targets each second while it is deployed; a kill may leave it so."""
    asked = "curl -fsS http://127.0.0.1:9090/api/v1/status/config"

    def looks_each(seconds: int) -> bool:
        return f"scrape_interval: {seconds}s" in answer(deployed.lab, "observability", asked)

    assert looks_each(15)
    hurry = scrapes_each_second(15)
    ready = "until curl -fso /dev/null http://127.0.0.1:9090/-/ready; do sleep 0.1; done"
    start = f"{hurry.begin}; systemctl restart prometheus; {ready}"
    for is_put_back, changes in ((False, 2), (True, 1)):
        deployed.unsettle()
        answer(deployed.lab, "observability", f"{start}; {hurry.end if is_put_back else 'true'}")
        wait_for("the other interval", lambda: looks_each(1))
        assert changed(deployed.converge()) == {("observability", "prometheus"): changes}
        wait_for("its own interval", lambda: looks_each(15))
    assert changed(deployed.converge()) == {}


def test_firewall_is_as_it_was(deployed: Platform) -> None:
    lab = deployed.lab
    rules = {each.name: answer(lab, each.name, "ufw status verbose") for each in lab.machines}
    deployed.unsettle()
    answer(lab, "vpsmanager", "ufw delete allow 80/tcp")
    answer(lab, "observability", "ufw disable")

    record = deployed.converge()
    assert changed(record) == {("vpsmanager", "nginx"): 1, ("observability", "base"): 1}
    for machine, before in rules.items():
        after = answer(lab, machine, "ufw status verbose")
        assert sorted(after.splitlines()) == sorted(before.splitlines())
