"""`satcat demo`: the whole way."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from satcat.cli.frame import command as satcat_command


@satcat_command(
    example="""
    satcat demo
    cd satcat-demo && satcat status
    """,
)
@click.argument("folder", metavar="[DIR]", default="satcat-demo", type=click.Path(path_type=Path))
def command(folder: Path) -> None:
    """Show the whole way on a pretend source: no network, no account.

    Runs sync, status, query, SQL, report, mark, download and verify, each shown as typed, in under a minute. The catalogue
    and the files stay in DIR (satcat-demo). Run again it replaces that folder; any other folder that is not empty it
    refuses.
    """
    from satcat import demo

    demo.run(folder, _say)


def _say(line: str) -> None:
    """Print a line before whatever the commands print; commands bold and comments dim on a terminal."""
    colour = {"$": "green", "#": "cyan"}.get(line[:1]) if sys.stdout.isatty() else None
    click.echo(click.style(line, fg=colour, bold=colour == "green") if colour else line)
    sys.stdout.flush()
