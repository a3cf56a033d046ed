"""Scopes: what a catalogue mirrors. Each is one collection, a few lasting filters, and an interval of sensing time."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.engine import Row

from satcat import times
from satcat.api.base import SatelliteAPI
from satcat.errors import FilterError
from satcat.filters import SCOPE_FIELDS, SearchFilters
from satcat.models import products, scope_products, scopes, sync_windows
from satcat.sync import store
from satcat.times import Interval


@dataclass(frozen=True, slots=True)
class Scope:
    """A saved scope.

    Attributes:
        filters: what is mirrored, without the sensing interval.
        slices: the filters cut into what one request can say each.
        interval: the sensing starts that are mirrored.
        url: the catalogue it is mirrored from.
    """

    id: int
    name: str
    source: str
    url: str
    filters: SearchFilters
    slices: tuple[SearchFilters, ...]
    interval: Interval

    @property
    def collection(self) -> str:
        """The collection that is mirrored."""
        assert self.filters.collection is not None
        return self.filters.collection

    def __str__(self) -> str:
        """The scope as one would type it."""
        return str(self.filters.within(self.interval))


def check(filters: SearchFilters, api: SatelliteAPI) -> None:
    """Raise FilterError if these filters make no scope."""
    if filters.collection is None:
        raise FilterError(
            "--collection is missing: say which collection to mirror, such as SENTINEL-2"
        )
    others = [n for n in filters.set_names if n not in (*SCOPE_FIELDS, "start_date", "end_date")]
    filters.refuse(
        others,
        "changes in a product's life or is not the source's to say: mirror without it, filter offline",
    )
    api.check(filters)


def listing(connection: Connection) -> list[Scope]:
    """Every scope, in the order in which they were made."""
    return [_scope(row) for row in connection.execute(sa.select(scopes).order_by(scopes.c.id))]


def find(connection: Connection, name: str) -> Scope:
    """The scope of that name. Raises FilterError, naming those there are."""
    row = connection.execute(sa.select(scopes).where(scopes.c.name == name)).first()
    if row is None:
        known = ", ".join(scope.name for scope in listing(connection)) or "none yet"
        raise FilterError(f"--scope {name}: there is no scope of that name; there are: {known}")
    return _scope(row)


def save(
    connection: Connection, api: SatelliteAPI, filters: SearchFilters, name: str | None = None
) -> Scope:
    """The scope of these filters: the one there is, or a new one.

    Under the name of an existing scope, the same filters and an interval that contains its own widen it: only what is
    new becomes windows to list. Anything else under that name is a FilterError.
    """
    bare = filters.within(Interval())
    if name is None:
        for scope in listing(connection):
            if (scope.filters, scope.interval, scope.source) == (
                bare,
                filters.interval,
                api.source,
            ):
                return scope
        return _create(connection, api, bare, filters.interval, _made_up_name(connection, filters))
    if connection.scalar(sa.select(scopes.c.id).where(scopes.c.name == name)) is None:
        return _create(connection, api, bare, filters.interval, _checked_name(name))
    return _widen(connection, find(connection, name), bare, filters.interval)


def remove(connection: Connection, name: str) -> int:
    """Forget a scope; products in no other scope go, unless a download refers to them. Returns how many went."""
    scope = find(connection, name)
    connection.execute(sa.delete(scope_products).where(scope_products.c.scope_id == scope.id))
    connection.execute(sa.delete(scopes).where(scopes.c.id == scope.id))
    return store.drop_unlisted(connection)


def accept_move(connection: Connection, scope: Scope, url: str) -> None:
    """Note that the scope's catalogue is now at another address."""
    connection.execute(sa.update(scopes).where(scopes.c.id == scope.id).values(url=url))


def _create(
    connection: Connection, api: SatelliteAPI, filters: SearchFilters, interval: Interval, name: str
) -> Scope:
    slices = api.slices(filters)
    inserted = connection.execute(
        sa.insert(scopes)
        .values(
            name=name,
            source=api.source,
            url=api.url,
            collection=filters.collection,
            filters=filters.to_json(),
            slices=json.dumps([part.to_json() for part in slices]),
            sensing_start=interval.start,
            sensing_end=interval.end,
        )
        .returning(scopes.c.id)
    )
    scope_id = inserted.scalar_one()
    _add_windows(connection, scope_id, len(slices), [interval])
    return find(connection, name)


def _widen(
    connection: Connection, scope: Scope, filters: SearchFilters, interval: Interval
) -> Scope:
    if filters != scope.filters:
        raise FilterError(
            f"--scope {scope.name} mirrors {scope.filters}: other filters need another name"
        )
    if not interval.contains(scope.interval):
        raise FilterError(
            f"--scope {scope.name} mirrors {scope.interval}: it can only be widened, to an interval that contains that"
        )
    new = interval.minus([scope.interval])
    _add_windows(connection, scope.id, len(scope.slices), new)
    connection.execute(
        sa.update(scopes)
        .where(scopes.c.id == scope.id)
        .values(sensing_start=interval.start, sensing_end=interval.end)
    )
    return find(connection, scope.name)


def _add_windows(
    connection: Connection, scope_id: int, slices: int, intervals: list[Interval]
) -> None:
    rows = [
        {"scope_id": scope_id, "slice": n, "window_start": i.start, "window_end": i.end}
        for n in range(slices)
        for i in intervals
    ]
    if rows:
        connection.execute(sa.insert(sync_windows), rows)


def _checked_name(name: str) -> str:
    if not name.strip() or not name.isprintable() or len(name) > 100:
        raise FilterError(f"--scope {name!r}: a name is up to 100 printable characters")
    return name.strip()


def _made_up_name(connection: Connection, filters: SearchFilters) -> str:
    """Readable and free: `sentinel-2-l2a-30twm`, with a number if that is taken."""
    tiles = filters.tiles
    words = [filters.collection, filters.processing_level, filters.product_type, filters.platform]
    words += [*filters.texts, tiles[0] if tiles else None]
    words += [f"{len(tiles) - 1}-more"] if len(tiles) > 1 else []
    words += ["area"] if filters.area is not None else []
    words += [f"orbit-{filters.relative_orbit}"] if filters.relative_orbit else []
    base = "-".join(
        "".join(c if c.isalnum() else "-" for c in w.lower()).strip("-") for w in words if w
    )[:80]
    taken = set(connection.scalars(sa.select(scopes.c.name)))
    names = (base if n == 1 else f"{base}-{n}" for n in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def _scope(row: Row[tuple[object, ...]]) -> Scope:
    slices = tuple(SearchFilters.from_json(text) for text in json.loads(row.slices))
    return Scope(
        id=row.id,
        name=row.name,
        source=row.source,
        url=row.url,
        filters=SearchFilters.from_json(row.filters),
        slices=slices,
        interval=Interval(row.sensing_start, row.sensing_end),
    )


def count(connection: Connection, scope: Scope) -> int:
    """How many products the scope holds."""
    pk = scope_products.c.pk if len(scope.slices) == 1 else sa.distinct(scope_products.c.pk)
    held = sa.select(sa.func.count(pk)).where(scope_products.c.scope_id == scope.id)
    return connection.scalar(held) or 0


class Local(NamedTuple):
    """What comparing needs to know of a product that is held."""

    id: str
    modification_date: datetime | None
    publication_date: datetime | None


def held_in(
    connection: Connection, scope: Scope, slice_: int, window: Interval, before: datetime
) -> dict[str, Local]:
    """What is held of one window, by id, less what was published at `before` or later."""
    columns = [store.readable(products.c[name]) for name in Local._fields]
    published = products.c.publication_date
    query = sa.select(*columns).where(
        *_in_window(scope, slice_, window), sa.or_(published.is_(None), published < before)
    )
    return {row.id: Local(*row) for row in connection.execute(query)}


def extent(
    connection: Connection, scope: Scope, slice_: int, window: Interval
) -> tuple[int, Interval | None]:
    """How many products are held of one window, and from the first sensing start to just past the last.

    No interval if there are none, or if one of the two cannot be read.
    """
    start = store.readable(products.c.sensing_start)
    query = sa.select(sa.func.count(), sa.func.min(start), sa.func.max(start))
    held, first, last = connection.execute(query.where(*_in_window(scope, slice_, window))).one()
    return held, Interval(first, times.after(last)) if first and last else None


def _in_window(scope: Scope, slice_: int, window: Interval) -> list[sa.ColumnElement[bool]]:
    listed = sa.exists().where(
        scope_products.c.scope_id == scope.id,
        scope_products.c.slice == slice_,
        scope_products.c.pk == products.c.pk,
    )
    found = [products.c.collection == scope.collection, listed]
    if window.start is not None:
        found.append(products.c.sensing_start >= window.start)
    if window.end is not None:
        found.append(products.c.sensing_start < window.end)
    return found
