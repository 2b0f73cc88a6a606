"""The tools of the bench: what it measures with must be right, however long it takes."""

import asyncio
import socket
import threading
import time

from tests.bench import table
from tests.bench.relay import beside, relaying
from tests.bench.table import Row

ROUND_TRIP_S = 0.2


def test_a_relay_passes_on_every_byte_and_the_end() -> None:
    sent = bytes(range(256)) * 20_000
    with (
        beside(_echo) as place,
        relaying({"far": place}, 0.01) as places,
        socket.create_connection(places["far"], timeout=120) as sock,
    ):
        threading.Thread(target=_send, args=(sock, sent)).start()
        received = b"".join(iter(lambda: sock.recv(65536), b""))
    assert received == sent


def _send(sock: socket.socket, content: bytes) -> None:
    sock.sendall(content)
    sock.shutdown(socket.SHUT_WR)


def test_an_answer_through_a_relay_is_a_round_trip_late() -> None:
    with (
        beside(_echo) as place,
        relaying({"far": place}, ROUND_TRIP_S) as places,
        socket.create_connection(places["far"], timeout=120) as sock,
    ):
        sock.sendall(b"once")
        assert sock.recv(10)
        began = time.monotonic()
        sock.sendall(b"again")
        assert sock.recv(10) == b"again"
        assert time.monotonic() - began >= ROUND_TRIP_S


def test_a_table_tells_which_goals_were_missed() -> None:
    rows = [
        Row("fast", 1, 2, goal=1, limit="nothing"),
        Row("slow", 3, 2, "MB", 1, "the disk"),
        Row("any", 1, 4),
    ]
    _, fast, slow, other, limited = table.text(rows)
    assert fast.endswith("0.50  ≤ 1.00, reached") and slow.endswith("1.50  ≤ 1.00, MISSED")
    assert other.rstrip().endswith("0.25")
    assert limited == "  slow: the disk"
    assert list(table.markdown(rows))[-3:] == [
        "What limits those that are missed:", "", "- slow: the disk"
    ]  # fmt: skip
    assert "| slow | 3.00 MB | 2.00 MB | 1.50 | ≤ 1.00, MISSED |" in table.markdown(rows)


async def _echo() -> tuple[str, int]:
    """A server that sends back what it gets."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            writer.write(piece)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    return host, port
