"""`satcat export`: products as a file, or as a folder of files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from satcat import exports, wording
from satcat.cli import options
from satcat.cli.frame import Settings
from satcat.cli.frame import command as satcat_command
from satcat.cli.mirrored import insist, suggest, tell
from satcat.cli.output import chosen_columns
from satcat.errors import FilterError
from satcat.products import RESULT_COLUMNS

if TYPE_CHECKING:
    from satcat.choice import Choice
    from satcat.filters import SearchFilters


@satcat_command(
    exits=(3, 6),
    example="""
    satcat export summer.gpkg --tile 30TWM --cloud 20 --start 2024-06-01 --end 2024-08-31
    satcat export all.parquet
    satcat export lake --partition collection,month
    satcat export clear.csv --best cloud --per tile,month --columns tile_id,name,footprint
    """,
)
@click.argument("out", metavar="FILE", type=click.Path(path_type=Path, readable=False))
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(list(exports.NAMES)),
    help="Instead of what the suffix of FILE says.",
)
@click.option(
    "--partition",
    metavar="A,B,…",
    help="FILE is a folder, and gets a GeoParquet file for each of these: columns, year, month, day; as collection,month.",
)
@click.option("--columns", metavar="A,B,…", help="Only these columns, in this order.")
@options.filters
@options.selection
@options.strict
@click.pass_obj  # fmt: skip
def command(
    settings: Settings,
    /,
    *,
    out: Path,
    form: str | None,
    partition: str | None,
    columns: str | None,
    filters: SearchFilters,
    choice: Choice,
    strict: bool,
) -> None:
    """Write products to a file for QGIS, DuckDB or pandas, offline.

    The suffix says the format: .csv, .geojson, .parquet (GeoParquet), .gpkg (GeoPackage), .json, .ndjson, .geojsonl. The
    file appears, or replaces an older one, whole or not at all. Footprints are geometries in it; in CSV and JSON they
    are WKT, if --columns asks for them.

    With --partition, the folder FILE gets files such as collection=SENTINEL-2/month=2024-06/part-0.parquet, which
    DuckDB, Spark, Dask and pyarrow read as one table, or a part of it. The folder appears, or replaces an older dataset,
    whole or not at all; files that stay the same are kept, and one that holds anything else is refused.
    """
    form = exports.format_meant(out, form, partitioned=partition is not None)
    if partition is None and out.is_dir():
        raise FilterError(f"{out} is a folder: name a file, or give --partition collection,month")
    names = chosen_columns(columns, [*RESULT_COLUMNS, "footprint"]) if columns else None
    with settings.open() as catalogue:
        survey = catalogue.survey(filters)
        tell(settings, survey)
        total = None if settings.quiet else catalogue.count(filters, **choice)

        def watch(rows: Iterator[Any]) -> Iterator[Any]:
            from satcat import progress

            return progress.counted(rows, f"writing {out.name}", total, quiet=settings.quiet)

        written = catalogue.export(
            out, filters, form=form, partition=partition, columns=names, watch=watch, **choice
        )
        if not written:
            suggest(settings, catalogue, filters)
    settings.say(f"{wording.count(written, 'product')} in {out}, {_sizes(out)}")
    insist(survey, strict=strict)


def _sizes(out: Path) -> str:
    """How large what was written is; for a folder also how many files."""
    if not out.is_dir():
        return wording.size(out.stat().st_size)
    sizes = [path.stat().st_size for path in out.rglob("*.parquet")]
    return f"{wording.count(len(sizes), 'file')}, {wording.size(sum(sizes))}"
