"""What downloads that came to nothing left in the folder: hidden part files that no row will ever go on with.

A worker removes its own; those of one that was killed stay if its row is cancelled or deleted before another worker takes it
over, or if it had lost the row to another. Each run removes them when it begins: only what has exactly the name that this
catalogue's product would give it, and what no process holds.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from satcat.api.filenames import part_name, parts_name
from satcat.api.partfile import PartFile
from satcat.database import Database
from satcat.models import downloads, products
from satcat.products import SatelliteImage
from satcat.select import image

_PART = re.compile(r"\..+_([A-Za-z0-9_-]{8})(\.[0-9a-f]{8})?\.(\d{1,18})\.part", re.ASCII)
_FOLDER = re.compile(r"\..+_([A-Za-z0-9_-]{8})[A-Za-z0-9_-]*\.parts", re.ASCII)
#: Rows of these may be gone on with, be it when somebody retries.
_HOPEFUL = ("queued", "running", "failed", "offline")


def sweep(database: Database, folder: Path) -> int:
    """Remove what is left over in the folder and below; returns how many files and folders that was."""
    found = [(path, match) for path in _hidden(folder) if (match := _match(path.name))]
    if not found:
        return 0
    with database.read() as connection:
        left_over = [path for path, match in found if _is_left_over(connection, match)]
    return sum(_remove(path) for path in left_over)


def _hidden(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        yield from (Path(place, name) for name in (*folders, *files) if name.startswith("."))
        folders[:] = [name for name in folders if not name.startswith(".")]


def _is_left_over(connection: Connection, match: re.Match[str]) -> bool:
    own = [one for one in _products(connection, match[1]) if _is_of(match, one)]
    return bool(own) and not any(_is_hopeful(connection, one.id) for one in own)


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


def _is_hopeful(connection: Connection, product_id: str) -> bool:
    row = sa.select(downloads.c.product_id).where(
        downloads.c.product_id == product_id, downloads.c.status.in_(_HOPEFUL)
    )
    return connection.scalar(row) is not None


def _remove(path: Path) -> bool:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        PartFile.clear([path])
    return not os.path.lexists(path)
