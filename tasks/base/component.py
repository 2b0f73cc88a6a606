"""What every target has: package sources, the stack's packages, a firewall, the time, updates."""

from tasks.component import Site, component
from tasks.resources import (
    allow,
    apt_sources,
    firewall,
    held_versions,
    packages,
    service,
    text_file,
    vendor_repositories,
)

PACKAGES = (
    "ca-certificates",
    "curl",
    "iproute2",
    "iptables",
    "logrotate",
    "nftables",
    "systemd-timesyncd",
    "ufw",
    "unattended-upgrades",
)
PERIODIC = """\
// written by chom; changes are overwritten
APT::Periodic::Update-Package-Lists "{on}";
APT::Periodic::Unattended-Upgrade "{on}";
"""
ORIGINS = """\
// written by chom; changes are overwritten
// Added to the list of Debian's own file, 50unattended-upgrades.
Unattended-Upgrade::Origins-Pattern {{
{patterns}}};
"""


@component(packages=PACKAGES, version="cat /etc/debian_version")
def base(site: Site) -> None:
    """Packages of the whole stack first, then the firewall: SSH is let in before it closes."""
    apt_sources(site.settings.apt.mirror)
    vendors = vendor_repositories()
    if patterns := [each.updates for each in vendors if each.updates]:
        text_file(
            "/etc/apt/apt.conf.d/52chom-unattended-upgrades",
            ORIGINS.format(patterns="".join(f'    "{pattern}";\n' for pattern in patterns)),
        )
    held_versions()
    packages()
    # Behind a port forwarding sshd listens elsewhere than where we came in: admit both.
    for port in sorted({site.target.ssh.port, *site.ssh_ports}):
        allow(port)
    firewall()
    automatic = text_file(
        "/etc/apt/apt.conf.d/20auto-upgrades",
        PERIODIC.format(on=int(site.settings.apt.unattended_upgrades)),
    )
    service("unattended-upgrades", runs=[automatic])
    service("systemd-timesyncd")
