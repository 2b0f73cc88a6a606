"""What pyinfra reads first of all: refuses what its own reading of ``--data`` cannot take."""

import sys

import click

from configs.given import unreadable
from configs.problems import render

_context = click.get_current_context(silent=True)
if _problems := [*unreadable(_context.params.get("data", ()) if _context else ())]:
    click.echo(render(_problems), err=True)
    sys.exit(1)
