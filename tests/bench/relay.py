"""A relay that delays: what a far server feels like, where the kernel has no netem.

Each side hears the other half a round trip later. Nothing is lost, and there is no jitter.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import TypeVar

PIECE = 65536
Address = tuple[str, int]


Opened = TypeVar("Opened")


@contextmanager
def relaying(targets: Mapping[str, Address], round_trip_s: float) -> Iterator[dict[str, Address]]:
    """Relay to each of the ``targets`` while the block lasts; yields where, by the same names."""
    with beside(lambda: _open(targets, round_trip_s / 2)) as places:
        yield places


@contextmanager
def beside(open_all: Callable[[], Awaitable[Opened]]) -> Iterator[Opened]:
    """Serve in a thread of its own while the block lasts; yields what was opened."""
    opened: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, Opened]] = Future()

    async def serve() -> None:
        end = asyncio.Event()
        opened.set_result((asyncio.get_running_loop(), end, await open_all()))
        await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    loop, end, found = opened.result(timeout=30)
    try:
        yield found
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()


async def _open(targets: Mapping[str, Address], delay_s: float) -> dict[str, Address]:
    places = {}
    for name, target in targets.items():
        server = await asyncio.start_server(_relay_to(target, delay_s), "127.0.0.1", 0)
        places[name] = server.sockets[0].getsockname()[:2]
    return places


def _relay_to(target: Address, delay_s: float):  # type: ignore[no-untyped-def]
    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A connection is there one round trip after it was asked for.
        await asyncio.sleep(delay_s * 2)
        far_reader, far_writer = await asyncio.open_connection(*target)
        there, back = _pass(reader, far_writer, delay_s), _pass(far_reader, writer, delay_s)
        # At the end of the block there may be connections yet.
        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(there, back)
        for each in (writer, far_writer):
            each.close()

    return relay


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay_s: float) -> None:
    """Pass on what is read, each piece as late as the others: many are under way at a time."""
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def read() -> None:
        while True:
            try:
                piece = await reader.read(PIECE)
            except OSError:
                piece = b""
            pieces.put_nowait((loop.time() + delay_s, piece))
            if not piece:
                return

    reading = asyncio.create_task(read())
    while True:
        at, piece = await pieces.get()
        await asyncio.sleep(max(0.0, at - loop.time()))
        if not piece:
            break
        writer.write(piece)
    await reading
    # The other direction may have more to pass on.
    writer.write_eof()
