"""Groups of products of any places, matched by footprint: for sensors without tile ids, and for whole areas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import shapely
import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from satcat import choice, footprints, space
from satcat.batches import batches
from satcat.filters import SearchFilters
from satcat.functions import as_text
from satcat.models import products
from satcat.reports import looks
from satcat.reports.groups import Group, Grouping, Key, Outlines, merged

Integers: TypeAlias = npt.NDArray[np.int64]
Geometries: TypeAlias = npt.NDArray[np.object_]

_BATCH = 5_000  # footprints matched at a time


@dataclass(slots=True)
class _Held:
    """All matching products by sensing start, and which of them touch which place."""

    kinds: list[int] = field(default_factory=list)
    starts: list[str] = field(default_factory=list)
    clouds: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    done: list[bool] = field(default_factory=list)
    outlines: list[bytes] = field(default_factory=list)
    product: list[Integers] = field(default_factory=list)
    place: list[Integers] = field(default_factory=list)


def groups(
    connection: Connection,
    filters: SearchFilters,
    grouping: Grouping,
    places: dict[str, Any],
    *narrowed: ColumnElement[bool],
) -> Iterator[Group]:
    """Yield the groups that have products, by place, collection, type, orbit and period.

    Args:
        places: geometries in normal form by name, in order of the names.
        narrowed: conditions on products beside the filters.
    """
    tree = shapely.STRtree(list(places.values()))
    kinds: dict[tuple[Any, ...], int] = {}
    held = _Held()
    rows = connection.execute(_statement(connection, filters, grouping, narrowed))
    for batch in batches(rows, _BATCH):
        _take(held, batch, kinds, tree, grouping)
    return merged(_grouped(held, list(places), list(kinds), grouping), grouping)


def _statement(
    connection: Connection,
    filters: SearchFilters,
    grouping: Grouping,
    narrowed: Sequence[ColumnElement[bool]],
) -> sa.Select[Any]:
    c = products.c
    start = as_text(c.sensing_start)
    columns = [
        c.collection, c.product_type, c.relative_orbit if grouping.orbits else sa.null(),
        sa.func.substr(start, 1, grouping.length, type_=sa.Text()) if grouping.period else sa.null(),
        start, c.cloud_cover, c.size_bytes, choice.is_downloaded() if grouping.downloads else sa.false(), c.footprint,
    ]  # fmt: skip
    found = sa.select(*columns).where(
        c.footprint.is_not(None), *narrowed, *space.matches(connection, filters)
    )
    return found.order_by(c.sensing_start).execution_options(yield_per=_BATCH)


def _take(
    held: _Held,
    rows: Sequence[Any],
    kinds: dict[tuple[Any, ...], int],
    tree: Any,
    grouping: Grouping,
) -> None:
    shapes = footprints.load_all([row[8] for row in rows])
    product, place = tree.query(shapes, predicate="intersects")
    held.product.append(product + len(held.starts))
    held.place.append(place)
    held.kinds += [kinds.setdefault(tuple(row[:4]), len(kinds)) for row in rows]
    held.starts += [row[4] for row in rows]
    held.clouds += [np.nan if row[5] is None else row[5] for row in rows]
    held.sizes += [row[6] or 0 for row in rows]
    held.done += [bool(row[7]) for row in rows]
    if grouping.outlines:
        held.outlines += [row[8] for row in rows]


def _grouped(
    held: _Held, places: list[str], kinds: list[tuple[Any, ...]], grouping: Grouping
) -> Iterator[Group]:
    if not held.starts:
        return
    product, place = np.concatenate(held.product), np.concatenate(held.place)
    ranked = sorted(range(len(kinds)), key=lambda number: Key("", *kinds[number]).order)
    rank = np.empty(len(kinds), np.int64)
    rank[ranked] = np.arange(len(kinds))
    code = place * len(kinds) + rank[np.array(held.kinds)][product]
    order = np.lexsort((product, code))
    product, code = product[order], code[order]
    days, clouds, sizes = (
        looks.parse("".join(held.starts)),
        np.array(held.clouds),
        np.array(held.sizes),
    )
    done = np.array(held.done)
    for members in np.split(product, np.flatnonzero(np.diff(code)) + 1) if len(code) else ():
        number = int(code[0])
        code = code[len(members) :]
        key = Key(places[number // len(kinds)], *kinds[ranked[number % len(kinds)]])
        known = clouds[members][~np.isnan(clouds[members])]
        clear = clouds[members] <= grouping.clear
        yield Group(
            key, len(members), int(clear.sum()), int(sizes[members].sum()),
            held.starts[members[0]], held.starts[members[-1]], len(known),
            float(known.min()) if len(known) else None, float(known.mean()) if len(known) else None,
            days[members], days[members[clear]], known.tolist(), int(done[members].sum()),
            _outlines(held, members, clear) if grouping.outlines else Outlines((), ()),
        )  # fmt: skip


def _outlines(held: _Held, members: Integers, clear: npt.NDArray[np.bool_]) -> Outlines:
    found: dict[bytes, bool] = {}
    for member, is_clear in zip(members.tolist(), clear.tolist(), strict=True):
        wkb = held.outlines[member]
        found[wkb] = is_clear or found.get(wkb, False)
    return Outlines(tuple(found), tuple(found.values()))
