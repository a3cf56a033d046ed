"""Whether the files of finished downloads are still what was stored: hashes them again, opens no socket.

Those checked longest ago come first and each good one is noted at once, so that an interrupted check goes on where it
stopped. `subset` (n, t) takes every t-th product, always the same ones: n = 1…t together cover all.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Row

from satcat.api.hashing import hash_file
from satcat.database import Database
from satcat.errors import FilterError, TransferStoppedError
from satcat.models import downloads, utc_now


class FileState(StrEnum):
    """What became of a file. `unchecked`: it is elsewhere (a URL), or nothing is known to check it against."""

    OK = "ok"
    MISSING = "missing"
    ALTERED = "altered"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """One file, as found; `detail` says what is wrong."""

    product_id: str
    path: str
    state: FileState
    detail: str = ""


@dataclass(slots=True)
class FilesReport:
    """What a check of files found. `finished` is False when it was stopped before its end."""

    ok: int = 0
    bytes: int = 0
    problems: list[CheckedFile] = field(default_factory=list)
    finished: bool = True


def verify_files(
    database: Database,
    *,
    subset: tuple[int, int] | None = None,
    requeue: bool = False,
    stop: threading.Event | None = None,
    on_file: Callable[[CheckedFile], None] = lambda checked: None,
) -> FilesReport:
    """Hash the files of all rows that are done, and report those that are missing, altered or cannot be checked.

    Args:
        requeue: queue the missing and altered ones again.

    Raises:
        FilterError: `subset` is not (n, t) with 1 <= n <= t.
    """
    report = FilesReport()
    for product_id in _oldest_first(database, subset):
        with database.read() as connection:
            is_done = (downloads.c.product_id == product_id, downloads.c.status == "done")
            row = connection.execute(sa.select(*_COLUMNS).where(*is_done)).first()
        if row is None:  # a person took it away meanwhile
            continue
        try:
            checked = _check(row, stop)
        except TransferStoppedError:
            report.finished = False
            return report
        if checked.state is FileState.OK:
            report.ok += 1
            report.bytes += row.size_bytes or 0
        else:
            report.problems.append(checked)
        _note(database, checked, requeue=requeue)
        on_file(checked)
    return report


_COLUMNS = [
    downloads.c[name]
    for name in ("product_id", "path", "size_bytes", "checksum_algorithm", "checksum")
]


def _oldest_first(database: Database, subset: tuple[int, int] | None) -> list[str]:
    number, total = subset or (1, 1)
    if not 1 <= number <= total:
        raise FilterError(f"--subset {number}/{total}: give n/t with n from 1 to t")
    done = sa.select(downloads.c.product_id).where(downloads.c.status == "done")
    order = (downloads.c.verified_at.asc().nulls_first(), downloads.c.product_id)
    with database.read() as connection:
        ids = connection.scalars(done.order_by(*order))
        return [id_ for id_ in ids if zlib.crc32(id_.encode()) % total == number - 1]


def _check(row: Row[Any], stop: threading.Event | None) -> CheckedFile:
    def found(state: FileState, detail: str = "") -> CheckedFile:
        return CheckedFile(row.product_id, row.path or "", state, detail)

    if not row.path or "://" in row.path:
        return found(FileState.UNCHECKED, "the file is not on this machine")
    path = Path(row.path)
    try:
        size = path.stat().st_size
        if row.size_bytes not in (None, size):
            return found(FileState.ALTERED, f"{size} bytes instead of {row.size_bytes}")
        if row.checksum is None or row.checksum_algorithm not in ("blake3", "md5"):
            return found(FileState.UNCHECKED, "no checksum was stored")
        actual = hash_file(path, row.checksum_algorithm, stop)
    except FileNotFoundError:
        return found(FileState.MISSING, "the file is not there")
    except OSError as error:
        return found(FileState.ALTERED, f"it cannot be read ({error.strerror})")
    if actual != row.checksum:
        return found(FileState.ALTERED, f"{row.checksum_algorithm} is {actual}, not {row.checksum}")
    return found(FileState.OK)


def _note(database: Database, checked: CheckedFile, *, requeue: bool) -> None:
    values: dict[str, Any]
    if checked.state is FileState.OK:
        values = {"verified_at": utc_now()}
    elif requeue and checked.state is not FileState.UNCHECKED:
        values = {"status": "queued", "attempts": 0, "error": checked.detail, "not_before": None}
    else:
        return
    row = (downloads.c.product_id == checked.product_id, downloads.c.status == "done")
    with database.write() as connection:
        connection.execute(sa.update(downloads).where(*row).values(**values))
