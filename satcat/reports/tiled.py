"""Groups of products that have tile ids, measured in SQL.

What is measured of a group comes as one JSON array, instants joined to one text, so that a group costs one row however
many products it has.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Select
from sqlalchemy.sql.elements import Null

from satcat import space
from satcat.conditions import Columns, as_it_is, is_one_of, tiled
from satcat.filters import SearchFilters
from satcat.functions import as_text, exactly, joined, json_array, unindexed, within
from satcat.models import downloads, products, tile_months, tile_years
from satcat.reports import looks, periods
from satcat.reports.groups import CLEAR, Group, Grouping, Key, Outlines, merged
from satcat.tiles import exists

#: Filters on columns that the index of tiles holds.
_INDEXED = {
    "collection", "tile_id", "product_type", "processing_level", "cloud_cover", "start_date", "end_date",
}  # fmt: skip
#: Filters that the table tile_months can say.
_SUMMARISED = {"collection", "tile_id", "product_type", "start_date", "end_date"}
#: Of which period a row of a summary is: the name of its column.
_PERIODS = {tile_months.name: "month", tile_years.name: "year"}
_BATCH = 100  # groups in memory at once, as many as rows of a report
_PLAIN = 5  # what is measured before the looks


def groups(connection: Connection, filters: SearchFilters, grouping: Grouping) -> Iterator[Group]:
    """Yield the groups that have products, by tile, collection, type, orbit and period."""
    return merged(_by_type(connection, filters, grouping), grouping)


def _by_type(connection: Connection, filters: SearchFilters, grouping: Grouping) -> Iterator[Group]:
    read: Callable[[Sequence[Any], Grouping], list[Group]]
    if _is_summarised(filters, grouping):
        statement, read = _summaries(filters, grouping), _counted
    elif set(filters.set_names) <= _INDEXED and not grouping.orbits:
        statement, read = _tile_by_tile(filters, grouping), _measured
    else:
        statement, read = _all_at_once(connection, filters, grouping), _measured
    done = _downloaded(connection, filters, grouping) if grouping.downloads else {}
    rows = connection.execute(statement, execution_options={"yield_per": _BATCH})
    for batch in rows.partitions():
        found = read(batch, grouping)
        drawn = _outlines(connection, filters, grouping, found) if grouping.outlines else {}
        for group in found if done or drawn else ():
            group.downloaded = done.get(group.key, 0)
            group.outlines = drawn.get(group.key, group.outlines)
        yield from found


# From the products


def _measures(grouping: Grouping) -> ColumnElement[str]:
    """What is measured, in the order in which `_measured` reads it."""
    c = products.c
    start = as_text(c.sensing_start)
    clear = c.cloud_cover <= grouping.clear
    size = sa.func.coalesce(sa.func.sum(c.size_bytes), 0)
    empty = sa.literal_column("''", sa.Text())
    instants = (sa.func.min(start), sa.func.max(start)) if grouping.instants else (empty, empty)
    measures: list[ColumnElement[Any]] = [
        sa.func.count(), sa.func.count(sa.case((clear, 1))), size, *instants,
    ]  # fmt: skip
    if grouping.looks:
        clouds: list[ColumnElement[Any]] = [
            sa.func.count(c.cloud_cover), exactly(sa.func.min(c.cloud_cover)), exactly(sa.func.avg(c.cloud_cover)),
        ]  # fmt: skip
        measures += clouds if grouping.clouds else [sa.literal(0), sa.null(), sa.null()]
        measures += [
            joined(start, ""),
            joined(sa.case((clear, start)), "") if grouping.clear_looks else sa.null(),
        ]  # fmt: skip
    if grouping.looks and grouping.medians:
        measures.append(joined(exactly(c.cloud_cover), ","))
    return json_array(*measures)


def _measured(rows: Sequence[Any], grouping: Grouping) -> list[Group]:
    read = [(Key(*key), json.loads(measured)) for *key, measured in rows]
    read = [(key, values) for key, values in read if values[0]]
    found = [Group(key, *values[:_PLAIN]) for key, values in read]
    if not grouping.looks:
        return found
    packed = looks.parse("".join(values[8] for _, values in read))
    clear = looks.parse("".join(values[9] or "" for _, values in read))
    ends = np.cumsum([group.products for group in found])[:-1]
    clear_ends = np.cumsum([len(values[9] or "") // looks.STORED for _, values in read])[:-1]
    days = zip(np.split(packed, ends), np.split(clear, clear_ends), strict=True)
    for group, (_, values), (of_all, of_clear) in zip(found, read, days, strict=bool(found)):
        group.known_clouds, least, mean = values[5:8]
        group.min_cloud_cover = None if least is None else float(least)
        group.mean_cloud_cover = None if mean is None else float(mean)
        group.days, group.clear_days = of_all, of_clear
        if grouping.medians and values[10]:
            group.clouds = [float(cloud) for cloud in values[10].split(",")]
    return found


def _tile_by_tile(filters: SearchFilters, grouping: Grouping) -> Select[Any]:
    """Ask the index of tiles for one tile and type (and period) after the other; tile_months tells which there are.

    One GROUP BY would read the whole index whatever the time: four times as long for one year of seven.
    """
    table = tile_months if grouping.period == "month" else tile_years
    kinds = table.c
    product_type = sa.func.nullif(kinds.product_type, "")
    period = kinds[grouping.period] if grouping.period else sa.null()
    inside = []
    wrap: Callable[[ColumnElement[Any]], ColumnElement[Any]] = as_it_is
    if grouping.period:  # of several bounds on the start SQLite takes one; let it be the narrow one
        wrap = unindexed
        inside = [within(products.c.sensing_start, period)]
    held = sa.select(_measures(grouping)).where(
        products.c.tile_id == kinds.tile_id,
        products.c.product_type.is_not_distinct_from(product_type),
        unindexed(products.c.collection) == kinds.collection,
        *inside,
        *tiled(products.c, filters, wrap),
    )
    keys = [kinds.tile_id, kinds.collection, product_type, sa.null(), period]
    by = _real([kinds.tile_id, kinds.collection, kinds.product_type, period])
    found = sa.select(*keys, held.scalar_subquery()).where(*_in_summary(table, filters))
    found = found.order_by(*by)
    return found if grouping.period else found.group_by(*by)  # rows of a period are distinct


def _all_at_once(connection: Connection, filters: SearchFilters, grouping: Grouping) -> Select[Any]:
    keys = _keys(grouping)
    grouped = _real(keys)
    return (
        sa.select(*keys, _measures(grouping))
        .where(products.c.tile_id.is_not(None), *space.matches(connection, filters))
        .group_by(*grouped)
        .order_by(*(key.nulls_first() for key in grouped))
    )


def _keys(grouping: Grouping) -> list[ColumnElement[Any]]:
    """The columns of a Key."""
    c = products.c
    period = sa.func.substr(as_text(c.sensing_start), 1, grouping.length, type_=sa.Text())
    return [
        c.tile_id, c.collection, c.product_type, c.relative_orbit if grouping.orbits else sa.null(),
        period if grouping.period else sa.null(),
    ]  # fmt: skip


def _real(keys: list[ColumnElement[Any]]) -> list[ColumnElement[Any]]:
    return [key for key in keys if not isinstance(key, Null)]


def _downloaded(
    connection: Connection, filters: SearchFilters, grouping: Grouping
) -> dict[Key, int]:
    """How many products of each group there are as whole files. Starts from the downloads: they are few."""
    keys = _keys(grouping)
    done = sa.select(downloads.c.product_id).where(
        downloads.c.status == "done", downloads.c.include.is_(None)
    )
    found = space.matches(connection, filters, [products.c.id.in_(done)])
    statement = (
        sa.select(*keys, sa.func.count())
        .where(products.c.tile_id.is_not(None), *found)
        .group_by(*_real(keys))
    )
    return {Key(*key): number for *key, number in connection.execute(statement)}


def _outlines(
    connection: Connection, filters: SearchFilters, grouping: Grouping, batch: list[Group]
) -> dict[Key, Outlines]:
    """The footprints of these groups, each once."""
    named = sorted(place for place in {group.key.place for group in batch} if exists(place))
    if (
        not named
    ):  # ids that no grid has, as other programs may store them, have no outline to cover
        return {}
    clear = sa.func.coalesce(products.c.cloud_cover <= grouping.clear, sa.false())
    asked = replace(filters, tile_id=named)
    statement = sa.select(*_keys(grouping), products.c.footprint, clear).where(
        *space.matches(connection, asked)
    )
    found: dict[Key, dict[bytes, bool]] = defaultdict(dict)
    for *key, wkb, is_clear in connection.execute(statement):
        if wkb is not None:
            known = found[Key(*key)]
            known[wkb] = bool(is_clear) or known.get(wkb, False)
    return {key: Outlines(tuple(each), tuple(each.values())) for key, each in found.items()}


# From the summaries


def _is_summarised(filters: SearchFilters, grouping: Grouping) -> bool:
    """Tell whether tile_months knows all that is asked."""
    whole = all(periods.is_whole(bound) for bound in (filters.start, filters.end))
    known = set(filters.set_names) <= _SUMMARISED and whole
    more = grouping.instants or grouping.clouds or grouping.medians or grouping.orbits
    return known and grouping.clear == CLEAR and not more


def _summaries(filters: SearchFilters, grouping: Grouping) -> Select[Any]:
    years = all(periods.is_whole(bound, "year") for bound in (filters.start, filters.end))
    table = (
        tile_years if years and grouping.period != "month" and not grouping.looks else tile_months
    )
    name, c = _PERIODS[table.name], table.c
    keys = [c.tile_id, c.collection, c.product_type, _period(c, name, grouping)]
    found = sa.select(*keys).where(*_in_summary(table, filters)).order_by(*_real(keys))
    counts: list[ColumnElement[Any]] = [c.products, c.clear_products, c.size_bytes]
    if grouping.period == name or _is_one(filters, name):  # nothing to sum: half the time
        if grouping.looks:
            counts += [c.month, *(sa.cast(days, sa.Text()) for days in (c.days, c.clear_days))]
        return found.add_columns(*counts)
    sums: list[ColumnElement[Any]] = [sa.func.sum(column) for column in counts]
    if grouping.looks:
        sums += [
            joined(c.month, ""), joined(c.days, " "),
            joined(c.clear_days, " ") if grouping.clear_looks else sa.null(),
        ]  # fmt: skip
    return found.add_columns(*sums).group_by(*_real(keys))


def _period(c: Columns, name: str, grouping: Grouping) -> ColumnElement[Any]:
    """The period of a group, from the column of that name."""
    if grouping.period is None:
        return sa.null()
    if grouping.period == name:
        return c[name]
    return sa.func.substr(c[name], 1, grouping.length, type_=sa.Text())


def _is_one(filters: SearchFilters, period: str) -> bool:
    """Tell whether the time that is asked for lies in one month, or year."""
    if not filters.start or not filters.end:
        return False
    length = periods.LENGTHS[period]
    return periods.of(filters.start, length) == periods.before(filters.end, length)


def _counted(rows: Sequence[Any], grouping: Grouping) -> list[Group]:
    found = [
        Group(Key(tile, collection, product_type or None, None, period), number, clear, size)
        for tile, collection, product_type, period, number, clear, size, *_ in rows
    ]
    if not grouping.looks:
        return found
    months = [row[-3] for row in rows]
    for group, days in zip(found, _days(months, [row[-2] for row in rows]), strict=True):
        group.days = days
    if grouping.clear_looks:
        for group, days in zip(found, _days(months, [row[-1] for row in rows]), strict=True):
            group.clear_days = days
    return found


def _days(months: Sequence[str], bits: Sequence[str]) -> list[looks.Days]:
    """The days of each group, whose months are joined and whose months' bits have blanks between."""
    days, in_month = looks.of_months(
        "".join(months), np.fromstring(" ".join(bits), np.int64, sep=" ")
    )
    last_month = np.cumsum([len(each) // periods.LENGTHS["month"] for each in months])
    return np.split(days, np.cumsum(in_month)[last_month - 1][:-1])


def _in_summary(table: sa.Table, filters: SearchFilters) -> list[ColumnElement[bool]]:
    """The rows of tile_months or tile_years that may count something of what is asked.

    They come in the order of the report: along the index of months where one month is asked for, else along the primary
    key, which is quicker than to sort, though it passes other months too.
    """
    c, name = table.c, _PERIODS[table.name]
    asked = ((c.collection, filters.collection), (c.product_type, filters.product_type))
    found = [unindexed(column) == value for column, value in asked if value is not None]
    found += [is_one_of(c.tile_id, filters.tiles)] if filters.tiles else []
    length = periods.LENGTHS[name]
    first = periods.of(filters.start, length) if filters.start else None
    last = periods.before(filters.end, length) if filters.end else None
    if name == "month" and first is not None and first == last and not filters.tiles:
        return [*found, c.month == first]
    found += [unindexed(c[name]) >= first] if first else []
    return found + ([unindexed(c[name]) <= last] if last is not None else [])
