"""`satcat tiles`: look tiles up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from satcat import wording
from satcat.cli import options
from satcat.cli.frame import Settings
from satcat.cli.frame import command as satcat_command
from satcat.cli.output import Output, output
from satcat.cli.table import Words
from satcat.errors import FilterError

if TYPE_CHECKING:
    from satcat.tiles import Grid

_COLUMNS = ("tile_id", "grid", "epsg", "west", "south", "east", "north", "area_km2", "land")
_WORDS: dict[str, Words] = {
    "area_km2": "{:,.0f}".format, **dict.fromkeys(("west", "south", "east", "north"), "{:.4f}".format)
}  # fmt: skip


@satcat_command(
    example="""
    satcat tiles 30TWM 203033
    satcat tiles --point -3,43
    satcat tiles --bbox -4,42,-2,44 --land -f geojson -o tiles.geojson
    """,
)
@click.argument("tile", nargs=-1, metavar="[ID|@FILE]...")
@options.area
@click.option(
    "--grid", type=click.Choice(["mgrs", "wrs2"]), help="Only this grid; MGRS if an area is given."
)
@click.option(
    "--land/--sea", default=None, help="Only MGRS tiles that have land in them, or that have none."
)
@output
@click.pass_obj  # fmt: skip
def command(
    settings: Settings, /, *, tile: tuple[str, ...], grid: Grid | None, land: bool | None, out: Output, **area: Any
) -> None:  # fmt: skip
    """Look tiles up, by name or by where they are. Needs no catalogue.

    Sentinel-2's MGRS tiles and Landsat's WRS-2 paths and rows, with their box, EPSG code and area.
    """
    from satcat import tiles

    filters = options.filters_from({"tile_id": tile, **area})
    if not filters.set_names:
        raise FilterError("give tiles, --point, --bbox or --geometry: nothing was asked for")
    found = list(filters.tiles)
    if filters.area is not None:
        touched = tiles.intersecting(filters.area, grid or "mgrs")
        found = [name for name in touched if not found or name in found]
    rows = (
        row._asdict() for row in tiles.rows_of(found)
        if grid in (None, row.grid) and land in (None, row.land)
    )  # fmt: skip
    total = out.write(rows, _COLUMNS, more=("footprint",), words=_WORDS)
    if total == 0 or out.format == "table":
        settings.say(wording.count(total, "tile"))
