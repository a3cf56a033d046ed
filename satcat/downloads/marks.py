"""Asking for downloads, taking that back, and looking at what came of it.

Each function works inside the caller's transaction. "Which products" is a SELECT that has a column `id`, or words: ids,
names, or beginnings of ids (see `wanted`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Delete, Select, Update

from satcat.batches import batches
from satcat.columns import utc_now
from satcat.downloads import patterns, wanted
from satcat.downloads.again import FRESH, change
from satcat.downloads.rowlocks import hold
from satcat.functions import insert_or_leave
from satcat.models import STATUSES, downloads, products

Which: TypeAlias = Select[Any] | Iterable[str]
_Ids: TypeAlias = Select[Any] | list[str]

#: What ended without a file, for reasons that may pass.
FAILED = ("failed", "bad_at_source", "offline", "gone")


@dataclass(frozen=True, slots=True)
class Marked:
    """What marking changed, or would change.

    Attributes:
        already: products that were queued, running, done, offline or bad at the source, and stay so.
        widened: products of which only some files had been asked for, and now more are.
        folders: of these, how many have a folder with some files that stays as it is, for now the whole is wanted.
        bytes_total: of all but the `already` ones whose size is known, `unknown_sizes` counts the others; both are 0 if
            only some files are wanted, for how large those are shows only when they are listed.
        moved: of the `already` ones, how many wait and got another priority.
        unknown: words that name no product of the catalogue.
        ambiguous: words that several ids begin with; nothing was done about them.
    """

    new: int = 0
    requeued: int = 0
    already: int = 0
    moved: int = 0
    widened: int = 0
    folders: int = 0
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
    """Rows of one status, and the bytes of those whose size is known; `unknown` counts the others."""

    rows: int = 0
    bytes: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """A download that did not work out, or not yet."""

    product_id: str
    name: str | None
    status: str
    attempts: int
    error: str | None


def mark(
    connection: Connection,
    which: Which,
    *,
    priority: int | None = None,
    include: str | Iterable[str] | None = None,
) -> Marked:
    """Queue products; those that failed, were cancelled or gone are queued again, with a clean record.

    Args:
        priority: higher ones come first; rows that are queued already take it over. None: 0 for new rows.
        include: patterns of the files that are wanted of each (see `patterns`), beside those that its row asks for; None:
            the whole product.

    Raises:
        FilterError: `include` holds no pattern.
    """
    include = patterns.check(include)
    which, unclear = _products(connection, which)
    total = Marked(**unclear)
    for chosen in _selections(which):
        hold(connection, chosen)
        groups = list(_groups(connection, chosen))
        total += _marked(groups, include) + _moved(connection, chosen, include, priority)
        _ask_again(connection, chosen, groups, include)
        if _ask(connection, chosen, include, priority) < _without_row(groups):
            # somebody else was faster, and may have wanted less of them
            _ask_again(connection, chosen, _groups(connection, chosen), include)
        if priority is not None:
            waiting = (downloads.c.status == "queued", downloads.c.priority != priority)
            moved = sa.update(downloads).where(*waiting, downloads.c.product_id.in_(chosen))
            connection.execute(moved.values(priority=priority))
    return total


def preview(
    connection: Connection,
    which: Which,
    *,
    priority: int | None = None,
    include: str | Iterable[str] | None = None,
) -> Marked:
    """What `mark` would change; changes nothing."""
    include = patterns.check(include)
    which, unclear = _products(connection, which)
    total = Marked(**unclear)
    for chosen in _selections(which):
        total += _marked(_groups(connection, chosen), include)
        total += _moved(connection, chosen, include, priority)
    return total


def unmark(connection: Connection, which: Which) -> Changed:
    """Delete the rows that have no file; a worker that is busy with one leaves it."""
    unfinished = (downloads.c.status != "done", downloads.c.path.is_(None))
    return _change(connection, sa.delete(downloads), unfinished, which)


def retry(connection: Connection, which: Which | None = None) -> Changed:
    """Queue what failed, was offline, gone or bad at the source, and end all waiting; None: every such row."""
    hopeful = sa.or_(
        downloads.c.status.in_(FAILED),
        sa.and_(downloads.c.status == "queued", downloads.c.not_before.is_not(None)),
    )
    again = sa.update(downloads).values(**FRESH)
    if which is None:
        which = sa.select(downloads.c.product_id.label("id")).where(hopeful)
    return _change(connection, again, (hopeful,), which)


def size_of_rows() -> ColumnElement[int | None]:
    """The bytes of a row of downloads joined with products: of its file, else of what it asks for, if that is known."""
    whole = sa.case((downloads.c.include.is_(None), products.c.size_bytes))
    return sa.func.coalesce(downloads.c.size_bytes, whole)


def unusual_columns(connection: Connection) -> list[str]:
    """Of what people may ask for beside the product, what any row does: a priority, or only some files."""
    unusual = {"priority": downloads.c.priority != 0, "include": downloads.c.include.is_not(None)}
    found = (sa.select(downloads.c.product_id).where(of).limit(1) for of in unusual.values())
    return [name for name, rows in zip(unusual, found, strict=True) if connection.scalar(rows)]


def counts(connection: Connection) -> dict[str, Tally]:
    """Rows and bytes of every status, those without rows included."""
    joined = downloads.outerjoin(products, products.c.id == downloads.c.product_id)
    size = size_of_rows()
    rows = connection.execute(
        sa.select(downloads.c.status, sa.func.count(), sa.func.sum(size), sa.func.count(size))
        .select_from(joined)
        .group_by(downloads.c.status)
    )
    found = {
        status: Tally(number, int(total or 0), number - sized)
        for status, number, total, sized in rows
    }
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


def _change(
    connection: Connection,
    statement: Delete | Update,
    conditions: tuple[ColumnElement[bool], ...],
    which: Which,
) -> Changed:
    """Run a statement on the rows that are meant, and are so."""
    unclear: dict[str, Any] = {}
    if not isinstance(which, Select):
        found = wanted.in_queue(connection, which)
        which, unclear = found.ids, _unclear(found)
    rows = 0
    for chosen in _selections(which):
        hold(connection, chosen)
        these = statement.where(*conditions, downloads.c.product_id.in_(chosen))
        rows += connection.execute(these).rowcount
    return Changed(rows, **unclear)


@dataclass(frozen=True, slots=True)
class _Group:
    """Chosen products whose rows are alike (`status` None: they have none), and the sizes of those whose size is known."""

    status: str | None
    include: str | None
    rows: int
    bytes: int
    sized: int
    with_file: int


def _groups(connection: Connection, chosen: _Ids) -> Iterator[_Group]:
    alike, size = (downloads.c.status, downloads.c.include), products.c.size_bytes
    rows = connection.execute(
        sa.select(
            *alike, sa.func.count(), sa.func.coalesce(sa.func.sum(size), 0), sa.func.count(size),
            sa.func.count(downloads.c.path),
        )
        .select_from(products.outerjoin(downloads, downloads.c.product_id == products.c.id))
        .where(products.c.id.in_(chosen))
        .group_by(*alike)
    )  # fmt: skip
    for status, include, number, total, sized, with_file in rows:
        yield _Group(status, include, number, int(total), sized, with_file)


def _marked(groups: Iterable[_Group], include: str | None) -> Marked:
    total = Marked()
    for group in groups:
        kind = "new" if group.status is None else change(group.status, group.include, include).kind
        counted: dict[str, Any] = {kind: group.rows}
        if (
            kind != "already" and include is None
        ):  # how large parts are shows only when they are listed
            counted |= {"bytes_total": group.bytes, "unknown_sizes": group.rows - group.sized}
        if kind == "widened" and include is None:
            counted["folders"] = group.with_file
        total += Marked(**counted)
    return total


def _moved(
    connection: Connection, chosen: _Ids, include: str | None, priority: int | None
) -> Marked:
    """How many chosen rows wait, ask for all that is wanted, and have another priority."""
    if priority is None:
        return Marked()
    rows = connection.execute(
        sa.select(downloads.c.include, sa.func.count())
        .where(
            downloads.c.status == "queued", downloads.c.priority != priority,
            downloads.c.product_id.in_(chosen),
            sa.exists().where(products.c.id == downloads.c.product_id),
        )
        .group_by(downloads.c.include)
    )  # fmt: skip
    return Marked(
        moved=sum(n for had, n in rows if change("queued", had, include).kind == "already")
    )


def _ask_again(
    connection: Connection, chosen: _Ids, groups: Iterable[_Group], include: str | None
) -> None:
    for group in groups:
        values = change(group.status, group.include, include).values if group.status else {}
        if not values:
            continue
        rows = (
            downloads.c.product_id.in_(chosen),
            downloads.c.status == group.status,
            downloads.c.include.is_not_distinct_from(group.include),
        )
        again = sa.update(downloads).where(*rows)
        connection.execute(again.values(**values, requested_at=utc_now()))


def _ask(connection: Connection, chosen: _Ids, include: str | None, priority: int | None) -> int:
    """Make rows for those that have none; returns how many."""
    new = sa.select(products.c.id, sa.literal(priority or 0), sa.literal(include, sa.Text)).where(
        products.c.id.in_(chosen),
        ~sa.exists().where(downloads.c.product_id == products.c.id),
    )
    columns = ["product_id", "priority", "include"]
    asked = insert_or_leave(connection.dialect, downloads).from_select(columns, new)
    return connection.execute(asked).rowcount


def _without_row(groups: Iterable[_Group]) -> int:
    return sum(group.rows for group in groups if group.status is None)


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
        yield from batches(which, wanted.BATCH)
