"""Names of the things that a lab makes in the kernel, so that an earlier lab's can be found."""

from __future__ import annotations

import hashlib
import re

from tests.lab.shell import LabError

# The kernel's IFNAMSIZ is 16 with the closing zero byte.
INTERFACE_NAME_LENGTH = 15
_LAB_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")


def check_lab_name(name: str) -> str:
    """Return `name`, or raise `LabError` when it could not be a part of the names below."""
    if not _LAB_NAME.fullmatch(name):
        raise LabError(
            f"{name!r} cannot name a lab: use up to 30 lower-case letters, digits and '-',"
            " starting with a letter"
        )
    return name


def bridge_name(lab: str) -> str:
    """The bridge that all machines of a lab are plugged into."""
    return _fit(f"lab-{lab}")


def veth_name(lab: str, machine: str) -> str:
    """The bridge's end of a machine's cable."""
    return _fit(f"v-{lab}-{machine}")


def namespace_prefix(lab: str) -> str:
    """How the network namespaces of a lab begin; lab names hold no dot, so no other lab's do."""
    return f"chom.{lab}."


def namespace_name(lab: str, machine: str) -> str:
    """A machine's network namespace."""
    return namespace_prefix(lab) + machine


def nft_table_name(lab: str) -> str:
    """The lab's nftables table; nft takes no '-' in a name."""
    return "chom_lab_" + lab.replace("-", "_")


def cgroup_name(lab: str) -> str:
    """The cgroup above everything that a lab runs."""
    return f"chom-lab.{lab}"


def _fit(name: str) -> str:
    if len(name) <= INTERFACE_NAME_LENGTH:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:7]
    return f"{name[: INTERFACE_NAME_LENGTH - 8]}-{digest}"
