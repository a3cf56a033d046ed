"""Every option that several commands share, once.

filters    --collection … --where   sync, query, report coverage, report calendar, mark, unmark, export
area       --bbox --geometry --point  tiles; a part of the filters
selection  --covers … --limit       query, mark, export
strict     --strict                 query, report coverage, report calendar, mark, export
output     -f --columns -o          query, sql, report, tiles, queue list, scopes list (in output.py)
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from satcat.cli.frame import Coordinates
from satcat.errors import FilterError

if TYPE_CHECKING:
    from satcat.filters import SearchFilters

F = TypeVar("F", bound=Callable[..., Any])

_AREA: tuple[Callable[[Any], Any], ...] = (
    click.option("--bbox", cls=Coordinates, numbers=4, metavar="W,S,E,N", help="Touching this box, degrees; W > E crosses 180°."),
    click.option("--geometry", metavar="TEXT|FILE|-",
                 help="Touching this WKT or GeoJSON, or what is in a file: also KML, GeoPackage, shapefile."),
    click.option("--point", cls=Coordinates, numbers=2, metavar="LON,LAT", help="Touching this point, degrees."),
)  # fmt: skip
_FILTERS: tuple[Callable[[Any], Any], ...] = (
    click.option("--collection", metavar="NAME", help="As SENTINEL-2; online it is required."),
    click.option("--product-type", metavar="TYPE", help="As S2MSI2A."),
    click.option("--level", metavar="LEVEL", help="Processing level, as L2A."),
    click.option("--tile", metavar="ID|@FILE", multiple=True,
                 help="MGRS 30TWM or WRS-2 203033; again for more, or @FILE with one a line."),
    click.option("--start", metavar="TIME", help="Sensing start on or after, UTC."),
    click.option("--end", metavar="TIME",
                 help="Sensing start before; a bare date means that whole day too."),
    click.option("--cloud", metavar="MAX",
                 help="Cloud cover of at most MAX percent; unknown is left out."),
    *_AREA,
    click.option("--name", metavar="GLOB", help="The whole name; * is any text, ? one character."),
    click.option("--contains", metavar="TEXT", multiple=True, help="A part of the name; again for more."),
    click.option("--relative-orbit", metavar="N", help="The orbit's number in its repeat cycle."),
    click.option("--orbit-direction", metavar="DIR", help="ASCENDING or DESCENDING."),
    click.option("--platform", metavar="NAME", help="As S2A."),
    click.option("--published-since", metavar="TIME", help="Published on or after."),
    click.option("--online/--offline", default=None, help="At hand at the source, or in its archive."),
    click.option("--where", metavar="SQL", help="Offline only: an SQL condition on the columns of products."),
)  # fmt: skip
#: The options and the filters that they are.
_FIELDS = {
    "collection": "collection", "product_type": "product_type", "level": "processing_level", "tile": "tile_id",
    "start": "start_date", "end": "end_date", "cloud": "cloud_cover", "bbox": "bbox", "geometry": "geometry",
    "point": "point", "name": "name", "contains": "contains", "relative_orbit": "relative_orbit",
    "orbit_direction": "orbit_direction", "platform": "platform", "published_since": "published_since",
    "online": "online", "where": "where",
}  # fmt: skip


def _share(_context: click.Context, _option: click.Parameter, stated: str | None) -> float | None:
    from satcat import values

    if stated is None:
        return None
    try:
        return values.percent(stated) / 100 if stated.endswith("%") else values.number(stated)
    except FilterError as error:
        raise FilterError(f"--covers: {error}") from None


_SELECTION: tuple[Callable[[Any], Any], ...] = (
    click.option("--covers", metavar="SHARE", callback=_share,
                 help="Covering this share of --bbox or --geometry, as 0.8 or 80%."),
    click.option("--latest", is_flag=True,
                 help="Of each scene only the newest version; also of a Sentinel-2 tile that two datastrips share."),
    click.option("--best", metavar="COLUMN",
                 help="One product a group: the one with the lowest value, as of cloud."),
    click.option("--per", metavar="A,B,…",
                 help="The groups for --best: columns, year, month, day; as tile,month."),
    click.option("--not-downloaded", is_flag=True, help="Of these, what is not at hand as a whole file."),
    click.option("--sort", metavar="COLUMN",
                 help="Order by this column; -COLUMN: descending.  [default: newest first]"),
    click.option("--limit", metavar="N", type=click.IntRange(1), help="At most N products."),
)  # fmt: skip
_CHOICES = ("covers", "latest", "best", "per", "not_downloaded", "sort", "limit")


def filters(function: F) -> F:
    """Add the filters; the command gets them as one argument, `filters`."""

    @wraps(function)
    def gathered(*args: Any, **kwargs: Any) -> Any:
        given = {field: kwargs.pop(option) for option, field in _FIELDS.items()}
        return function(*args, filters=filters_from(given), **kwargs)

    made: Any = gathered
    for add in reversed(_FILTERS):
        made = add(made)
    return cast("F", made)


def selection(function: F) -> F:
    """Add what chooses among the products that match, each step among what the one before leaves.

    The command gets what was given as one argument, `choice`; it fits `Catalogue.search(filters, **choice)` and others.
    """

    @wraps(function)
    def gathered(*args: Any, **kwargs: Any) -> Any:
        from satcat.choice import Choice, check

        given = {name: kwargs.pop(name) for name in _CHOICES}
        choice = cast(
            "Choice", {name: v for name, v in given.items() if v is not None and v is not False}
        )
        check(kwargs["filters"], choice)
        return function(*args, choice=choice, **kwargs)

    made: Any = gathered
    for add in reversed(_SELECTION):
        made = add(made)
    return cast("F", made)


def area(function: F) -> F:
    """Add the filters that are areas: --bbox, --geometry and --point."""
    made: Any = function
    for add in reversed(_AREA):
        made = add(made)
    return cast("F", made)


def filters_from(given: dict[str, Any]) -> SearchFilters:
    """The filters that were typed; says on stderr what was mended in a geometry.

    Raises:
        FilterError: a value that cannot be meant as given.
    """
    from satcat.filters import SearchFilters

    values = {name: value for name, value in given.items() if value not in (None, ())}
    if "tile_id" in values:
        values["tile_id"] = [tile for text in values["tile_id"] for tile in _tiles(text)]
    if values.get("geometry") == "-":
        values["geometry"] = sys.stdin.buffer.read()
    found = SearchFilters(**values)
    for note in found.notes:
        click.get_current_context().obj.say(f"--geometry: {note}")
    return found


def _tiles(text: str) -> list[str]:
    """One tile, or those of a file: one a line, `#` starts a comment."""
    if not text.startswith("@"):
        return [text]
    lines = read_lines("--tile", text[1:])
    if not lines:
        raise FilterError(f"--tile {text}: the file names no tile")
    return lines


def read_lines(option: str, name: str) -> list[str]:
    """The lines of a file (`-`: of standard input) that are not empty, less comments."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
        text = text.removeprefix("\ufeff")  # as some Windows editors begin a file
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise FilterError(f"{option}: {name!r} cannot be read: {reason}") from None
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


strict = click.option(
    "--strict", is_flag=True, help="Exit 6 where part of what is asked for is not mirrored or not finished."
)  # fmt: skip
