"""Steady requests to a page while something is done to it, and what became of every one."""

import http.client
import threading
import time
from dataclasses import dataclass, field
from statistics import median
from types import TracebackType


@dataclass(frozen=True)
class Answer:
    """``status``: of HTTP; 0 where none came. ``seconds``: how long it took."""

    status: int
    seconds: float
    body: str


@dataclass
class Load:
    """``workers`` visitors of ``path``, each asking again ``pause_s`` after the last answer."""

    address: str
    host: str
    path: str
    workers: int = 4
    pause_s: float = 0.02
    answers: list[Answer] = field(default_factory=list)

    def __enter__(self) -> "Load":
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._visit) for _ in range(self.workers)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    @property
    def failed(self) -> list[Answer]:
        return [each for each in self.answers if each.status != 200]

    @property
    def slowest_s(self) -> float:
        return max(each.seconds for each in self.answers)

    @property
    def median_s(self) -> float:
        return median(each.seconds for each in self.answers)

    def _visit(self) -> None:
        while not self._ended.is_set():
            self.answers.append(self._ask())
            time.sleep(self.pause_s)

    def _ask(self) -> Answer:
        started = time.monotonic()
        connection = http.client.HTTPConnection(self.address, timeout=30)
        try:
            connection.request("GET", self.path, headers={"Host": self.host})
            answer = connection.getresponse()
            status, body = answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            status, body = 0, repr(error)
        finally:
            connection.close()
        return Answer(status, time.monotonic() - started, body)
