"""What there is of each tile: numbers, cloud, time, and whether the mirror vouches for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Select

from satcat import choice, mirrored, names, space, times
from satcat.conditions import check_where, is_one_of, where_errors
from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.mirrored import NOT_MIRRORED, NOTHING, Survey
from satcat.models import downloads, products, tile_months
from satcat.times import Interval

COMPLETE, PARTLY = "complete", "partly"
#: Up to this cloud cover, in percent, a product counts as clear; the table tile_months and the view tile_coverage agree.
CLEAR = 20

_COUNTED = ("collection", "tile_id", "product_type", "start_date", "end_date")


@dataclass(frozen=True, slots=True, kw_only=True)
class TileCoverage:
    """The products of one tile and type (and month).

    `mirrored` is `complete`, `partly` or `not mirrored`, of the tile and time that were asked for. Numbers are None where
    nothing is stored and the mirror does not vouch for that; 0 means that there is none. Cloud cover is in percent, None
    where no product states it; `clear_products` have at most 20. `size_bytes` leaves unknown sizes out.
    """

    tile_id: str
    collection: str | None = None
    product_type: str | None = None
    month: str | None = None
    products: int | None = None
    clear_products: int | None = None
    min_cloud_cover: float | None = None
    mean_cloud_cover: float | None = None
    first_sensing: datetime | None = None
    last_sensing: datetime | None = None
    size_bytes: int | None = None
    downloaded: int | None = None
    mirrored: str = NOT_MIRRORED


def coverage(
    connection: Connection,
    filters: SearchFilters,
    by: Sequence[str] = ("tile",),
    *,
    counts_only: bool = False,
) -> Iterator[TileCoverage]:
    """Yield a row for each tile and product type (and month), in this order.

    Every tile that was asked for has a row, and every month between the asked start and end, whether or not there are
    products. Products without a tile id do not count.

    Args:
        by: `tile`, or `tile` and `month`.
        counts_only: leave out clouds, times and downloads; that needs no look at the products where the filters are but
            tiles, type, collection and whole months.

    Raises:
        FilterError: another `by`; tiles of a collection that has no tile ids.
    """
    if set(by) not in ({"tile"}, {"tile", "month"}):
        raise FilterError(f"--by {','.join(by)}: give tile, or tile,month")
    if filters.collection and filters.tiles and not names.decides(filters.collection, "tile_id"):
        raise FilterError(f"--collection {filters.collection}: its products have no tile ids")
    check_where(connection, filters)
    months = "month" in by
    survey = mirrored.survey(connection, filters)
    quick = counts_only and _is_of_whole_months(filters)
    with where_errors(filters):
        statement = (
            _from_months(filters, months=months)
            if quick
            else _from_products(connection, filters, months=months)
        )
        rows = (dict(row) for row in connection.execute(statement).mappings())
        for tile, found in _with_missing(rows, survey.tiles):
            for row in _series(tile, found, filters, survey, months=months):
                yield _row(row, survey, counts_only=counts_only)


def _from_products(connection: Connection, filters: SearchFilters, *, months: bool) -> Select[Any]:
    c = products.c
    keys: list[ColumnElement[Any]] = [c.tile_id, c.collection, c.product_type]
    keys += [choice.group("month").label("month")] if months else []
    # no join: its columns would make those of a person's own condition ambiguous
    done = sa.exists().where(
        downloads.c.product_id == c.id, downloads.c.status == "done", downloads.c.include.is_(None)
    )
    return (
        sa.select(
            *keys,
            sa.func.count().label("products"),
            sa.func.count(sa.case((c.cloud_cover <= CLEAR, 1))).label("clear_products"),
            sa.func.min(c.cloud_cover).label("min_cloud_cover"),
            sa.func.avg(c.cloud_cover).label("mean_cloud_cover"),
            sa.func.min(c.sensing_start).label("first_sensing"),
            sa.func.max(c.sensing_start).label("last_sensing"),
            sa.func.coalesce(sa.func.sum(c.size_bytes), 0).label("size_bytes"),
            sa.func.count(sa.case((done, 1))).label("downloaded"),
        )
        .select_from(products)
        .where(c.tile_id.is_not(None), *space.matches(connection, filters))
        .group_by(*keys)
        .order_by(*keys)
    )


def _from_months(filters: SearchFilters, *, months: bool) -> Select[Any]:
    c = tile_months.c
    keys: list[ColumnElement[Any]] = [
        c.tile_id, c.collection, sa.func.nullif(c.product_type, "").label("product_type"),
    ]  # fmt: skip
    keys += [c.month] if months else []
    sums = [
        sa.func.sum(column).label(column.name)
        for column in (c.products, c.clear_products, c.size_bytes)
    ]
    found = [
        column == value
        for column, value in (
            (c.collection, filters.collection), (c.product_type, filters.product_type),
        ) if value is not None
    ]  # fmt: skip
    found += [is_one_of(c.tile_id, filters.tiles)] if filters.tiles else []
    found += [c.month >= _month(filters.start)] if filters.start else []
    found += [c.month < _month(filters.end)] if filters.end else []
    return sa.select(*keys, *sums).where(*found).group_by(*keys).order_by(*keys)


def _is_of_whole_months(filters: SearchFilters) -> bool:
    """Tell whether the filters say nothing that tile_months does not know."""
    bounds = [bound for bound in (filters.start, filters.end) if bound]
    return set(filters.set_names) <= set(_COUNTED) and all(
        bound == times.parse_bound(f"{_month(bound)}-01") for bound in bounds
    )


def _with_missing(
    rows: Iterable[dict[str, Any]], tiles: Sequence[str]
) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Each tile's rows, in order of the tiles; those of `tiles` (sorted) that have no rows too."""
    waiting = list(reversed(tiles))
    for tile, found in groupby(rows, key=lambda row: str(row["tile_id"])):
        while waiting and waiting[-1] <= tile:
            if (expected := waiting.pop()) != tile:
                yield expected, []
        yield tile, list(found)
    for tile in reversed(waiting):
        yield tile, []


def _series(
    tile: str,
    found: list[dict[str, Any]],
    filters: SearchFilters,
    survey: Survey,
    *,
    months: bool,
) -> Iterator[dict[str, Any]]:
    """A tile's rows with those added that have no products: one if there are none at all, and missing months."""
    nothing = {
        "tile_id": tile, "collection": filters.collection, "product_type": filters.product_type,
    }  # fmt: skip
    if not months:
        yield from found or [nothing]
        return
    known = [row["month"] for row in found]
    first = _month(filters.start) if filters.start else min(known, default=None)
    end = survey.asked.end if survey.asked and filters.end else None
    last = _month(end - times.MICROSECOND) if end else max(known, default=None)
    span = list(_months(first, last)) if first and last else [None]
    kinds = groupby(found, key=lambda row: (row["collection"], row["product_type"]))
    by_kind = [list(rows) for _, rows in kinds] or [[nothing | {"month": None}]]
    for rows in by_kind:
        of_month = {row["month"]: row for row in rows}
        empty = {name: rows[0][name] for name in nothing}
        for month in span:
            yield of_month.get(month, empty | {"month": month})


def _row(row: dict[str, Any], survey: Survey, *, counts_only: bool) -> TileCoverage:
    month = row.get("month")
    state = _state(row, survey, _interval(month) if month else None)
    if "products" not in row and state == COMPLETE:
        row |= {"products": 0, "clear_products": 0, "size_bytes": 0}
        row |= {} if counts_only else {"downloaded": 0}
    if counts_only:
        kept = (
            "tile_id",
            "collection",
            "product_type",
            "month",
            "products",
            "clear_products",
            "size_bytes",
        )
        row = {name: row[name] for name in kept if name in row}
    return TileCoverage(**row, mirrored=state)


def _state(row: dict[str, Any], survey: Survey, month: Interval | None) -> str:
    """How much of the row's tile and time is mirrored."""
    asked = survey.asked
    asked = asked.intersection(month) if asked and month else asked
    if asked is None:
        return COMPLETE  # it lies ahead
    gaps = [
        gap for gap in survey.gaps
        if gap.concerns(row["collection"], row["product_type"], row["tile_id"])
        and gap.interval.intersection(asked)
    ]  # fmt: skip
    if not gaps:
        return COMPLETE
    missing = [gap.interval for gap in gaps if gap.reason in (NOTHING, NOT_MIRRORED)]
    return PARTLY if asked.minus(missing) else NOT_MIRRORED


def _month(moment: datetime) -> str:
    return times.to_text(moment)[:7]


def _months(first: str, last: str) -> Iterator[str]:
    """The months from one to another, both included, `2024-06`."""
    for number in range(_number(first), _number(last) + 1):
        yield _text(number)


def _number(month: str) -> int:
    """The month, counted from January of year 0."""
    return int(month[:4]) * 12 + int(month[5:]) - 1


def _text(number: int) -> str:
    return f"{number // 12:04}-{number % 12 + 1:02}"


def _interval(month: str) -> Interval:
    end = None if month == "9999-12" else times.parse_bound(f"{_text(_number(month) + 1)}-01")
    return Interval(times.parse_bound(f"{month}-01"), end)
