"""Whether every PHP version that is wanted can be had: found out before anything changes."""

from pyinfra import host

from configs import Target
from configs.findings import Finding
from facts.packages import Offered, Packages
from tasks.operations.apt import RELEASE
from tasks.php.versions import OF_DEBIAN, of_vendor


def check_versions(target: Target) -> list[Finding]:
    """The versions that neither the target, nor Debian, nor the vendor's repository has."""
    if target.role != "vpsmanager":
        return []
    asked = {f"php{version}-fpm": version for version in of_vendor(target.settings.php.versions)}
    there = host.get_fact(Packages, names=sorted(asked))["versions"] if asked else {}
    missing = sorted(set(asked) - set(there))
    if not missing:
        return []
    url = target.settings.php_apt.url
    offered = host.get_fact(Offered, url=url, suite=RELEASE, names=missing)
    if "no answer" in offered:
        return [
            Finding(
                f"PHP {asked[name]}",
                f"no answer from {url}",
                "a repository that the server reaches",
                "correct php_apt.url, or let the server reach it",
            )
            for name in missing
        ]
    return [
        Finding(
            f"PHP {asked[name]}",
            f"no {name} in {url}",
            f"a version of Debian ({', '.join(OF_DEBIAN)}) or of that repository",
            f'take "{asked[name]}" out of php.versions',
        )
        for name in missing
        if name not in offered
    ]
