"""Whether the files and folders of finished downloads are still what was stored: hashes them again, opens no socket.

A file is compared with the checksum that was stored with it, else with the catalogue's or with itself, as `examine` does; a
folder with its manifest, and where only some files were asked for, those alone.

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

from satcat.api.hashing import hash_file, increments
from satcat.columns import utc_now
from satcat.database import Database
from satcat.downloads.examine import Examiner, State, Verdict
from satcat.downloads.recording import NOT_THERE, requeued
from satcat.errors import FilterError, TransferStoppedError
from satcat.models import downloads, products
from satcat.select import image

_LEARNT = ("verification", "checksum_algorithm", "checksum")


class FileState(StrEnum):
    """What became of a file. `unchecked`: it is elsewhere (a URL), or nothing is known to check it against."""

    OK = "ok"
    MISSING = "missing"
    ALTERED = "altered"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """One file or folder, as found; `detail` says what is wrong, `verdict` what was newly learnt of it."""

    product_id: str
    path: str
    state: FileState
    detail: str = ""
    verdict: Verdict | None = None


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
    on_file: Callable[[CheckedFile], object] = lambda checked: None,
    on_bytes: Callable[[int], object] = lambda number: None,
) -> FilesReport:
    """Look at the files of all rows that are done, and report those that are missing, altered or cannot be checked.

    Args:
        requeue: queue the missing and altered ones again.
        on_file: is given each file; `on_bytes` the number of bytes just hashed.

    Raises:
        FilterError: `subset` is not (n, t) with 1 <= n <= t.
    """
    report = FilesReport()
    examiner = Examiner(stop=stop, on_bytes=on_bytes)
    for product_id in _oldest_first(database, subset):
        row = _row(database, product_id)
        if row is None:  # a person took it away meanwhile
            continue
        try:
            checked = _look(database, row, examiner)
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


def size_of(database: Database, subset: tuple[int, int] | None = None) -> int:
    """How many bytes `verify_files` is going to look at, as far as is known."""
    wanted = set(_oldest_first(database, subset)) if subset else None
    sizes = sa.select(downloads.c.product_id, downloads.c.size_bytes).where(
        downloads.c.status == "done", downloads.c.size_bytes.is_not(None)
    )
    with database.read() as connection:
        rows = connection.execute(sizes)
        return sum(size for id_, size in rows if wanted is None or id_ in wanted)


def _oldest_first(database: Database, subset: tuple[int, int] | None) -> list[str]:
    number, total = subset or (1, 1)
    if not 1 <= number <= total:
        raise FilterError(f"--subset {number}/{total}: give n/t with n from 1 to t")
    done = sa.select(downloads.c.product_id).where(downloads.c.status == "done")
    order = (downloads.c.verified_at.asc().nulls_first(), downloads.c.product_id)
    with database.read() as connection:
        ids = connection.scalars(done.order_by(*order))
        return [id_ for id_ in ids if zlib.crc32(id_.encode()) % total == number - 1]


def _row(database: Database, product_id: str) -> Row[Any] | None:
    done = (downloads.c.product_id == product_id, downloads.c.status == "done")
    with database.read() as connection:
        return connection.execute(sa.select(downloads).where(*done)).first()


def _look(database: Database, row: Row[Any], examiner: Examiner) -> CheckedFile:
    """What the row's file or folder is now."""

    def found(state: FileState, detail: str = "") -> CheckedFile:
        return CheckedFile(row.product_id, row.path or "", state, detail)

    if not row.path or "://" in row.path:
        return found(FileState.UNCHECKED, "the file is not on this machine")
    path = Path(row.path)
    try:
        is_folder, size = path.is_dir(), path.stat().st_size
        if is_folder:
            return _judged(row, _folder(path, row, examiner))
        if row.size_bytes not in (None, size):
            return found(FileState.ALTERED, f"{size} bytes instead of {row.size_bytes}")
        if row.checksum is not None and row.checksum_algorithm in ("blake3", "md5"):
            actual = hash_file(
                path, row.checksum_algorithm, examiner.stop, increments(examiner.on_bytes)
            )
            if actual == row.checksum:
                return found(FileState.OK)
            why = f"{row.checksum_algorithm} is {actual}, not {row.checksum}"
            return found(FileState.ALTERED, why)
    except FileNotFoundError:
        return found(FileState.MISSING, NOT_THERE)
    except OSError as error:
        return found(FileState.ALTERED, f"it cannot be read ({error.strerror})")
    with database.read() as connection:
        mine = sa.select(products).where(products.c.id == row.product_id)
        product = connection.execute(mine).first()
    if product is None:
        return found(FileState.UNCHECKED, "no checksum was stored, and its product has gone")
    return _judged(row, examiner.file(path, image(product)))


def _folder(path: Path, row: Row[Any], examiner: Examiner) -> Verdict:
    """By its manifest; of what that does not list all that can be seen is that it did not shrink."""
    verdict = examiner.folder(path, row.include)
    if verdict.state in (State.RIGHT, State.UNVERIFIED) and row.size_bytes is not None:
        total = sum(inside.stat().st_size for inside in path.rglob("*") if inside.is_file())
        if total < row.size_bytes:
            return Verdict(State.PARTIAL, f"{total} bytes instead of {row.size_bytes}")
    return verdict


def _judged(row: Row[Any], verdict: Verdict) -> CheckedFile:
    state, detail = FileState.ALTERED, verdict.detail
    if verdict.state is State.RIGHT and verdict.is_thorough:
        state, detail = FileState.OK, ""
    elif verdict.state in (State.RIGHT, State.UNVERIFIED):
        state, detail = FileState.UNCHECKED, detail or "only its size could be checked"
    return CheckedFile(row.product_id, row.path, state, detail, verdict)


def _note(database: Database, checked: CheckedFile, *, requeue: bool) -> None:
    values: dict[str, Any]
    if checked.state is FileState.OK:
        values = {"verified_at": utc_now()}
        if checked.verdict is not None:
            values |= {name: getattr(checked.verdict, name) for name in _LEARNT}
    elif requeue and checked.state is not FileState.UNCHECKED:
        values = requeued(checked.detail)
    else:
        return
    row = (
        downloads.c.product_id == checked.product_id, downloads.c.status == "done",
        downloads.c.path == checked.path,
    )  # fmt: skip
    with database.write() as connection:
        connection.execute(sa.update(downloads).where(*row).values(**values))
