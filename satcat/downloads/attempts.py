"""The record of attempts: who claimed a product when, what it took from the network, and what came of it.

An attempt is told by its product and claim. Each function works inside the caller's transaction.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from satcat.models import download_attempts

_TABLE = download_attempts


def begin(connection: Connection, product_id: str, claim: int, worker: str, now: datetime) -> None:
    """A worker begins; what is open of the product was lost. Who may be noting that himself is not waited for."""
    is_open = (_TABLE.c.product_id == product_id, _TABLE.c.outcome.is_(None))
    free = sa.select(_TABLE.c.id).where(*is_open).with_for_update(skip_locked=True).correlate(None)
    _change(connection, [_TABLE.c.id.in_(free)], {"finished_at": now, "outcome": "lost"})
    row = {"product_id": product_id, "claim": claim, "worker": worker, "started_at": now}
    connection.execute(sa.insert(_TABLE).values(**row))


def fetched(connection: Connection, product_id: str, claim: int, number: int) -> None:
    """Note the bytes so far, so that they are known even if the worker is killed."""
    _change(connection, _of(product_id, claim), {"bytes": number})


def end(
    connection: Connection, product_id: str, claim: int, now: datetime, outcome: str, bytes_fetched: int,
    error: str | None = None,
) -> None:  # fmt: skip
    """Note what came of it, unless that is known already."""
    values = {"finished_at": now, "outcome": outcome, "error": error, "bytes": bytes_fetched}
    _change(connection, _of(product_id, claim), values)


def has_ended(connection: Connection, product_id: str, claim: int, outcome: str) -> bool:
    """Tell whether it ended just so."""
    ended = (*_of(product_id, claim), _TABLE.c.outcome == outcome)
    return connection.scalar(sa.select(_TABLE.c.id).where(*ended).limit(1)) is not None


def has_begun(connection: Connection, product_id: str, claim: int | None = None) -> bool:
    """Tell whether a worker of this catalogue ever claimed the product, by this claim if it is given."""
    begun = [_TABLE.c.product_id == product_id]
    begun += [] if claim is None else [_TABLE.c.claim == claim]
    return connection.scalar(sa.select(_TABLE.c.id).where(*begun).limit(1)) is not None


def times_offline(connection: Connection, product_id: str) -> int:
    """How often a product was found offline."""
    found = (_TABLE.c.product_id == product_id, _TABLE.c.outcome == "offline")
    return connection.scalar(sa.select(sa.func.count()).select_from(_TABLE).where(*found)) or 0


def last_claim(product_id: sa.Column[str]) -> ColumnElement[int | None]:
    """The highest claim that a product ever had, for a statement about its row."""
    last = sa.select(sa.func.max(_TABLE.c.claim)).where(_TABLE.c.product_id == product_id)
    return last.correlate(product_id.table).scalar_subquery()


def _of(product_id: str, claim: int) -> list[ColumnElement[bool]]:
    return [_TABLE.c.product_id == product_id, _TABLE.c.claim == claim]


def _change(
    connection: Connection, which: list[ColumnElement[bool]], values: dict[str, Any]
) -> None:
    connection.execute(sa.update(_TABLE).where(*which, _TABLE.c.outcome.is_(None)).values(**values))
