"""The lab's own network: a bridge, a namespace and a cable for each machine, and a way out."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, ip_address
from pathlib import Path

from tests.lab import names
from tests.lab.shell import LabError, run

FIRST_OBSERVABILITY, FIRST_VPSMANAGER = 11, 21


def parse_subnet(text: str) -> IPv4Network:
    """Read `10.66.0.0/24`; raises `LabError` when it is no such network."""
    try:
        return IPv4Network(text)
    except ValueError as error:
        raise LabError(f"--subnet {text}: {error}") from error


def host_address(subnet: IPv4Network, number: int) -> IPv4Address:
    """The `number`th address of the subnet; raises `LabError` when the subnet is too small."""
    if number >= subnet.num_addresses - 1:
        raise LabError(f"the subnet {subnet} has no room for address .{number}: use a /24")
    return subnet[number]


@dataclass(frozen=True)
class Route:
    """A network that this computer already knows its way to."""

    network: IPv4Network
    interface: str


def routes() -> list[Route]:
    """This computer's IPv4 routes."""
    return parse_routes(run("ip", "-json", "-4", "route", "show").stdout)


def parse_routes(text: str) -> list[Route]:
    """Read the output of `ip -json route`; the default route is left out."""
    return [
        Route(IPv4Network(route["dst"]), route.get("dev", "?"))
        for route in json.loads(text or "[]")
        if route["dst"] != "default"
    ]


def refuse_taken_subnet(
    subnet: IPv4Network, own_bridge: str, known: Iterable[Route], needed: dict[str, str]
) -> None:
    """Refuse a subnet that would cut this computer off from something.

    Args:
        subnet: The subnet that the lab wants.
        own_bridge: The lab's own interface; a route through it does not count.
        known: Routes of this computer.
        needed: Addresses that must stay reachable, each with what it is.

    Raises:
        LabError: The subnet overlaps a route or holds a needed address.
    """
    remedy = "choose a free one with --subnet, such as --subnet 10.67.0.0/24"
    for route in known:
        if route.interface != own_bridge and route.network.overlaps(subnet):
            raise LabError(
                f"the subnet {subnet} overlaps the route {route.network} by {route.interface}"
                f" of this computer: {remedy}"
            )
    for address, what in needed.items():
        if ip_address(address) in subnet:
            raise LabError(f"the subnet {subnet} holds {what} ({address}): {remedy}")


def addresses_of(host: str) -> dict[str, str]:
    """IPv4 addresses of a host, each with its description; none when it does not resolve."""
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return {}
    return {str(info[4][0]): f"the address of {host}" for info in found}


@dataclass(frozen=True)
class Network:
    """The network of one lab."""

    lab: str
    subnet: IPv4Network

    @property
    def bridge(self) -> str:
        """The bridge's interface name."""
        return names.bridge_name(self.lab)

    @property
    def gateway(self) -> IPv4Address:
        """The bridge's address: the machines' way out, the admin's address and the mirror's."""
        return host_address(self.subnet, 1)

    def create(self) -> None:
        """Make the bridge and let what is behind it out; nothing of an earlier one may be left."""
        run("ip", "link", "add", self.bridge, "mtu", str(outer_mtu()), "type", "bridge")
        address = f"{self.gateway}/{self.subnet.prefixlen}"
        run("ip", "address", "add", address, "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        run("nft", "--file", "-", input=nft_ruleset(self.lab, self.subnet))

    def plug_in(self, machine: str, address: IPv4Address) -> Path:
        """Make a machine's network namespace with its cable to the bridge; its path."""
        namespace = names.namespace_name(self.lab, machine)
        veth = names.veth_name(self.lab, machine)
        mtu = str(outer_mtu())
        run("ip", "netns", "add", namespace)
        run(
            *("ip", "link", "add", veth, "mtu", mtu, "type", "veth"),
            *("peer", "name", "eth0", "mtu", mtu, "netns", namespace),
        )
        run("ip", "link", "set", veth, "master", self.bridge, "up")
        inside = "\n".join(
            (
                f"address add {address}/{self.subnet.prefixlen} dev eth0",
                "link set lo up",
                "link set eth0 up",
                f"route add default via {self.gateway}",
            )
        )
        run("ip", "-netns", namespace, "-batch", "-", input=inside)
        return Path("/run/netns") / namespace

    def unplug(self, machine: str) -> None:
        """Take a machine's cable and namespace away, if they are there."""
        run("ip", "link", "delete", names.veth_name(self.lab, machine), check=False)
        run("ip", "netns", "delete", names.namespace_name(self.lab, machine), check=False)

    def connect(self, machine: str, connected: bool) -> None:
        """Pull a machine's cable, or put it in again; the machine itself goes on."""
        veth = names.veth_name(self.lab, machine)
        run("ip", "link", "set", veth, "up" if connected else "down")

    def exists(self) -> bool:
        """Whether the bridge is there."""
        return Path("/sys/class/net", self.bridge).exists()


def destroy(lab: str) -> None:
    """Take away every network thing of a lab of this name, whichever run made it."""
    bridge = names.bridge_name(lab)
    for cable in Path("/sys/class/net", bridge, "brif").glob("*"):
        run("ip", "link", "delete", cable.name, check=False)
    run("ip", "link", "delete", bridge, check=False)
    for namespace in Path("/run/netns").glob(names.namespace_prefix(lab) + "*"):
        if run("ip", "netns", "delete", namespace.name, check=False).returncode != 0:
            # Its mount is gone already: only the empty file of a computer that went down is left.
            namespace.unlink(missing_ok=True)
    run("nft", "delete", "table", "ip", names.nft_table_name(lab), check=False)


def nft_ruleset(lab: str, subnet: IPv4Network) -> str:
    """Let the subnet out under this computer's address, and nothing else."""
    return f"""table ip {names.nft_table_name(lab)} {{
    chain forward {{
        type filter hook forward priority filter; policy accept;
        ip saddr {subnet} accept
        ip daddr {subnet} ct state established,related accept
    }}
    chain postrouting {{
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr {subnet} ip daddr != {subnet} masquerade
    }}
}}
"""


def outer_mtu() -> int:
    """The MTU of this computer's way out, in bytes: a larger one inside would lose packets."""
    default = json.loads(run("ip", "-json", "-4", "route", "show", "default").stdout or "[]")
    if not default:
        return 1500
    return int(Path("/sys/class/net", default[0]["dev"], "mtu").read_text())
