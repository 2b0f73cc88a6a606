"""`python -m tasks.grafana.dashboards [--write]`: make the dashboards' JSON files, or compare them.

It needs Grafana's SDK, which deploying does not.
"""

import argparse
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from tasks.grafana.dashboards import (
    apps,
    deployments,
    fleet,
    host,
    logs,
    mariadb,
    nginx,
    php_fpm,
    redis,
)
from tasks.grafana.queries import FOLDER

MODULES = (fleet, host, apps, nginx, php_fpm, mariadb, redis, logs, deployments)


def made() -> dict[str, str]:
    """The text of each file by its name."""
    dashboards = [module.build().build() for module in MODULES]
    for each in dashboards:
        # Links to a panel name its number.
        for number, panel in enumerate(each.panels or [], 1):
            panel.id_val = number
    encoder = JSONEncoder(indent=2, sort_keys=True)
    return {f"{each.uid}.json": encoder.encode(each) + "\n" for each in dashboards}


def written(folder: Path) -> dict[str, str]:
    """The same as it is in a folder."""
    return {path.name: path.read_text() for path in folder.glob("*.json")}


def main() -> int:
    """Exit code 1 where the files are not what they should be."""
    parser = argparse.ArgumentParser(prog="python -m tasks.grafana.dashboards")
    parser.add_argument("--write", action="store_true", help="write the files")
    if parser.parse_args().write:
        for path in FOLDER.glob("*.json"):
            path.unlink()
        for name, text in made().items():
            (FOLDER / name).write_text(text)
    differ = made() != written(FOLDER)
    if differ:
        print("the files differ: python -m tasks.grafana.dashboards --write", file=sys.stderr)
    return int(differ)


if __name__ == "__main__":
    sys.exit(main())
