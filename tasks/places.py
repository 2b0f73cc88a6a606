"""Folders that are Debian's, whatever is deployed: never made by us, and never removed."""

_NAMES = {
    "": "bin boot dev etc home lib lib64 media mnt opt proc root run sbin srv sys tmp usr var",
    "/etc": "apt cron.d default logrotate.d ssh ssl systemd",
    "/etc/apt": "apt.conf.d keyrings preferences.d sources.list.d",
    "/etc/systemd": "system",
    "/usr": "bin include lib libexec local sbin share src",
    "/usr/local": "bin etc include lib sbin share src",
    "/var": "backups cache lib local lock log mail opt run spool tmp",
    "/var/lib": "apt dpkg systemd",
}
SYSTEM_FOLDERS = frozenset(
    ["/", *(f"{above}/{name}" for above, names in _NAMES.items() for name in names.split())]
)
