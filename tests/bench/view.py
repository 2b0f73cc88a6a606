"""What the live view of a deploy costs: the processor's time of its frames, as rare as they are."""

import os
import pty
import threading
import time

from facts.progress import told
from state.lane_view import LaneView
from state.lanes import Lane
from state.overhearing import Heard
from state.screen import Screen
from tests.unit.helpers import Operation, Step, fake_state

# While a lane is at one thing, each second is shown.
FRAMES, EVERY_S = 30, 1.0


def cost_s(seconds: float) -> float:
    """The processor's seconds for a view of two lanes that is shown for that long."""
    return _frame_s() * seconds / EVERY_S


def _frame_s() -> float:
    """For one frame, of many that come as rarely as in a deploy and all differ."""
    state = fake_state(["observability", "vpsmanager"])
    step = Step("base")
    lanes = [Lane(host, "any", [step]) for host in state.inventory]
    view = LaneView(lanes, str)
    for lane in lanes:
        view.step_started(lane, step)
        view.operation_starts(lane, step, Operation("", "Packages of the stack (34)"))
    fd, inner = pty.openpty()
    threading.Thread(target=_read, args=(fd,), daemon=True).start()
    screen, spent = Screen(inner, view.lines), 0.0
    for number in range(FRAMES):
        time.sleep(EVERY_S)
        began = time.thread_time()
        for lane in lanes:
            said = told(f"chom-progress pmstatus:a:{number}:Unpacking php8.4-common (amd64)")
            lane.host.connector_data["progress"] = Heard(said or "", time.monotonic())
        screen.draw()
        spent += time.thread_time() - began
    os.close(inner)
    return spent / FRAMES


def _read(fd: int) -> None:
    try:
        while os.read(fd, 65536):
            pass
    except OSError:
        os.close(fd)
