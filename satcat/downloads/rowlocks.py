"""Locks on rows of the queue, where the database lets several write at once; SQLite has one writer anyway.

Whoever waits for a row while others wait for his own would never end. So workers wait for one row at a time, and pass over
those that are locked where they mean several; all others lock theirs in the order of the keys, and then wait for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Select

from satcat.functions import alone_with
from satcat.models import downloads


def hold(connection: Connection, ids: Select[Any] | Iterable[str]) -> None:
    """Keep others from the rows of these products until the transaction ends; waits for those that are at one.

    Nor does a sync drop a product that nobody seemed to want.
    """
    if connection.dialect.name == "sqlite":
        return
    connection.execute(sa.select(alone_with("products")))
    chosen = ids if isinstance(ids, Select) else list(ids)
    locked = _rows(downloads.c.product_id.in_(chosen)).with_for_update().subquery()
    connection.execute(sa.select(sa.func.count()).select_from(locked))


def if_free(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """The rows that are so, and that nobody has locked at this moment; for an UPDATE, which waits for none of them."""
    locked = _rows(*conditions).with_for_update(skip_locked=True)
    return sa.and_(*conditions, downloads.c.product_id.in_(locked))


def _rows(*conditions: ColumnElement[bool]) -> Select[Any]:
    key = downloads.c.product_id
    return sa.select(key).where(*conditions).order_by(key).correlate(None)
