"""`satcat report`: what the mirror covers."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import click

from satcat.cli import options, wording
from satcat.cli.frame import Settings, group
from satcat.cli.frame import command as satcat_command
from satcat.cli.mirrored import insist, tell
from satcat.cli.output import Output, output
from satcat.cli.table import Words

if TYPE_CHECKING:
    from satcat.filters import SearchFilters

_WORDS: dict[str, Words] = {
    "size_bytes": wording.size, "min_cloud_cover": "{:.1f}".format, "mean_cloud_cover": "{:.1f}".format,
    "first_sensing": "{:%Y-%m-%d}".format, "last_sensing": "{:%Y-%m-%d}".format,
}  # fmt: skip
_SHOWN = (
    "tile_id", "product_type", "month", "products", "clear_products", "mean_cloud_cover", "last_sensing",
    "downloaded", "mirrored",
)  # fmt: skip


@satcat_command(
    name="coverage",
    exits=(3, 6),
    example="satcat report coverage --level L2A --start 2024-06-01 --end 2024-08-31 --by tile,month",
)
@options.filters
@click.option("--by", metavar="A,B", default="tile", show_default=True, help="tile, or tile,month.")
@options.strict
@output
@click.pass_obj
def coverage_command(
    settings: Settings, /, *, filters: SearchFilters, by: str, strict: bool, out: Output
) -> None:
    """Count products, cloud and downloads per tile, offline.

    Tiles and months that are not mirrored are said to be so, and never 0. `clear_products` have at most 20 % cloud.
    """
    from satcat.reports.coverage import TileCoverage

    columns = [field.name for field in fields(TileCoverage)]
    groups = [name.strip() for name in by.split(",")]
    shown = [name for name in _SHOWN if name != "month" or "month" in groups]
    with settings.open() as catalogue:
        survey = catalogue.survey(filters)
        tell(settings, survey)
        rows = catalogue.coverage(filters, by=groups)
        out.write(rows, columns, get=getattr, in_table=shown, words=_WORDS)
    insist(survey, strict=strict)


@group(commands=[coverage_command])
def command() -> None:
    """Report what the mirror covers."""
