"""A relay that delays: what a far server feels like, where the kernel has no netem.

Each side hears the other half a round trip later. Nothing is lost, and there is no jitter.
"""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

PIECE = 65536
Address = tuple[str, int]


@contextmanager
def relaying(targets: Mapping[str, Address], round_trip_s: float) -> Iterator[dict[str, Address]]:
    """Relay to each of the ``targets`` while the block lasts; yields where, by the same names."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        opened = asyncio.run_coroutine_threadsafe(_open(targets, round_trip_s / 2), loop)
        yield opened.result(timeout=30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
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
        await asyncio.gather(_pass(reader, far_writer, delay_s), _pass(far_reader, writer, delay_s))

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
    writer.close()
