"""The base system: a bare Debian 13 as a provider hands it out, built once and never written to."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.lab import paths
from tests.lab.mounts import mounts
from tests.lab.shell import LabError, run

SUITE = "trixie"
ADMIN_PASSWORD = "lab-admin-password"
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "libpam-systemd",
    "openssh-server",
    "sudo",
    "iproute2",
    "procps",
    "netbase",
    "ca-certificates",
)
# Not installed: the mirror takes the programs out of these packages, of each of the suites. Those
# of the newer one are built against a C library that Debian 13 has.
MIRRORED_PACKAGES = ("prometheus", "promtool")
MIRRORED_SUITES = (SUITE, "forky")
# Debian 12's PHP, and those of its libraries that Debian 13 has no more.
OLD_SUITE = "bookworm"
OLD_PHP = (
    *(f"php8.2-{part}" for part in ("cli", "fpm", "common", "opcache", "readline", "mysql")),
    *(f"php8.2-{part}" for part in ("mbstring", "xml", "curl", "zip", "bcmath", "intl", "gd")),
    *(f"php8.2-{part}" for part in ("sqlite3", "redis", "igbinary")),
    *("libicu72", "libzip4"),
)

# What a machine believes of its size is laid over what the kernel says of the whole computer.
SIZE_FILES = {
    "/etc/lab/meminfo": "/proc/meminfo",
    "/etc/lab/cpuinfo": "/proc/cpuinfo",
    "/etc/lab/online": "/sys/devices/system/cpu/online",
}
_SIZE_MOUNTS = "".join(
    f"ExecStart=/usr/bin/mount --bind {ours} {kernels}\n" for ours, kernels in SIZE_FILES.items()
)
SIZE_UNIT = f"""\
[Unit]
Description=Size of this machine
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
RemainAfterExit=yes
{_SIZE_MOUNTS}
[Install]
WantedBy=sysinit.target
"""

SSHD_CONFIG = """\
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
"""

SETUP = f"""\
set -eu
useradd --create-home --shell /bin/bash deploy
useradd --create-home --shell /bin/bash --groups sudo admin
echo 'admin:{ADMIN_PASSWORD}' | chpasswd
echo 'deploy ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/90-deploy
chmod 0440 /etc/sudoers.d/90-deploy
systemctl --quiet enable lab-size.service
mkdir -p /etc/lab /debs/php
for suite in {" ".join(MIRRORED_SUITES)}; do
    sed "s/{SUITE}/$suite/" /etc/apt/sources.list >/etc/apt/sources.list.d/mirrored.list
    apt-get -qq update
    mkdir /debs/$suite
    cd /debs/$suite
    apt-get -qq download {" ".join(f"{name}/$suite" for name in MIRRORED_PACKAGES)}
    rm /etc/apt/sources.list.d/mirrored.list
done
cd /debs/php
apt-get -qq download php-common/{SUITE}
sed 's/{SUITE}/{OLD_SUITE}/' /etc/apt/sources.list >/etc/apt/sources.list.d/old.list
apt-get -qq update
apt-get -qq download {" ".join(OLD_PHP)}
rm /etc/apt/sources.list.d/old.list
cd /
apt-get clean
rm -rf /var/lib/apt/lists/* /var/log/bootstrap.log /var/lib/dbus/machine-id
rm -f /etc/ssh/ssh_host_* /etc/hostname /etc/resolv.conf
: >/etc/machine-id
"""


@dataclass(frozen=True)
class Base:
    """A finished base system."""

    folder: Path

    @property
    def rootfs(self) -> Path:
        """Its root file system."""
        return self.folder / "rootfs"

    @property
    def debs(self) -> Path:
        """Packages that the mirror is made from."""
        return self.folder / "debs"

    @property
    def php_debs(self) -> Path:
        """Those that its PHP repository is made from."""
        return self.debs / "php"

    def archive_host(self) -> str:
        """The host that its apt downloads from.

        Raises:
            LabError: Its sources.list names none.
        """
        for line in (self.rootfs / "etc/apt/sources.list").read_text().splitlines():
            url = re.search(r"^deb .*?(\w+://\S+)", line)
            if url and (host := urlsplit(url[1]).hostname):
                return host
        raise LabError(f"{self.rootfs}/etc/apt/sources.list names no host: remove {self.folder}")


def prepare(say: Callable[[str], None]) -> Base:
    """Return the base system of this recipe, built first if it is not in the cache.

    Args:
        say: Told when there is something to wait for.

    Raises:
        LabError: debootstrap or the setup failed.
    """
    apt_settings = carried_apt_settings(run("apt-config", "dump").stdout)
    architecture = run("dpkg", "--print-architecture").stdout.strip()
    bases = paths.cache() / "bases"
    base = Base(bases / f"{SUITE}-{architecture}-{recipe_key(apt_settings)}")
    bases.mkdir(parents=True, exist_ok=True)
    with locked(bases / "lock"):
        if not base.folder.exists():
            say(f"building the Debian {SUITE} base system (once, about a minute)")
            _remove_unused(bases)
            _build(base, apt_settings)
    return base


def recipe_key(apt_settings: str) -> str:
    """Changes whenever the base system would come out differently."""
    recipe = (SUITE, PACKAGES, SIZE_UNIT, SSHD_CONFIG, SETUP, apt_settings)
    return hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]


def carried_apt_settings(dump: str) -> str:
    """The lines of `apt-config dump` without which this computer's apt could not download.

    A provider, too, puts its proxy into the image.
    """
    needed = re.compile(
        r"Acquire::(Check-Valid-Until|Check-Date|(http|https|ftp)::Proxy(::\S+)?|Retries) "
    )
    return "".join(f"{line}\n" for line in dump.splitlines() if needed.match(line))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file; waits while another process holds it."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(base: Base, apt_settings: str) -> None:
    workshop = Path(tempfile.mkdtemp(prefix="building-", dir=base.folder.parent))
    try:
        rootfs = workshop / "rootfs"
        run(
            *("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
            *(SUITE, str(rootfs)),
            timeout=1800,
            env=_plain_environment(),
        )
        _write(rootfs / "etc/apt/apt.conf.d/90provider", apt_settings)
        _write(rootfs / "etc/ssh/sshd_config.d/50-provider.conf", SSHD_CONFIG)
        _write(rootfs / "etc/systemd/system/lab-size.service", SIZE_UNIT)
        _write(rootfs / "etc/resolv.conf", Path("/etc/resolv.conf").read_text())
        run("chroot", str(rootfs), "sh", "-c", SETUP, timeout=600, env=_plain_environment())
        (rootfs / "debs").rename(workshop / "debs")
        workshop.chmod(0o755)
        workshop.rename(base.folder)
    except BaseException:
        shutil.rmtree(workshop, ignore_errors=True)
        raise


def _write(path: Path, text: str) -> None:
    if text:
        path.unlink(missing_ok=True)
        path.write_text(text)


def _plain_environment() -> dict[str, str]:
    proxies = {name: value for name, value in os.environ.items() if name.endswith("_proxy")}
    return {
        **proxies,
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
    }


def _remove_unused(bases: Path) -> None:
    """Old recipes and halves of an interrupted build, unless a machine stands on them."""
    in_use = " ".join(mount.options for mount in mounts())
    for folder in bases.iterdir():
        if folder.is_dir() and str(folder) not in in_use:
            shutil.rmtree(folder)
