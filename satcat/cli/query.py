"""`satcat query`: pick products."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from satcat import wording
from satcat.cli import options
from satcat.cli.frame import Settings
from satcat.cli.frame import command as satcat_command
from satcat.cli.mirrored import insist, suggest, tell
from satcat.cli.output import Output, output
from satcat.cli.table import Words
from satcat.exports.rows import Rows
from satcat.products import RESULT_COLUMNS

if TYPE_CHECKING:
    from satcat.choice import Choice
    from satcat.filters import SearchFilters

IN_TABLE = ("sensing_start", "tile_id", "cloud_cover", "size_bytes", "online", "name")
#: How a table words some of them.
WORDS: dict[str, Words] = {"cloud_cover": "{:.1f}".format, "size_bytes": wording.size}


@satcat_command(
    exits=(3, 6),
    example="""
    satcat query --tile 30TWM --cloud 20 --start 2024-06-01 --end 2024-06-30
    satcat query --level L2A --best cloud --per tile,month -f csv -o best.csv
    """,
)
@options.filters
@options.selection
@options.strict
@output
@click.pass_obj  # fmt: skip
def command(
    settings: Settings,
    /,
    *,
    filters: SearchFilters,
    out: Output,
    strict: bool,
    choice: Choice,
) -> None:
    """Pick products, offline.

    Says on stderr which part of what is asked for is not mirrored, and how old the mirror is. Newest sensing first.

    --covers, --latest, --best, --not-downloaded, --sort and --limit choose in this order, each among what the one before
    leaves.
    """
    from satcat import select

    columns = out.choose(RESULT_COLUMNS, IN_TABLE, more=["footprint"])
    with settings.open() as catalogue:
        survey = catalogue.survey(filters)
        tell(settings, survey)
        with catalogue.database.read() as connection:
            total = out.put(
                Rows(columns, select.rows(connection, filters, columns, **choice)), WORDS
            )
        if total == 0 or out.format == "table":
            settings.say(wording.count(total, "product"))
        if total == 0:
            suggest(settings, catalogue, filters)
    insist(survey, strict=strict)
