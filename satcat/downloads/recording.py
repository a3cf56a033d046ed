"""Noting in the table `downloads` that files are here already, and asking again for those that are not right.

Each function works inside the caller's transaction, and looks at the rows as they are then: a worker may have taken one
meanwhile, and is never disturbed. Who changes several holds their rows first (see `rowlocks`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from satcat.downloads import marks
from satcat.downloads.examine import THOROUGH, Verdict
from satcat.downloads.rowlocks import hold
from satcat.functions import insert_or_leave
from satcat.models import downloads

#: File systems keep times as coarse as this, and clocks of file servers differ.
_MARGIN = timedelta(seconds=2)
#: Why a row is queued again whose file has gone.
NOT_THERE = "the file is not there"


@dataclass(frozen=True, slots=True)
class Noted:
    """What became of a right file: its row says so now, another file of the product is recorded, or a worker is at it.

    `path`: the file that is recorded.
    """

    what: Literal["done", "elsewhere", "running"]
    path: str


@dataclass(frozen=True, slots=True)
class Holding:
    """A right file or folder of a product. `looked_at`: when the look at it began."""

    product_id: str
    path: Path
    verdict: Verdict
    looked_at: datetime


def record(connection: Connection, holding: Holding, *, dry_run: bool = False) -> Noted:
    """Note a right file as the product's, unless another one is noted that is still there.

    Args:
        dry_run: only say what would be noted.
    """
    this = downloads.c.product_id == holding.product_id
    row = connection.execute(sa.select(downloads).where(this)).first()
    if row is not None and row.status == "running":
        return Noted("running", row.path or "")
    if row is not None and is_elsewhere(row, holding.path):
        return Noted("elsewhere", row.path)
    ours = row is not None and row.status == "done" and _is_same(row.path, holding.path)
    if not dry_run and not (ours and row is not None and _is_weaker(holding.verdict, row)):
        values = _columns(holding)
        values |= {} if ours else {"path": str(holding.path), "finished_at": holding.looked_at}
        if row is None:
            values["product_id"] = holding.product_id
            new = insert_or_leave(connection.dialect, downloads).values(**values)
            if connection.execute(new).rowcount == 0:  # somebody has just asked for it
                hold(connection, [holding.product_id])
                return record(connection, holding)
        else:
            connection.execute(sa.update(downloads).where(this).values(**values))
    return Noted("done", str(holding.path))


def ask_again(connection: Connection, product_id: str, path: Path, why: str) -> bool:
    """Queue a product whose file here is not right, unless a right one is recorded elsewhere; tell if that changed a row.

    Where only parts of it were asked for, the same parts are asked for again.
    """
    this = downloads.c.product_id == product_id
    row = connection.execute(sa.select(downloads).where(this)).first()
    if row is not None and row.include is not None and not _is_same(row.path, path):
        return False
    if row is not None and row.status == "done":
        if is_elsewhere(row, path):
            return False
        connection.execute(sa.update(downloads).where(this).values(**requeued(why)))
        return True
    marked = marks.mark(connection, [product_id])
    return bool(marked.new or marked.requeued)


def requeued(why: str) -> dict[str, Any]:
    """What a row holds that was done and is wanted again."""
    return {"status": "queued", "attempts": 0, "error": why, "not_before": None}


def is_elsewhere(row: Row[Any], path: Path) -> bool:
    """Tell whether a row is done with another whole file than this, that is there (or at a URL) as it was found right."""
    if row.status != "done" or not row.path or row.include is not None:
        return False
    if "://" in row.path:
        return True
    return not _is_same(row.path, path) and _is_as_it_was(row)


def doubt(row: Row[Any] | None, path: Path) -> str | None:
    """Why a row holds just this for not right, as `verify --files` found; its size alone does not clear that up."""
    if row is None or row.status == "done" or not _is_same(row.path, path):
        return None
    error: str | None = row.error
    return None if error == NOT_THERE else error


def is_unchanged(row: Row[Any], path: Path, checksum: str | None) -> bool:
    """Tell whether the row says that just this was looked at thoroughly, and nothing there has changed since.

    Args:
        checksum: the strongest that is published now.
    """
    if row.status != "done" or row.path != str(path) or row.include is not None:
        return False
    if row.verification == "checksum" and row.checksum != checksum:
        return False
    return row.verification in THOROUGH and _is_as_it_was(row, _MARGIN)


def _is_as_it_was(row: Row[Any], margin: timedelta = timedelta(0)) -> bool:
    """Tell whether the row's file is there, and has not changed since it was last found right."""
    if row.verified_at is None:
        return False
    try:
        size, changed = _size_and_change(Path(row.path))
    except OSError:
        return False
    return (
        size in (None, row.size_bytes)
        and changed + margin.total_seconds() <= row.verified_at.timestamp()
    )


def _columns(holding: Holding) -> dict[str, Any]:
    verdict = holding.verdict
    return {
        "status": "done", "include": None, "size_bytes": verdict.size_bytes, "bytes_done": verdict.size_bytes or 0,
        "verification": verdict.verification, "checksum_algorithm": verdict.checksum_algorithm,
        "checksum": verdict.checksum, "error": None, "worker": None, "lease_until": None, "not_before": None,
        "verified_at": holding.looked_at,
    }  # fmt: skip


def _size_and_change(path: Path) -> tuple[int | None, float]:
    """A file's size, None for a folder, and when it or anything in it last changed; seconds of the epoch.

    The time of a file's inode cannot be set back, as that of its contents can.
    """
    about = path.stat()
    if not path.is_dir():
        return about.st_size, _change(about)
    return None, max(_change(about), max(_changes(path), default=0.0))


def _changes(folder: Path) -> Iterator[float]:
    waiting = [str(folder)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                yield _change(entry.stat())
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)


def _change(about: os.stat_result) -> float:
    return max(about.st_mtime, about.st_ctime)


def _is_weaker(verdict: Verdict, row: Row[Any]) -> bool:
    """Tell whether a look was less thorough than the one that is recorded, which still holds."""
    thorough = row.include is None and row.verification in THOROUGH
    return thorough and not verdict.is_thorough and _is_as_it_was(row)


def _is_same(one: str | None, other: Path) -> bool:
    if one is None:
        return False
    try:
        return other.samefile(one)
    except OSError:
        return one == str(other)
