"""The program that keeps a log shipper's checkpoint: what it proves, restores and recovers."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from tasks.log_shipper.host import checkpoint, metrics, stopping
from tasks.log_shipper.host.delivery import BATCHES_IN_QUEUE, STABLE_S, Stability, is_delivered
from tasks.log_shipper.host.metrics import Page, Queue, Unreadable
from tasks.log_shipper.host.positions import entries, rewound
from tasks.log_shipper.host.settings import Settings, Source
from tests.lab.standins.programs.web import Answer, serve
from tests.unit.powercut import dies_at

CLEAN = {"SERVICE_RESULT": "success", "EXIT_CODE": "exited", "EXIT_STATUS": "0"}
ALLOY_POSITIONS = """\
positions:
  ? path: cursor-loki.source.journal.journal
    labels: ""
  : s=ab;i=5c9;b=80;m=3f;t=6616d4ad89aa9;x=41
  ? path: /var/log/a.log
    labels: '{app="it''s", job="nginx with a long name that the encoder folds at
      eighty columns"}'
  : "17"
  ? path: '/var/log/it''s: odd.log'
    labels: '{}'
  : "4"
"""
PROMTAIL_POSITIONS = """\
positions:
    cursor-journal: s=ab;i=5c9
    /var/log/a.log: "17"
    '/var/log/it''s: odd.log': "4"
"""


# positions


@pytest.mark.parametrize("text", [ALLOY_POSITIONS, PROMTAIL_POSITIONS])
def test_positions_of_both_shippers_are_read(text: str) -> None:
    found = [(entry.path, entry.offset) for entry in entries(text)]
    assert found == [("/var/log/a.log", 17), ("/var/log/it's: odd.log", 4)]


@pytest.mark.parametrize("text", [ALLOY_POSITIONS, PROMTAIL_POSITIONS])
def test_rewinding_changes_one_position_alone(text: str) -> None:
    assert rewound(text, {"/var/log/a.log"}) == text.replace('"17"', '"0"')
    assert rewound(text, []) == text


# the metrics page


def page_of(prefix: str, **values: float) -> str:
    lines = ["process_start_time_seconds 1.7e+09"]
    for name, value in values.items():
        labels = 'reason="ingester_error",' if name.startswith("dropped") else ""
        lines.append(f'{prefix}{name}{{{labels}host="h:1",tenant=""}} {value}')
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("prefix", ["loki_write_", "promtail_"])
def test_bytes_tell_what_waits_where_batches_are_not_counted(prefix: str) -> None:
    text = page_of(
        prefix,
        encoded_bytes_total=1.5e7,
        sent_bytes_total=1e7,
        dropped_bytes_total=1e6,
        request_duration_seconds_count=12,
        batch_retries_total=2,
    )
    page = metrics.read(text, prefix, 1)
    assert page.queues == {"h:1": Queue(waiting=4e6, done=10)}
    assert not page.is_idle


def test_batches_tell_what_waits_in_newer_versions() -> None:
    """Halves of a batch that Loki finds too large are counted, their bytes are not comparable."""
    text = page_of(
        "loki_write_",
        request_size_bytes_count=10,
        request_size_bytes_sum=1e9,
        sent_bytes_total=10,
        request_duration_seconds_count=15,
        batch_retries_total=5,
    )
    assert metrics.read(text, "loki_write_", 1).is_idle


def test_lines_that_never_came_into_a_batch_do_not_hide_what_waits() -> None:
    text = page_of("loki_write_", encoded_bytes_total=100, sent_bytes_total=50)
    text += 'loki_write_dropped_bytes_total{host="h:1",reason="stream_limited",tenant=""} 50\n'
    assert not metrics.read(text, "loki_write_", 1).is_idle


@pytest.mark.parametrize(
    ("text", "hosts", "words"),
    [
        ("", 1, "when the process started"),
        (
            page_of("loki_write_", sent_bytes_total=0),
            2,
            "the page has loki_write_sent_bytes_total of 1 of 2 hosts",
        ),
        (page_of("loki_write_", sent_bytes_total=5), 1, "what was encoded"),
    ],
)
def test_page_without_proof_is_refused(text: str, hosts: int, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        metrics.read(text, "loki_write_", hosts)


def test_page_is_fetched_or_refused() -> None:
    answers = [Answer(200, page_of("promtail_", sent_bytes_total=0)), Answer(500)]
    server = serve("127.0.0.1", 0, lambda request: answers.pop(0))
    url = f"http://127.0.0.1:{server.server_port}/metrics"
    assert metrics.fetch(url, "promtail_", 1).is_idle
    with pytest.raises(Unreadable, match="answers 500"):
        metrics.fetch(url, "promtail_", 1)
    server.shutdown()
    server.server_close()
    with pytest.raises(Unreadable, match="does not answer"):
        metrics.fetch(url, "promtail_", 1)


# the proof of delivery


class Pages:
    """Shows pages one after the other, the last of them for ever."""

    def __init__(self, *queues: tuple[float, float], restart_at: int = 99) -> None:
        self._queues, self._restart_at, self.shown = queues, restart_at, 0

    def __call__(self) -> Page:
        waiting, done = self._queues[min(self.shown, len(self._queues) - 1)]
        self.shown += 1
        return Page(float(self.shown > self._restart_at), {"h": Queue(waiting, done)})


def no_sleep(seconds: float) -> None:
    """The pages are prepared."""


@pytest.mark.parametrize(
    ("queues", "delivered"),
    [
        ([(0, 5), (0, 6)], True),
        # Loki is away: a batch waits for ever.
        ([(0, 5), (7, 5)], False),
        # Idle is what stays so: once may be between two batches of many.
        ([(7, 5), *[(0, 5), (0, 5), (7, 5)] * 9], False),
        ([(7, 5), (7, 6), (7, 7), (0, 8), (0, 8), (0, 8)], True),
        # A queue that is never empty moves: what was in it has been sent by now.
        ([(7, 5), *((7, 6 + 3 * number) for number in range(20))], True),
        ([(7, 5), *((7, 6 + number // 3) for number in range(40))], False),
    ],
)
def test_delivery_is_proven_by_an_idle_or_a_moving_queue(
    queues: Sequence[tuple[float, float]], delivered: bool
) -> None:
    assert is_delivered(Pages(*queues), no_sleep) is delivered
    assert BATCHES_IN_QUEUE > 11


@pytest.mark.parametrize("restart_at", [1, 3])
def test_restart_of_the_shipper_proves_nothing(restart_at: int) -> None:
    assert not is_delivered(Pages((0, 5), restart_at=restart_at), no_sleep)


def test_proof_waits_for_lines_that_are_still_being_gathered() -> None:
    slept: list[float] = []
    is_delivered(Pages((0, 5)), slept.append)
    # Multi-line entries wait 3 s, batches 1 s, and ripe batches are looked for every 0.1 s.
    assert slept[0] > 3 + 1 + 0.1


# the checkpoint


class Shipper:
    """A shipper's folder, and a folder of logs."""

    def __init__(self, folder: Path) -> None:
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.settings = Settings(
            folder / "data",
            "loki.source.*/positions.yml",
            "http://127.0.0.1:1/metrics",
            "loki_write_",
            (Source("nginx", f"{self.logs}/*.log"),),
            1,
        )
        self.log = self.logs / "access.log"
        self.positions = folder / "data/loki.source.file.nginx/positions.yml"
        self.positions.parent.mkdir(parents=True)
        self.said: list[str] = []

    def write(self, *lines: str) -> None:
        with self.log.open("a") as file:
            file.writelines(f"{line}\n" for line in lines)

    def read_on(self, offset: int | None = None) -> None:
        """Note everything as read, as a shipper does when it hands lines over."""
        place = self.log.stat().st_size if offset is None else offset
        text = f"  ? path: {self.log}\n    labels: '{{}}'\n  : \"{place}\"\n"
        for copy in sorted(self.settings.recovered.glob("*/*.log")):
            text += f"  ? path: {copy}\n    labels: '{{}}'\n  : \"{copy.stat().st_size}\"\n"
        self.positions.write_text(f"positions:\n{text}")

    def save(self) -> None:
        checkpoint.save(checkpoint.take(self.settings), self.settings)

    def restore(self) -> None:
        checkpoint.restore(self.settings, self.said.append)

    def rotate(self, compress: bool = False) -> None:
        """As logrotate does with `delaycompress`, or without."""
        for number in range(9, 0, -1):
            for suffix in ("", ".gz"):
                old = self.logs / f"access.log.{number}{suffix}"
                if old.exists():
                    old.rename(self.logs / f"access.log.{number + 1}{suffix}")
        for plain in self.logs.glob("access.log.[2-9]"):
            self._compress(plain)
        one = self.log.rename(self.logs / "access.log.1")
        if compress:
            self._compress(one)
        self.log.touch()

    def _compress(self, plain: Path) -> None:
        times = (plain.stat().st_atime, plain.stat().st_mtime)
        packed = plain.with_name(f"{plain.name}.gz")
        packed.write_bytes(gzip.compress(plain.read_bytes()))
        os.utime(packed, times)
        plain.unlink()

    def offsets(self) -> dict[str, int]:
        return {entry.path: entry.offset for entry in entries(self.positions.read_text())}

    def unread(self) -> list[str]:
        """The lines that a shipper reads from its positions on, in all of its files."""
        lines = []
        files = [*sorted(self.settings.recovered.glob("nginx/*.log")), self.log]
        for file in files:
            lines += file.read_bytes()[self.offsets().get(str(file), 0) :].decode().splitlines()
        return lines


@pytest.fixture
def shipper(tmp_path: Path) -> Shipper:
    return Shipper(tmp_path)


def test_shipper_starts_where_loki_has_everything(shipper: Shipper) -> None:
    shipper.write("one", "two")
    shipper.read_on()
    shipper.save()
    shipper.write("three")
    shipper.read_on()
    shipper.restore()
    assert shipper.unread() == ["three"]
    assert shipper.positions.stat().st_mode & 0o777 == 0o600


def test_first_start_leaves_the_positions(shipper: Shipper) -> None:
    shipper.write("one")
    shipper.read_on()
    shipper.restore()
    assert shipper.unread() == []
    assert "no checkpoint yet" in shipper.said[0]


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("rotations", [1, 2, 3])
def test_rotated_lines_are_read_from_copies(
    shipper: Shipper, compress: bool, rotations: int
) -> None:
    shipper.write("one", "two")
    shipper.read_on()
    shipper.save()
    expected = []
    for number in range(rotations):
        shipper.write(f"old-{number}-a", f"old-{number}-b")
        expected += [f"old-{number}-a", f"old-{number}-b"]
        shipper.rotate(compress)
    shipper.write("new")
    shipper.read_on()
    shipper.restore()
    assert shipper.unread() == [*expected, "new"]


def test_second_start_in_the_same_outage_repeats_no_rotated_line(shipper: Shipper) -> None:
    shipper.write("one")
    shipper.read_on()
    shipper.save()
    shipper.write("two")
    shipper.rotate()
    shipper.restore()
    # The writer of before had not noticed the rotation yet.
    with (shipper.logs / "access.log.1").open("a") as file:
        file.write("late\n")
    shipper.restore()
    shipper.write("three")
    shipper.rotate(compress=True)
    shipper.restore()
    assert shipper.unread() == ["two", "late", "three"]


def test_copies_are_removed_once_loki_has_them(shipper: Shipper) -> None:
    shipper.write("one")
    shipper.read_on()
    shipper.save()
    shipper.write("two")
    shipper.rotate()
    shipper.restore()
    (copy,) = shipper.settings.recovered.glob("*/*.log")
    shipper.write("three")
    # The position of the copy is not in the files yet.
    checkpoint.save(checkpoint.take(shipper.settings), shipper.settings)
    assert copy.exists()
    shipper.read_on()
    shipper.save()
    assert not copy.exists()
    shipper.restore()
    assert shipper.unread() == []


def test_copied_and_truncated_file_is_recovered(shipper: Shipper) -> None:
    shipper.write("one", "two")
    shipper.read_on()
    shipper.save()
    shipper.write("three")
    (shipper.logs / "access.log.1").write_bytes(shipper.log.read_bytes())
    shipper.log.write_text("")
    shipper.write("four", "five", "six", "seven")
    shipper.restore()
    assert shipper.unread() == ["three", "four", "five", "six", "seven"]


def test_same_header_is_not_the_same_file(shipper: Shipper) -> None:
    """MariaDB begins each slow query log with the same lines."""
    shipper.write("header")
    shipper.read_on()
    shipper.save()
    shipper.write("slow")
    shipper.rotate()
    shipper.write("header", "slower")
    shipper.restore()
    assert shipper.unread() == ["slow", "header", "slower"]


def test_two_generations_that_begin_alike_are_both_recovered(shipper: Shipper) -> None:
    shipper.write("header")
    shipper.read_on()
    shipper.save()
    for word in ("slow", "slower"):
        shipper.rotate()
        shipper.write("header", word)
    shipper.rotate()
    shipper.restore()
    assert [line for line in shipper.unread() if line != "header"] == ["slow", "slower"]


def test_file_that_is_gone_costs_nothing_else(shipper: Shipper) -> None:
    shipper.write("one")
    shipper.read_on()
    shipper.save()
    shipper.rotate()
    (shipper.logs / "access.log.1").unlink()
    shipper.write("two")
    shipper.rotate()
    shipper.write("three")
    shipper.restore()
    assert shipper.unread() == ["two", "three"]


def test_links_and_pipes_are_no_generations(shipper: Shipper, tmp_path: Path) -> None:
    """An application owns the folder of its logs, and must not lead the shipper elsewhere."""
    secret = tmp_path / "secret"
    secret.write_text("password\n")
    shipper.write("one")
    shipper.read_on()
    shipper.save()
    shipper.log.unlink()
    shipper.log.touch()
    (shipper.logs / "access.log.1").symlink_to(secret)
    os.mkfifo(shipper.logs / "access.log.2")
    shipper.restore()
    assert shipper.unread() == []


def test_damaged_archive_is_told_and_left_out(shipper: Shipper) -> None:
    shipper.write("one")
    shipper.read_on()
    shipper.save()
    shipper.log.unlink()
    (shipper.logs / "access.log.2.gz").write_bytes(b"no archive")
    (shipper.logs / "access.log.1").write_text("two\n")
    shipper.log.touch()
    shipper.restore()
    assert shipper.unread() == ["two"]
    assert "access.log.2.gz: lines from byte 0 on could not be copied" in shipper.said[0]


def test_source_that_is_new_since_the_checkpoint_is_read_from_its_beginning(
    shipper: Shipper,
) -> None:
    shipper.write("one")
    shipper.read_on()
    shipper.save()
    other = shipper.settings.data / "loki.source.file.new/positions.yml"
    other.parent.mkdir()
    other.write_text('positions:\n  ? path: /b.log\n    labels: ""\n  : "5"\n')
    shipper.restore()
    assert not other.exists()


def test_position_in_the_file_of_before_is_no_position(shipper: Shipper) -> None:
    """A rotation that the shipper had not noticed when it wrote its positions."""
    shipper.write("one", "two", "three")
    shipper.read_on()
    shipper.rotate()
    shipper.write("new")
    shipper.save()
    shipper.restore()
    assert shipper.unread() == ["new"]


def test_rotation_is_waited_out(shipper: Shipper) -> None:
    now = [0.0]
    stability = Stability(lambda: now[0])
    shipper.write("one")
    shipper.read_on()
    taken = checkpoint.take(shipper.settings)
    assert not stability.is_stable(taken)
    now[0] += STABLE_S
    assert stability.is_stable(taken)
    shipper.rotate()
    taken = checkpoint.take(shipper.settings)
    assert not stability.is_stable(taken)
    now[0] += STABLE_S - 1
    assert not stability.is_stable(taken)
    now[0] += 1
    assert stability.is_stable(taken)
    # A look-up of file positions and their writing may each be ten seconds old.
    assert STABLE_S > 20


def test_other_content_under_the_same_number_is_another_file(shipper: Shipper) -> None:
    """A file system uses the inode of a removed file again."""
    now = [0.0]
    stability = Stability(lambda: now[0])
    shipper.write("one")
    shipper.read_on()
    stability.is_stable(checkpoint.take(shipper.settings))
    now[0] += STABLE_S
    inode = shipper.log.stat().st_ino
    shipper.log.write_text("another\n")
    assert shipper.log.stat().st_ino == inode
    assert not stability.is_stable(checkpoint.take(shipper.settings))


def test_checkpoint_of_last_week_is_none(shipper: Shipper) -> None:
    shipper.write("one")
    shipper.read_on()
    shipper.save()
    file = shipper.settings.checkpoint / checkpoint.FILE
    values = json.loads(file.read_text())
    values["taken"] -= checkpoint.MAX_AGE_S + 60
    file.write_text(json.dumps(values))
    shipper.write("two")
    shipper.rotate()
    shipper.write("three")
    shipper.read_on()
    shipper.write("four")
    shipper.restore()
    assert shipper.unread() == ["four"]
    assert "older than a week" in shipper.said[0]


@pytest.mark.parametrize("text", ["", "[]", '{"format": 9}', '{"format": 1}', '{"format": 1, "ta'])
def test_unreadable_checkpoint_is_refused(shipper: Shipper, text: str) -> None:
    shipper.settings.checkpoint.mkdir(parents=True)
    (shipper.settings.checkpoint / checkpoint.FILE).write_text(text)
    with pytest.raises(ValueError):
        checkpoint.load(shipper.settings)


def test_full_disk_is_left_some_room(shipper: Shipper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.log_shipper.host.recovery.RESERVED_BYTES", 1 << 60)
    shipper.write("one")
    shipper.read_on()
    shipper.save()
    shipper.write("two")
    shipper.rotate()
    shipper.write("three")
    shipper.restore()
    assert shipper.unread() == ["three"]
    assert "MiB left" in shipper.said[0]


def test_power_cut_leaves_a_whole_checkpoint(shipper: Shipper) -> None:
    shipper.write("one")
    shipper.read_on()
    shipper.save()
    old = checkpoint.load(shipper.settings)
    shipper.write("two")
    shipper.read_on()
    for call in range(1, 100):
        cut = dies_at(call, shipper.settings.data, shipper.save)
        left = checkpoint.load(shipper.settings)
        assert left is not None and old is not None
        assert left.offsets() in (old.offsets(), shipper.offsets())
        if not cut:
            assert left.offsets() == shipper.offsets() and call > 5
            return
    raise AssertionError("the checkpoint takes too many steps")


def test_power_cut_while_positions_are_put_back_loses_no_line(shipper: Shipper) -> None:
    shipper.write("one")
    shipper.read_on()
    shipper.save()
    shipper.write("two", "three")
    shipper.rotate()
    shipper.write("four")
    shipper.read_on()
    for call in range(1, 100):
        cut = dies_at(call, shipper.settings.data, shipper.restore)
        shipper.restore()
        assert shipper.unread() == ["two", "three", "four"]
        if not cut:
            assert call > 5
            return
    raise AssertionError("the positions take too many steps")


# a clean stop


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _stop(
    shipper: Shipper,
    clock: Clock,
    *,
    pages: Pages | None = None,
    environ: dict[str, str] | None = None,
    drained_s: float = 1,
) -> bool:
    stopping.before(shipper.settings, pages or Pages((0, 5)), clock)
    shipper.write("last")
    shipper.read_on()
    clock.now += drained_s
    return stopping.after(shipper.settings, environ or CLEAN, clock)


def test_clean_stop_repeats_nothing(shipper: Shipper, clock: Clock) -> None:
    shipper.write("one")
    shipper.read_on()
    shipper.save()
    assert _stop(shipper, clock)
    shipper.restore()
    assert shipper.unread() == []


@pytest.mark.parametrize(
    "change",
    [
        {"environ": {**CLEAN, "SERVICE_RESULT": "signal"}},
        {"environ": {**CLEAN, "SERVICE_RESULT": "timeout"}},
        {"environ": {**CLEAN, "EXIT_CODE": "killed", "EXIT_STATUS": "TERM"}},
        {"environ": {**CLEAN, "EXIT_STATUS": "1"}},
        {"environ": {}},
        {"drained_s": 14},
        {"pages": Pages((7, 5))},
    ],
)
def test_any_other_stop_keeps_the_checkpoint(
    shipper: Shipper, clock: Clock, change: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.log_shipper.host.delivery.time.sleep", no_sleep)
    shipper.write("one")
    shipper.read_on()
    shipper.save()
    if change == {"environ": {}}:
        change = {"environ": {"SERVICE_RESULT": ""}}
    assert not _stop(shipper, clock, **change)  # type: ignore[arg-type]
    shipper.restore()
    assert shipper.unread() == ["last"]


def test_crash_without_a_stop_keeps_the_checkpoint(shipper: Shipper, clock: Clock) -> None:
    shipper.write("one")
    shipper.read_on()
    shipper.save()
    shipper.write("two")
    shipper.read_on()
    assert not stopping.after(shipper.settings, CLEAN, clock)
    shipper.restore()
    assert shipper.unread() == ["two"]


def test_mark_of_an_earlier_stop_is_of_no_use(shipper: Shipper, clock: Clock) -> None:
    assert stopping.before(shipper.settings, Pages((0, 5)), clock)

    def unreadable() -> Page:
        raise Unreadable("gone")

    assert not stopping.before(shipper.settings, unreadable, clock)
    assert not stopping.after(shipper.settings, CLEAN, clock)


def test_rotation_just_before_a_stop_keeps_the_checkpoint(shipper: Shipper, clock: Clock) -> None:
    shipper.write("one")
    shipper.read_on()
    shipper.save()
    shipper.write("two")
    shipper.rotate()
    assert not _stop(shipper, clock)
    shipper.restore()
    assert shipper.unread() == ["two", "last"]
