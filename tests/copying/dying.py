"""A copy in a process of its own that dies by SIGKILL at a chosen transaction of its target."""

from __future__ import annotations

import multiprocessing
import os
import signal

from tests.sync.crashing import dying

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["satcat.copying.run", "satcat.sqlite", "tests.sync.crashing"])


def copy_and_die(
    source: str,
    target: str,
    *,
    nth: int = 1,
    kill_at: str | None = None,
    piece_rows: int = 30_000,
) -> int:
    """Copy until the nth write transaction, and die just before its commit.

    Args:
        kill_at: die instead when the nth piece of this table has been written, and is not yet stored.

    Returns the exit code: 0 if the copy ended before that, -9 if it was killed.
    """
    args = (source, target, nth, kill_at, piece_rows)
    child = _context.Process(target=_child, args=args)
    child.start()
    child.join(60)
    assert child.exitcode is not None, "the copy hangs"
    return child.exitcode


def _child(source: str, target: str, nth: int, kill_at: str | None, piece_rows: int) -> None:
    from satcat.copying import rows, writing
    from satcat.copying.run import copy
    from satcat.database import Database

    rows.PIECE_ROWS = piece_rows
    if kill_at is None:
        setattr(Database, "write", dying(Database.write, nth, before=True))  # noqa: B010 - mypy
    else:
        writing.insert = _killing(writing.insert, kill_at, nth)
    with Database.open(source) as opened:
        copy(opened, target)


def _killing(insert, table, nth):
    pieces = 0

    def insert_and_die(connection, shape, piece):
        nonlocal pieces
        insert(connection, shape, piece)
        pieces += shape.table.name == table
        if pieces == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    return insert_and_die
