"""`satcat unmark`: take downloads back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from satcat import wording
from satcat.cli import options
from satcat.cli.frame import Settings
from satcat.cli.frame import command as satcat_command
from satcat.cli.selection import ids_option, selection, tell_unclear

if TYPE_CHECKING:
    from satcat.filters import SearchFilters


@satcat_command(exits=(3,), example="satcat unmark --tile 30TWM --end 2024-06-10")
@options.filters
@click.option("--all", "everything", is_flag=True, help="Every product.")
@ids_option
@click.pass_obj
def command(
    settings: Settings, *, filters: SearchFilters, everything: bool, ids: str | None
) -> int:
    """Take products without a file out of the download queue.

    Takes filters, --ids or --all. Files, and the rows that know of them, stay. A worker that is busy with one leaves it.
    """
    with settings.open() as catalogue:
        unmarked = catalogue.unmark(selection(filters, ids, everything=everything))
    click.echo(f"unmarked {wording.count(unmarked.rows, 'product')}")
    return tell_unclear(unmarked)
