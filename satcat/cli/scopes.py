"""`satcat scopes`: what is mirrored."""

from __future__ import annotations

import sys

import click

from satcat import wording
from satcat.cli.frame import Settings, group
from satcat.cli.frame import command as satcat_command
from satcat.cli.output import Output, output
from satcat.errors import FilterError, SatcatError


@satcat_command(name="list", exits=(3,), example="satcat scopes list")
@output
@click.pass_obj
def list_command(settings: Settings, out: Output) -> None:
    """Show each scope: its name, filters, sensing interval and number of products."""
    from satcat.sync import scopes

    with settings.open() as catalogue, catalogue.database.read() as connection:
        rows = [
            {
                "name": scope.name,
                "filters": str(scope.filters),
                "sensing_start": scope.interval.start,
                "sensing_end": scope.interval.end,
                "products": scopes.count(connection, scope),
                "source": scope.source,
                "url": scope.url,
            }
            for scope in scopes.listing(connection)
        ]
    shown = ("name", "filters", "sensing_start", "sensing_end", "products")
    out.write(rows, (*shown, "source", "url"), in_table=shown)
    if not rows:
        settings.say("nothing is mirrored yet; `satcat sync --help` says how to begin")


@satcat_command(
    name="remove", exits=(3,), example="satcat scopes remove sentinel-2-l2a-30twm --yes"
)
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove_command(settings: Settings, name: str, *, yes: bool) -> None:
    """Stop mirroring a scope, and forget the products that are in no other.

    Products that a download refers to stay until that row is gone. Files are never touched.
    """
    from satcat.sync import scopes

    with settings.open() as catalogue:
        with catalogue.database.read() as connection:
            held = wording.count(scopes.count(connection, scopes.find(connection, name)), "product")
        if not yes:
            if not sys.stdin.isatty():
                raise FilterError(f"this would forget {name}, {held}: repeat with --yes")
            if not click.confirm(f"Forget {name}, {held}?", err=True):
                raise SatcatError("nothing was removed")
        database = catalogue.database
        with database.syncing("satcat scopes remove"), database.write() as connection:
            went = scopes.remove(connection, name)
    settings.say(f"{name} removed; {wording.count(went, 'product')} forgotten")


@group(commands=[list_command, remove_command])
def command() -> None:
    """Show or remove what is mirrored."""
