"""At most so many connections per account, over all workers of a catalogue: leased rows of `account_slots`.

A connection is opened only under a slot. Where the catalogue is too busy to renew the lease, it is cut before the lease is
over; so the source never sees a fifth, with one exception: a process that is stopped (SIGSTOP), or a clock that jumps, for
longer than a lease frees slots whose connections stay open. Until that process goes on or is killed, or until the next
renewal, the source may see more, and answers 429, which is waited out. The account is kept as a short hash: its name is
nobody's business.
Each function works inside the caller's transaction.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from satcat.downloads.queue import LEASE, clock, is_over
from satcat.functions import insert_or_leave
from satcat.models import account_slots

#: CDSE refuses a fifth download of one account.
MOST = 4


@dataclass(frozen=True, slots=True)
class Slot:
    """The right to one connection."""

    account: str
    slot: int
    claim: int


def account_key(source: str, account: str | None) -> str:
    """The hash under which an account's slots are kept; workers of an unknown account share theirs."""
    return hashlib.sha256(f"{source}\n{account or ''}".encode()).hexdigest()[:16]


def acquire(
    connection: Connection, account: str, worker: str, *, lease: timedelta = LEASE
) -> Slot | None:
    """Take a free slot, or one whose holder is silent; None if all are taken."""
    now = clock(connection)
    _make_rows(connection, account)
    silent = is_over(account_slots.c.lease_until, now)
    free = (
        sa.select(account_slots.c.slot)
        .where(account_slots.c.account == account, account_slots.c.slot < MOST, silent)
        .order_by(account_slots.c.slot)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    row = connection.execute(
        sa.update(account_slots)
        .where(account_slots.c.account == account, account_slots.c.slot == free)
        .values(worker=worker, claim=account_slots.c.claim + 1, lease_until=now + lease)
        .returning(account_slots.c.slot, account_slots.c.claim)
    ).first()
    return None if row is None else Slot(account, *row)


def renew(connection: Connection, held: Iterable[Slot], *, lease: timedelta = LEASE) -> list[Slot]:
    """Renew leases; returns the slots that are lost to others."""
    until = clock(connection) + lease
    change = sa.update(account_slots).values(lease_until=until)
    in_order = sorted(held, key=lambda slot: slot.slot)  # as everybody locks them
    return [
        slot for slot in in_order if connection.execute(change.where(*_ours(slot))).rowcount != 1
    ]


def release(connection: Connection, slot: Slot) -> None:
    """Give a slot back; one that was lost is left alone."""
    free = {"worker": None, "lease_until": None}
    connection.execute(sa.update(account_slots).where(*_ours(slot)).values(**free))


def reap(connection: Connection, is_dead: Callable[[str], bool]) -> None:
    """Free the slots of workers that are dead, without waiting for their lease."""
    holders = sa.select(account_slots.c.worker).where(account_slots.c.worker.is_not(None))
    dead = [worker for worker in connection.scalars(holders.distinct()) if is_dead(worker)]
    if dead:
        theirs = account_slots.c.worker.in_(dead)
        slots = sa.select(account_slots.c.account, account_slots.c.slot).where(theirs)
        free = slots.with_for_update(skip_locked=True).correlate(None)
        key = sa.tuple_(account_slots.c.account, account_slots.c.slot)
        freed = sa.update(account_slots).where(theirs, key.in_(free))
        connection.execute(freed.values(worker=None, lease_until=None))


def _ours(slot: Slot) -> tuple[ColumnElement[bool], ...]:
    return (
        account_slots.c.account == slot.account,
        account_slots.c.slot == slot.slot,
        account_slots.c.claim == slot.claim,
        account_slots.c.worker.is_not(None),
    )


def _make_rows(connection: Connection, account: str) -> None:
    known = sa.select(account_slots.c.slot).where(account_slots.c.account == account)
    missing = sorted(set(range(MOST)) - set(connection.scalars(known)))
    if missing:
        rows = [{"account": account, "slot": slot} for slot in missing]
        connection.execute(insert_or_leave(connection.dialect, account_slots), rows)
