"""Asking for downloads, taking that back, and looking at what came of it.

Each function works inside the caller's transaction. "Which products" is a SELECT that has a column `id`, or words: ids,
names, or beginnings of ids (see `wanted`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import Connection, Delete, Select, Update

from satcat.downloads import wanted
from satcat.models import STATUSES, downloads, products, utc_now

Which: TypeAlias = Select[Any] | Iterable[str]
_Ids: TypeAlias = Select[Any] | list[str]

#: What `mark` asks for again: it did not work out, or somebody had called it off.
_REQUEUED = ("failed", "cancelled", "gone")
#: What ended without a file, for reasons that may pass.
FAILED = ("failed", "bad_at_source", "offline", "gone")
_FRESH = {"status": "queued", "attempts": 0, "error": None, "not_before": None, "finished_at": None}


@dataclass(frozen=True, slots=True)
class Marked:
    """What marking changed, or would change.

    Attributes:
        already: products that were queued, running, done, offline or bad at the source, and stay so.
        bytes_total: of the new and requeued ones whose size is known; `unknown_sizes` counts the others.
        unknown: words that name no product of the catalogue.
        ambiguous: words that several ids begin with; nothing was done about them.
    """

    new: int = 0
    requeued: int = 0
    already: int = 0
    bytes_total: int = 0
    unknown_sizes: int = 0
    unknown: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()

    def __add__(self, other: Marked) -> Marked:
        return Marked(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(Marked)))


@dataclass(frozen=True, slots=True)
class Changed:
    """How many rows of the queue were changed; `unknown` and `ambiguous` as in `Marked`."""

    rows: int = 0
    unknown: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tally:
    """Rows of one status, and the bytes of those whose size is known."""

    rows: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """A download that did not work out, or not yet."""

    product_id: str
    name: str | None
    status: str
    attempts: int
    error: str | None


def mark(connection: Connection, which: Which, *, priority: int | None = None) -> Marked:
    """Queue products; those that failed, were cancelled or gone are queued again, with a clean record.

    Args:
        priority: higher ones come first; rows that are queued already take it over. None: 0 for new rows.
    """
    which, unclear = _products(connection, which)
    total = Marked(**unclear)
    for chosen in _selections(which):
        total += _preview(connection, chosen)
        changed = {} if priority is None else {"priority": priority}
        again = downloads.c.product_id.in_(chosen)
        connection.execute(
            sa.update(downloads)
            .where(downloads.c.status.in_(_REQUEUED), again)
            .values(**_FRESH, **changed, requested_at=utc_now())
        )
        if changed:
            connection.execute(
                sa.update(downloads).where(downloads.c.status == "queued", again).values(**changed)
            )
        new = sa.select(products.c.id, sa.literal(priority or 0)).where(
            products.c.id.in_(chosen),
            ~sa.exists().where(downloads.c.product_id == products.c.id),
        )
        connection.execute(sa.insert(downloads).from_select(["product_id", "priority"], new))
    return total


def preview(connection: Connection, which: Which) -> Marked:
    """What `mark` would change; changes nothing."""
    which, unclear = _products(connection, which)
    return sum((_preview(connection, chosen) for chosen in _selections(which)), Marked(**unclear))


def unmark(connection: Connection, which: Which) -> Changed:
    """Delete the rows that have no file; a worker that is busy with one leaves it."""
    unfinished = (downloads.c.status != "done", downloads.c.path.is_(None))
    return _change(connection, sa.delete(downloads).where(*unfinished), which)


def retry(connection: Connection, which: Which | None = None) -> Changed:
    """Queue what failed, was offline, gone or bad at the source, and end all waiting; None: every such row."""
    hopeful = sa.or_(
        downloads.c.status.in_(FAILED),
        sa.and_(downloads.c.status == "queued", downloads.c.not_before.is_not(None)),
    )
    again = sa.update(downloads).where(hopeful).values(**_FRESH)
    if which is None:
        return Changed(connection.execute(again).rowcount)
    return _change(connection, again, which)


def counts(connection: Connection) -> dict[str, Tally]:
    """Rows and bytes of every status, those without rows included."""
    size = sa.func.coalesce(downloads.c.size_bytes, products.c.size_bytes, 0)
    joined = downloads.outerjoin(products, products.c.id == downloads.c.product_id)
    rows = connection.execute(
        sa.select(downloads.c.status, sa.func.count(), sa.func.sum(size))
        .select_from(joined)
        .group_by(downloads.c.status)
    )
    found = {status: Tally(number, int(total)) for status, number, total in rows}
    return {status: found.get(status, Tally()) for status in STATUSES}


def failures(connection: Connection) -> Iterator[Failure]:
    """Every download that ended without a file, and those that failed and wait for another attempt; oldest first."""
    failed = sa.or_(
        downloads.c.status.in_(FAILED),
        sa.and_(downloads.c.status == "queued", downloads.c.attempts > 0),
    )
    columns = [downloads.c.product_id, products.c.name, downloads.c.status, downloads.c.attempts]
    joined = downloads.outerjoin(products, products.c.id == downloads.c.product_id)
    rows = connection.execute(
        sa.select(*columns, downloads.c.error)
        .select_from(joined)
        .where(failed)
        .order_by(downloads.c.requested_at, downloads.c.product_id)
    )
    for row in rows:
        yield Failure(**row._mapping)


def _change(connection: Connection, statement: Delete | Update, which: Which) -> Changed:
    """Run a statement on the rows that are meant."""
    unclear: dict[str, Any] = {}
    if not isinstance(which, Select):
        found = wanted.in_queue(connection, which)
        which, unclear = found.ids, _unclear(found)
    rows = 0
    for chosen in _selections(which):
        rows += connection.execute(statement.where(downloads.c.product_id.in_(chosen))).rowcount
    return Changed(rows, **unclear)


def _preview(connection: Connection, chosen: _Ids) -> Marked:
    status, size = downloads.c.status, products.c.size_bytes
    rows = connection.execute(
        sa.select(status, sa.func.count(), sa.func.sum(size), sa.func.count(size))
        .select_from(products.outerjoin(downloads, downloads.c.product_id == products.c.id))
        .where(products.c.id.in_(chosen))
        .group_by(status)
    )
    result = Marked()
    for was, number, total, sized in rows:
        if was is not None and was not in _REQUEUED:
            result += Marked(already=number)
            continue
        sizes = {"bytes_total": int(total or 0), "unknown_sizes": number - sized}
        result += Marked(new=number, **sizes) if was is None else Marked(requeued=number, **sizes)
    return result


def _products(
    connection: Connection, which: Which
) -> tuple[Select[Any] | list[str], dict[str, Any]]:
    """What is meant, and the words of which that cannot be said."""
    if isinstance(which, Select):
        return which, {}
    found = wanted.in_catalogue(connection, which)
    return found.ids, _unclear(found)


def _unclear(found: wanted.Wanted) -> dict[str, Any]:
    return {"unknown": tuple(found.unknown), "ambiguous": tuple(found.ambiguous)}


def _selections(which: Select[Any] | list[str]) -> Iterator[_Ids]:
    """One SELECT of the ids, or the ids in batches."""
    if isinstance(which, Select):
        yield sa.select(which.subquery().c.id)
    else:
        yield from wanted.batches(which)
