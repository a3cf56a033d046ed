"""`satcat report coverage`: what there is of each tile, and where it falls short."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from satcat import wording
from satcat.cli import options
from satcat.cli.frame import Settings
from satcat.cli.frame import command as satcat_command
from satcat.cli.mirrored import insist, tell
from satcat.cli.output import Output, output
from satcat.cli.table import Words

if TYPE_CHECKING:
    from satcat.catalogue import Catalogue
    from satcat.filters import SearchFilters
    from satcat.reports.coverage import TileCoverage

_WORDS: dict[str, Words] = {
    "size_bytes": wording.size,
    **dict.fromkeys(("first_sensing", "last_sensing"), "{:%Y-%m-%d}".format),
    **dict.fromkeys(
        ("covered_percent", "clear_percent", "min_cloud_cover", "mean_cloud_cover", "median_cloud_cover",
         "median_gap_days"),
        "{:.1f}".format,
    ),
}  # fmt: skip
#: What a table shows, the weightiest first, for a narrow terminal has no room for all; the keys of rows only where they
#: are split so.
_SHOWN = (
    "tile_id", "product_type", "relative_orbit", "period", "mirrored", "products", "looks", "clear_looks",
    "longest_gap_days", "covered_percent", "mean_cloud_cover", "downloaded",
)  # fmt: skip
_SPLIT = {"product_type": "product-type", "relative_orbit": "orbit"}


@satcat_command(
    name="coverage",
    exits=(3, 6),
    example="""
    satcat report coverage --level L2A --start 2024-06-01 --end 2024-08-31 --by tile,month
    satcat report coverage --level L2A --bbox -4,42,-2,44 --aoi --start 2024-06-01 --end 2024-08-31
    satcat report coverage --level L2A --start 2024-06-01 --end 2024-08-31 --min-clear 1 --gaps 10
    """,
)
@options.filters
@click.option(
    "--by",
    metavar="A,B,…",
    default="tile,product-type",
    show_default=True,
    help="A row for each tile, and product-type, orbit, month or year.",
)
@click.option(
    "--clear",
    metavar="MAX",
    type=click.FloatRange(0, 100),
    default=20,
    show_default=True,
    help="Products with at most so much cloud count as clear, percent.",
)
@click.option("--aoi", is_flag=True, help="Tell of the whole area asked for too, as tile AOI.")
@click.option(
    "--area/--no-area",
    default=None,
    help="Measure the share of each tile that is really covered.  [default: where few products match]",
)
@click.option(
    "--min-clear",
    metavar="N",
    type=click.IntRange(1),
    help="Only rows with fewer than N clear looks.",
)
@click.option(
    "--gaps",
    metavar="DAYS",
    type=click.IntRange(1),
    help="Instead list the periods of more than DAYS days without a look; with --min-clear N, those with fewer than N "
    "clear ones. The ends of the asked time count like looks; where no end was given, that of what is mirrored.",
)
@click.option("--grid", type=click.Choice(["mgrs", "wrs2"]), help="Only tiles of this grid.")
@options.strict
@output
@click.pass_obj  # fmt: skip
def coverage_command(
    settings: Settings, /, *, filters: SearchFilters, by: str, clear: float, aoi: bool, area: bool | None,
    min_clear: int | None, gaps: int | None, grid: Any, strict: bool, out: Output,
) -> None:  # fmt: skip
    """Report what there is of each tile, offline.

    Products, looks (days with a product), clear looks, gaps between looks, cloud, and the share of the tile that footprints
    really cover together. Tiles and periods without products are told too: 0 where the mirror is complete, else
    "not mirrored", or "ahead" of time still to come. Radar and other products without tile ids count for the tiles that
    their footprints touch.
    """
    from satcat.reports.coverage import check_by

    split = [name.strip() for name in by.split(",")]
    check_by(split, periods=gaps is None)
    if aoi and (gaps is not None or filters.area is None):
        raise click.UsageError(
            "--aoi: gaps are told tile by tile; leave it out" if gaps is not None
            else "--aoi: give an area, by --geometry or --bbox"
        )  # fmt: skip
    how = {"by": split, "clear": clear, "grid": grid}
    with settings.open() as catalogue:
        survey = catalogue.survey(filters)
        tell(settings, survey)
        if gaps is not None:
            _list_gaps(catalogue, filters, out, days=gaps, least=min_clear, **how)
        else:
            _list_tiles(settings, catalogue, filters, out, min_clear, area, aoi=aoi, **how)
    insist(survey, strict=strict)


def _list_tiles(
    settings: Settings, catalogue: Catalogue, filters: SearchFilters, out: Output, min_clear: int | None,
    area: bool | None, *, by: Sequence[str], **how: Any,
) -> None:  # fmt: skip
    from satcat.reports import coverage

    shown = [
        name for name in _SHOWN
        if _SPLIT.get(name, name) in by or name not in (*_SPLIT, "period") or (name == "period" and {"month", "year"} & set(by))
    ]  # fmt: skip
    chosen = out.choose(coverage.COLUMNS, shown)
    if area is None and coverage.SHARES & set(chosen):
        area = catalogue.measures_area(filters)
        if not area:
            settings.say(
                f"more than {coverage.FEW:,} products: the shares really covered are left out; --area measures them"
            )
    if not area and out.format == "table" and not out.columns:
        chosen = [name for name in chosen if name not in coverage.SHARES]
    needed = {*chosen, "clear_looks"} if min_clear else set(chosen)
    rows = catalogue.coverage(filters, by=by, columns=needed, area=area, **how)
    if min_clear:
        rows = (row for row in rows if _falls_short(row, min_clear))
    out.write(rows, chosen, get=getattr, words=_WORDS)


def _falls_short(row: TileCoverage, least: int) -> bool:
    """Too few clear looks, or not known."""
    return row.clear_looks is None or row.clear_looks < least


def _list_gaps(
    catalogue: Catalogue, filters: SearchFilters, out: Output, *, by: Sequence[str], **how: Any
) -> None:
    from satcat.reports import shortfalls

    shown = [
        name for name in shortfalls.COLUMNS
        if name != "collection" and (name not in _SPLIT or _SPLIT[name] in by)
    ]  # fmt: skip
    rows = catalogue.shortfalls(filters, by=by, **how)
    out.write(rows, shortfalls.COLUMNS, get=getattr, in_table=shown)
