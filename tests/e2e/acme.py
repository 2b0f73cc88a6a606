"""A real ACME server on the lab's gateway: Pebble, with a name server of its own."""

import json
import os
import shutil
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.certificates import Issued, issue
from tests.e2e.polling import wait_for

PORT, MANAGEMENT_PORT = 14000, 15000
DNS_PORT, RECORDS_PORT = 8053, 8055
# What Debian's package pebble brings.
PEBBLE, NAMES = "pebble", "pebble-challtestsrv"


@dataclass(frozen=True)
class Acme:
    """Where it answers, and what to trust to ask it; its orders are in ``log``."""

    address: str
    issued: Issued
    log: Path

    @property
    def directory_url(self) -> str:
        return f"https://{self.address}:{PORT}/dir"

    def orders(self) -> int:
        """How many certificates it was asked for so far."""
        return self.log.read_text().count("POST /order-plz")

    def point(self, name: str, address: str) -> None:
        """Let its name server say that ``name`` is at ``address``, and nowhere else."""
        self._tell("clear-a", {"host": name})
        self._tell("add-a", {"host": name, "addresses": [address]})

    def _tell(self, what: str, content: dict[str, object]) -> None:
        url = f"http://{self.address}:{RECORDS_PORT}/{what}"
        with _direct().open(urllib.request.Request(url, json.dumps(content).encode()), timeout=10):
            pass

    def root(self) -> str:
        """The root of what it signs, new at each start, in PEM."""
        url = f"https://{self.address}:{MANAGEMENT_PORT}/roots/0"
        context = ssl.create_default_context(cadata=self.issued.authority)
        with _direct(context).open(url, timeout=10) as response:
            return str(response.read().decode())


@contextmanager
def serve(address: str, folder: Path) -> Iterator[Acme]:
    """Sign certificates at ``address`` for who proves a name at port 80 while the block runs.

    ``folder``: for its files. Raises FileNotFoundError where the package is not installed.
    """
    for program in (PEBBLE, NAMES):
        if not shutil.which(program):
            raise FileNotFoundError(f"{program}: install Debian's package pebble (make setup)")
    issued = issue(address)
    (folder / "tls.crt").write_text(issued.certificate)
    (folder / "tls.key").write_text(issued.key)
    config = {
        "listenAddress": f"{address}:{PORT}",
        "managementListenAddress": f"{address}:{MANAGEMENT_PORT}",
        "certificate": str(folder / "tls.crt"),
        "privateKey": str(folder / "tls.key"),
        "httpPort": 80,
        "tlsPort": 443,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": False,
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": config}))
    acme = Acme(address, issued, folder / "pebble.log")
    names = [
        NAMES,
        *("-defaultIPv4", "", "-defaultIPv6", ""),
        *("-dns01", f"{address}:{DNS_PORT}", "-management", f"{address}:{RECORDS_PORT}"),
        *("-http01", "", "-https01", "", "-tlsalpn01", ""),
    ]
    pebble = [
        PEBBLE,
        *("-config", str(folder / "pebble.json"), "-dnsserver", f"{address}:{DNS_PORT}"),
    ]
    # It neither waits before it looks nor refuses a part of the requests, as it would by itself.
    hurried = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
    with (
        _running(names, folder / "names.log", {}),
        _running(pebble, acme.log, hurried),
    ):
        wait_for("Pebble", lambda: _answers(acme), limit_s=20)
        yield acme


@contextmanager
def _running(command: list[str], log: Path, environment: Mapping[str, str]) -> Iterator[None]:
    plain = {name: os.environ[name] for name in ("PATH",)}
    with log.open("w") as said:
        process = subprocess.Popen(
            command, stdout=said, stderr=subprocess.STDOUT, env={**plain, **environment}
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(10)


def _answers(acme: Acme) -> bool:
    try:
        return bool(acme.root())
    except OSError:
        return False


def _direct(context: ssl.SSLContext | None = None) -> urllib.request.OpenerDirector:
    """What asks without a proxy, and trusts ``context``."""
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
