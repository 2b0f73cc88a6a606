"""A web server on the lab's gateway that keeps what is posted to it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 2580


@dataclass
class Listener:
    """Where it answers, and the bodies that came in."""

    url: str
    posted: list[bytes] = field(default_factory=list)


@contextmanager
def listen(address: str) -> Iterator[Listener]:
    """Take posts at ``address``:PORT while the block runs."""
    listener = Listener(f"http://{address}:{PORT}/watchdog")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            listener.posted.append(self.rfile.read(length))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: what came in is what the test looks at."""

    server = ThreadingHTTPServer((address, PORT), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield listener
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
