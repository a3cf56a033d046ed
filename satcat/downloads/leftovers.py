"""What downloads that came to nothing left in the folder: hidden part files that no row will ever go on with.

A worker removes its own; those of one that was killed stay if its row is cancelled or deleted before another worker takes it
over, or if it had lost the row to another. Each run removes them when it begins: only what has exactly the name that a
worker of this catalogue once gave it, and what no process holds. What only another catalogue ever began stays, for that one
may want it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from satcat.api.filenames import part_name, parts_name
from satcat.api.partfile import PartFile
from satcat.database import Database
from satcat.downloads import attempts, gathering, queue
from satcat.downloads.job import Job
from satcat.models import products
from satcat.products import SatelliteImage
from satcat.select import image

_PART = re.compile(r"\..+_([A-Za-z0-9_-]{8})(\.[0-9a-f]{8})?\.(\d{1,18})\.part", re.ASCII)
_FOLDER = re.compile(r"\..+_([A-Za-z0-9_-]{8})[A-Za-z0-9_-]*\.parts", re.ASCII)


def sweep(database: Database, folder: Path) -> int:
    """Remove what is left over in the folder and below; returns how many files and folders that was."""
    found = list(_hidden(folder))
    if not found:
        return 0
    with database.read() as connection:
        left_over = [path for path in found if _is_left_over(connection, path.name)]
    return sum(_remove(path) for path in left_over)


def discard(database: Database, job: Job) -> None:
    """Remove what a job whose row is lost has left, as far as nobody wants it.

    Whoever has claimed the row since goes on with the files that were gathered, but not with this claim's part files.
    """

    def is_wanted() -> bool:
        with database.read() as connection:
            return queue.is_wanted(connection, job.claimed.product_id)

    def is_taken_over() -> bool:
        with database.read() as connection:
            return queue.is_taken_over(connection, job.claimed)

    if not database.repeat(is_wanted):
        PartFile.clear(job.parts)
        if job.gathering is not None:
            gathering.remove(job.gathering, lambda: not database.repeat(is_wanted))
    elif database.repeat(is_taken_over):
        PartFile.clear(job.own_parts)


def _hidden(folder: Path) -> Iterator[Path]:
    """What may be ours by its name."""
    for place, folders, files in os.walk(folder):
        hidden = (name for name in (*folders, *files) if name.startswith("."))
        yield from (
            Path(place, name) for name in hidden if _match(name) or gathering.is_removed(name)
        )
        folders[:] = [name for name in folders if not name.startswith(".")]


def _is_left_over(connection: Connection, name: str) -> bool:
    match = _match(name)
    if match is None:
        return True  # on its way out
    own = [one.id for one in _products(connection, match[1]) if _is_of(match, one)]
    claim = None if match.re is _FOLDER else int(match[3])
    return any(attempts.has_begun(connection, one, claim) for one in own) and not any(
        queue.is_wanted(connection, one) for one in own
    )


def _match(name: str) -> re.Match[str] | None:
    return _PART.fullmatch(name) or _FOLDER.fullmatch(name)


def _is_of(match: re.Match[str], product: SatelliteImage) -> bool:
    """Whether a worker would so call the product's part file, that of one of its files, or the folder for these."""
    if match.re is _FOLDER:
        return match.string == parts_name(product)
    whole = part_name(product, int(match[3]))
    return match.string.replace(match[2] or "", "", 1) == whole


def _products(connection: Connection, beginning: str) -> Iterator[SatelliteImage]:
    """The products whose id begins so; a range, for unlike a pattern it is looked up in the index."""
    after = beginning[:-1] + chr(ord(beginning[-1]) + 1)
    these = (products.c.id >= beginning, products.c.id < after)
    return (image(row) for row in connection.execute(sa.select(products).where(*these)).all())


def _remove(path: Path) -> bool:
    if path.is_dir():
        return gathering.remove(path)
    PartFile.clear([path])
    return not os.path.lexists(path)
