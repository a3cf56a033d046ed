"""`satcat query`: pick products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from satcat.cli import options, wording
from satcat.cli.frame import Settings
from satcat.cli.frame import command as satcat_command
from satcat.cli.mirrored import insist, tell
from satcat.cli.output import Output, output
from satcat.cli.table import Words
from satcat.exports.rows import Rows
from satcat.products import RESULT_COLUMNS

if TYPE_CHECKING:
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
@click.option(
    "--sort",
    metavar="COLUMN",
    help="Order by this column; -COLUMN: descending.  [default: newest first]",
)
@click.option("--limit", metavar="N", type=click.IntRange(1), help="At most N products.")
@click.option("--latest", is_flag=True, help="Of each scene only the newest version.")
@click.option(
    "--best",
    metavar="COLUMN",
    help="One product a group: the one with the lowest value, as of cloud.",
)
@click.option(
    "--per",
    metavar="A,B,…",
    help="The groups for --best: columns, year, month, day; as tile,month.",
)
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
    per: str | None,
    **choice: Any,
) -> None:
    """Pick products, offline.

    Says on stderr which part of what is asked for is not mirrored, and how old the mirror is. Newest sensing first.
    """
    from satcat import select

    if per is not None:
        choice["per"] = [name.strip() for name in per.split(",")]
    with settings.open() as catalogue:
        survey = catalogue.survey(filters)
        tell(settings, survey)
        with catalogue.database.read() as connection:
            columns = out.choose(RESULT_COLUMNS, IN_TABLE, more=["footprint"])
            total = out.put(
                Rows(columns, select.rows(connection, filters, columns, **choice)), WORDS
            )
    if total == 0 or out.format == "table":
        settings.say(wording.count(total, "product"))
    insist(survey, strict=strict)
