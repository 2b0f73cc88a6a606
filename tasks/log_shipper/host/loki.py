"""A question to Loki: does it take what is pushed at this moment?"""

from __future__ import annotations

import base64
import http.client
import os
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

from .settings import Settings

TIMEOUT_S = 5
# Loki's own answers to a push without lines: 422 since 3.0, 204 before. Nginx has other ones.
ANSWERS = (204, 422)


class _Connection(http.client.HTTPSConnection):
    """Connection to a server whose certificate has another name than the URL."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, name: str) -> None:
        super().__init__(host, port, timeout=TIMEOUT_S)
        self._tls, self._name = context, name

    def connect(self) -> None:
        plain = socket.create_connection((self.host, self.port), TIMEOUT_S)
        self.sock = self._tls.wrap_socket(plain, server_hostname=self._name)


def takes_lines(settings: Settings) -> bool:
    """Whether every Loki takes lines with the shipper's password; False if one does not answer."""
    try:
        password = _password(settings)
        context = ssl.create_default_context(cafile=settings.ca_file)
        return all(_takes(url, settings, context, password) for url in settings.push_urls)
    except (OSError, ValueError, http.client.HTTPException):
        return False


def _takes(url: str, settings: Settings, context: ssl.SSLContext, password: str) -> bool:
    parts = urlsplit(url)
    pair = base64.b64encode(f"{settings.user}:{password}".encode()).decode()
    headers = {"Content-Type": "application/json", "Authorization": f"Basic {pair}"}
    connection = _Connection(parts.hostname or "", parts.port or 443, context, settings.server_name)
    try:
        connection.request("POST", parts.path, b'{"streams": []}', headers)
        return connection.getresponse().status in ANSWERS
    finally:
        connection.close()


def _password(settings: Settings) -> str:
    # A unit's own credentials are in a folder that systemd names.
    path = Path(settings.password_file)
    if folder := os.environ.get("CREDENTIALS_DIRECTORY"):
        path = Path(folder, path.name)
    return path.read_text().strip()
