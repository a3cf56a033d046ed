"""`satcat db`: the catalogue file itself."""

from __future__ import annotations

from pathlib import Path

import click

from satcat import wording
from satcat.cli.frame import Settings, group
from satcat.cli.frame import command as satcat_command
from satcat.errors import CatalogueDamagedError
from satcat.terminal import printable


@satcat_command(name="upgrade", exits=(3,), example="satcat db upgrade")
@click.pass_obj
def upgrade_command(settings: Settings) -> None:
    """Bring a catalogue to this satcat's schema version; makes a new one where there is none."""
    from satcat.database import Database

    with (
        Database.connect(settings.db, create=True) as database,
        database.syncing("satcat db upgrade"),
    ):
        before, after = database.version(), database.upgrade()
    how = "is" if before == after else "is made, at" if before is None else f"went from {before} to"
    settings.say(f"{settings.shown} {how} schema version {after}")


@satcat_command(name="current", exits=(3,), example="satcat db current")
@click.pass_obj
def current_command(settings: Settings) -> None:
    """Show the catalogue's schema version, whatever it is, and this satcat's."""
    from satcat.database import Database
    from satcat.models import SCHEMA_VERSION

    with Database.connect(settings.db) as database:
        click.echo(f"catalogue {database.version() or 'empty'}, satcat {SCHEMA_VERSION}")


@satcat_command(name="check", exits=(3,), example="satcat db check")
@click.pass_obj
def check_command(settings: Settings) -> None:
    """Check, offline, that the catalogue is whole in itself.

    Looks at the file's structure, the references between tables, the spatial index, the counts per tile and month, and
    whether each product is still what the source said. `satcat verify --repair` mends what can be mended.
    """
    from satcat import integrity

    found = 0
    with settings.open() as catalogue, catalogue.database.read() as connection:
        for finding in integrity.check(connection):
            found += 1
            about = f"{finding.id} " if finding.id else ""
            click.echo(printable(f"{finding.kind}: {about}{finding.detail}"))
    if found:
        raise CatalogueDamagedError(settings.shown, wording.count(found, "fault"))
    settings.say(f"{settings.shown} is whole")


@satcat_command(
    name="snapshot", exits=(3,), example="satcat db snapshot backup/satcat-2024-06-30.db"
)
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
@click.pass_obj
def snapshot_command(settings: Settings, target: Path) -> None:
    """Write a consistent copy to a new FILE, also while others sync and download.

    The copy appears whole or not at all.
    """
    from satcat.snapshots import snapshot

    with settings.open() as catalogue:
        snapshot(catalogue.database, target)
    settings.say(f"{target}: {wording.size(target.stat().st_size)}")


@group(commands=[upgrade_command, current_command, check_command, snapshot_command])
def command() -> None:
    """Upgrade, check or copy the catalogue file."""
