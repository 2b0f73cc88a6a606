"""Units of an application beside its pages: which there are, and how they are removed."""

from configs.apps import App, Workers
from tasks.operations.units import removal_script
from tasks.workers.units import scheduler_units, worker_units


def test_maintenance_pauses_workers_and_scheduler() -> None:
    app = App(scheduler=True, maintenance=True, workers=Workers(count=2))
    assert worker_units("shop", app) == [] == scheduler_units("shop", app)


def test_a_setting_lets_them_go_on() -> None:
    workers = Workers(count=2)
    app = App(scheduler=True, maintenance=True, maintenance_pauses_jobs=False, workers=workers)
    assert len(worker_units("shop", app)) == 2 and scheduler_units("shop", app)


def test_what_starts_instances_of_a_template_is_stopped_before_them() -> None:
    script = removal_script(["shop-run@.service", "shop-worker-1.service", "shop.timer"])
    stop_units, stop_instances, remove, reload = script.split("; ")
    assert stop_units == "systemctl -q disable --now shop-worker-1.service shop.timer"
    assert stop_instances == "systemctl -q stop 'shop-run@*.service'"
    assert "/etc/systemd/system/shop-run@.service" in remove
    assert reload == "systemctl daemon-reload"
