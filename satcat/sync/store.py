"""Writing products: the only code that inserts, changes or moves rows of `products` and `deleted_products`.

Everything works inside the caller's transaction, in which nobody else writes products from then on: a download, too, stores
what it had to read again. Times called `at` are the source's clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Dialect

from satcat import times
from satcat.api.base import Deletion
from satcat.batches import batches
from satcat.columns import Instant, Json
from satcat.errors import FootprintError, TimeError
from satcat.functions import alone_with, each, insert_or_leave
from satcat.models import deleted_products, downloads, products, scope_products, scopes  # fmt: skip
from satcat.products import SOURCE_COLUMNS, SatelliteImage
from satcat.sync import rows

#: Rows that one statement names; SQLite binds at most 32,766 values.
CHUNK = 1000

#: A product that no scope lists, and one that no download refers to.
_UNLISTED = ~sa.exists().where(scope_products.c.pk == products.c.pk)
_UNWANTED = ~sa.exists().where(downloads.c.product_id == products.c.id)
#: Those in no scope that are kept for a download; found from the downloads, which are few.
_KEPT = (products.c.id.in_(sa.select(downloads.c.product_id)), _UNLISTED)


class Stored(NamedTuple):
    """How many of the rows given were new, different, or as they were held."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0


class Held(NamedTuple):
    """What following needs to know of a product that is held."""

    id: str
    modification_date: datetime | None
    publication_date: datetime | None
    changed_at: datetime | None


class _ReadableInstant(Instant):
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        try:
            moment = super().process_result_value(value, dialect)
        except TimeError:
            return None
        return moment if isinstance(moment, datetime) else None


class _ReadableJson(Json):
    cache_ok = True

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        try:
            return super().process_result_value(value, dialect)
        except ValueError:
            return None


def readable(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """A column that reads as None where somebody wrote what cannot be read.

    A damaged row, which `verify` names, must not keep the others from being followed and compared.
    """
    if isinstance(column.type, Instant):
        return sa.type_coerce(column, _ReadableInstant()).label(column.name)
    if isinstance(column.type, Json):
        return sa.type_coerce(column, _ReadableJson()).label(column.name)
    return column


def store(
    connection: Connection,
    images: Sequence[SatelliteImage],
    *,
    scope_id: int | None,
    slice_: int = 0,
    at: datetime,
    force: bool = False,
) -> Stored:
    """Hold these products, and that the source lists them for this slice of the scope.

    A product that is held just so already is not written. One that had been deleted moves back.

    Args:
        scope_id: None leaves the product in the scopes where it is.
        force: do not trust the stored content hash: write every row.
    """
    _begin(connection)
    stored = Stored()
    for part in batches({image.id: image for image in images}.values(), CHUNK):
        counted = _store_chunk(connection, part, at, force=force)
        stored = Stored(*(a + b for a, b in zip(stored, counted, strict=True)))
        if scope_id is not None:
            link(connection, [image.id for image in part], scope_id, slice_)
    return stored


def _begin(connection: Connection) -> None:
    connection.execute(sa.select(alone_with("products")))


def _store_chunk(
    connection: Connection, images: list[SatelliteImage], at: datetime, *, force: bool
) -> Stored:
    known = _known(connection, [image.id for image in images])
    now = times.to_text(at)
    new: list[list[Any]] = []
    changed: list[list[Any]] = []
    pks: list[int] = []
    for image in images:
        values = rows.stored(image)
        found = known.get(image.id)
        if found is None:
            new.append([*values, now, now])
        elif force or found.content_hash != values[-1]:
            changed.append([*values, now, found.pk])
            pks.append(found.pk)
    if new:
        _move_back(connection, new)
        rows.insert(connection, new)
    if changed:
        rows.update(connection, changed)
        _leave_scopes(connection, pks)
    return Stored(len(new), len(changed), len(images) - len(new) - len(changed))


def _known(connection: Connection, ids: list[str]) -> dict[str, Any]:
    columns = sa.select(products.c.id, products.c.pk, products.c.content_hash)
    return {row.id: row for row in connection.execute(columns.where(products.c.id.in_(each(ids))))}


def _move_back(connection: Connection, new: list[list[Any]]) -> None:
    """Take the tombstones of products that are listed again; when they were first seen is remembered."""
    ids = [row[rows.ID] for row in new]
    graves = sa.delete(deleted_products).where(deleted_products.c.id.in_(each(ids)))
    records = {
        row.id: row.record or {}
        for row in connection.execute(
            graves.returning(deleted_products.c.id, deleted_products.c.record)
        )
    }
    for row in new:
        seen = records.get(row[rows.ID], {}).get("first_seen_at")
        if seen:
            row[rows.FIRST_SEEN] = times.to_text(times.parse(seen))


def _leave_scopes(connection: Connection, pks: list[int]) -> None:
    """Take products out of the scopes in whose interval they are no more: no window there would ever miss them."""
    start = products.c.sensing_start
    outside = sa.or_(start < scopes.c.sensing_start, start >= scopes.c.sensing_end)
    left = sa.exists().where(
        scopes.c.id == scope_products.c.scope_id, products.c.pk == scope_products.c.pk, outside
    )
    connection.execute(sa.delete(scope_products).where(scope_products.c.pk.in_(pks), left))


def link(connection: Connection, ids: list[str], scope_id: int, slice_: int) -> None:
    """Note that the source lists these products for this slice of the scope."""
    listed = sa.select(sa.literal(scope_id), sa.literal(slice_), products.c.pk).where(
        products.c.id.in_(each(ids))
    )
    inserted = insert_or_leave(connection.dialect, scope_products)
    connection.execute(inserted.from_select(["scope_id", "slice", "pk"], listed))


def held(connection: Connection, ids: Iterable[str]) -> dict[str, Held]:
    """What is held of these ids."""
    columns = [readable(products.c[name]) for name in Held._fields]
    found: dict[str, Held] = {}
    for part in batches(ids, CHUNK):
        rows = connection.execute(sa.select(*columns).where(products.c.id.in_(part)))
        found.update((row.id, Held(*row)) for row in rows)
    return found


def bury(
    connection: Connection,
    ids: Sequence[str],
    *,
    kind: Literal["deleted", "vanished"],
    at: datetime,
    deletions: Mapping[str, Deletion] | None = None,
) -> int:
    """Move products to `deleted_products`; returns how many."""
    _begin(connection)
    count = 0
    columns = [readable(column) for column in products.columns]
    for part in batches(ids, CHUNK):
        rows = connection.execute(sa.select(*columns).where(products.c.id.in_(part))).all()
        graves = [_grave(row._asdict(), kind, at, (deletions or {}).get(row.id)) for row in rows]
        if graves:
            connection.execute(
                sa.delete(products).where(products.c.id.in_([g["id"] for g in graves]))
            )
            connection.execute(sa.insert(deleted_products), graves)
        count += len(graves)
    return count


def _grave(
    product: Mapping[str, Any], kind: str, at: datetime, deletion: Deletion | None
) -> dict[str, Any]:
    return {
        **{name: product[name] for name in ("id", "name", "collection", "sensing_start")},
        "deletion_date": deletion.deletion_date if deletion else None,
        "deletion_cause": deletion.cause if deletion else None,
        "kind": kind,
        "noticed_at": at,
        "record": _record(product),
    }


def _record(product: Mapping[str, Any]) -> dict[str, Any]:
    """The row as it was, as plain JSON; the footprint as WKT."""
    names = (*SOURCE_COLUMNS, "first_seen_at", "changed_at", "content_hash")
    return {name: _plain(product[name]) for name in names}


def _plain(value: Any) -> Any:
    """A value in JSON: instants in the stored form, footprints as WKT, damaged ones as they can be."""
    from satcat.footprints import to_wkt

    if isinstance(value, datetime):
        return times.to_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    try:
        return to_wkt(value) if isinstance(value, bytes) else value
    except FootprintError:
        return value.hex()


def note_deletions(
    connection: Connection, deletions: Iterable[Deletion], collection: str, at: datetime
) -> None:
    """Keep the source's word on deleted products that are not held.

    A product that had only vanished is now known to be deleted.
    """
    _begin(connection)
    for deletion in deletions:
        word = {
            "deletion_date": deletion.deletion_date,
            "deletion_cause": deletion.cause,
            "kind": "deleted",
        }
        known = connection.execute(
            sa.select(deleted_products.c.kind).where(deleted_products.c.id == deletion.id)
        ).first()
        if known is None:
            about = {
                "id": deletion.id,
                "name": deletion.name,
                "collection": collection,
                "sensing_start": deletion.sensing_start,
                "noticed_at": at,
            }
            connection.execute(sa.insert(deleted_products).values(**word, **about))
        elif known.kind == "vanished":
            where = deleted_products.c.id == deletion.id
            connection.execute(sa.update(deleted_products).where(where).values(**word))


def unlink(connection: Connection, product_id: str, scope_id: int, slice_: int) -> None:
    """Take a product out of one slice of a scope; in no scope it goes, unless a download refers to it."""
    _begin(connection)
    pk = sa.select(products.c.pk).where(products.c.id == product_id)
    for (key,) in connection.execute(pk).all():
        mine = sa.and_(scope_products.c.scope_id == scope_id, scope_products.c.slice == slice_)
        connection.execute(sa.delete(scope_products).where(mine, scope_products.c.pk == key))
        drop_unlisted(connection, [key])


def drop_unlisted(connection: Connection, pks: Sequence[int] | None = None) -> int:
    """Delete products (of these keys; None: any) that are in no scope and that no download refers to."""
    _begin(connection)
    gone = sa.delete(products).where(_UNLISTED, _UNWANTED)
    if pks is None:
        return connection.execute(gone).rowcount if _has_strangers(connection) else 0
    return sum(
        connection.execute(gone.where(products.c.pk.in_(part))).rowcount
        for part in batches(pks, CHUNK)
    )


def _has_strangers(connection: Connection) -> bool:
    """Tell whether any product is in no scope, and no download refers to it.

    By counting: to look for one by one takes minutes in a catalogue of ten million.
    """
    listed = sa.select(scope_products.c.pk).distinct().order_by(scope_products.c.pk).subquery()
    kept = sa.select(products.c.pk).where(*_KEPT).subquery()
    every, others, wanted = (
        sa.select(sa.func.count()).select_from(each).scalar_subquery()
        for each in (products, listed, kept)
    )
    return bool(connection.scalar(sa.select(every != others + wanted)))


def kept_for_downloads(connection: Connection, source: str) -> list[tuple[str, str]]:
    """Ids and collections of the source's products that are in no scope, but that a download refers to."""
    query = sa.select(products.c.id, products.c.collection).where(
        *_KEPT, products.c.source == source
    )
    return [(row.id, row.collection) for row in connection.execute(query)]


def strangers(connection: Connection) -> list[str]:
    """Ids of products that are in no scope and that no download refers to."""
    return list(connection.scalars(sa.select(products.c.id).where(_UNLISTED, _UNWANTED)))


def drop_both(connection: Connection) -> None:
    """Take the tombstones of products that are held."""
    _begin(connection)
    held_too = sa.exists().where(products.c.id == deleted_products.c.id)
    connection.execute(sa.delete(deleted_products).where(held_too))


def in_scope(connection: Connection, ids: Sequence[str], scope_id: int) -> dict[str, int]:
    """Those of these products that a scope lists, each with a slice that does."""
    found: dict[str, int] = {}
    for part in batches(ids, CHUNK):
        rows = connection.execute(
            sa.select(products.c.id, scope_products.c.slice)
            .join(scope_products, scope_products.c.pk == products.c.pk)
            .where(scope_products.c.scope_id == scope_id, products.c.id.in_(part))
        )
        found.update((row.id, row.slice) for row in rows)
    return found


def hashes(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """The content hashes that are held of these products."""
    found: dict[str, str] = {}
    for part in batches(ids, CHUNK):
        columns = sa.select(products.c.id, products.c.content_hash)
        rows = connection.execute(columns.where(products.c.id.in_(part)))
        found.update((row.id, row.content_hash) for row in rows)
    return found
