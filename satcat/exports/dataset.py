"""A folder of GeoParquet files, one for each partition: `collection=SENTINEL-2/month=2024-06/part-0.parquet`.

The columns that the folders name are not in the files, as Hive has it. `_satcat.json`, which readers pass over, lists the
files; it is written last, and says by its sums whether a copy is whole.
"""

from __future__ import annotations

import errno
import filecmp
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

from satcat import times
from satcat.errors import FilterError, SatcatError
from satcat.exports import folders, geoparquet, partitions
from satcat.exports.rows import Rows
from satcat.exports.whole import told

MANIFEST = "_satcat.json"
_FILE = "part-0.parquet"


def write(rows: Rows, per: Sequence[str], target: Path) -> int:
    """Write products as a dataset, which appears, or replaces an older one, whole or not at all; returns how many.

    A file that would be the same as that of the older one stays, with its time, so that copying tools pass it over.

    Args:
        rows: come partition by partition; the values of each end in those of its partition, which have no column.
        per: what these are called.

    Raises:
        FilterError: the target is something else than a dataset of ours or an empty folder.
        MissingLibraryError: pyarrow is not installed.
        SatcatError: it cannot be written.
    """
    geoparquet.check_library()
    _refuse_what_is_not_ours(target)
    with folders.beside(target) as part:
        files = [
            _write_file(Rows(rows.columns, group), part, place, target)
            for place, group in _groups(rows.values, per)
        ]
        if not files:  # so that it is read as a table without rows, and not refused
            nowhere = partitions.folder(per, ["none"] * len(per))
            files = [_write_file(Rows(rows.columns, ()), part, nowhere, target)]
        total: int = sum(file["products"] for file in files)
        said = {
            "written_at": times.to_text(times.now()),
            "partition": list(per),
            "products": total,
            "files": files,
        }
        (part / MANIFEST).write_text(json.dumps(said, indent=1, ensure_ascii=False), "utf-8")
    return total


def _refuse_what_is_not_ours(target: Path) -> None:
    """Raise FilterError if a folder holds anything but a dataset that satcat wrote, SatcatError if it may not be removed."""
    ours = {MANIFEST, *(file["path"] for file in _manifest(target))}
    with told(target):
        for folder, folders_in, files in os.walk(target, onerror=_fail):
            if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            links = [name for name in folders_in if Path(folder, name).is_symlink()]
            for name in (*files, *links):
                path = Path(folder, name)
                if path.relative_to(target).as_posix() not in ours:
                    raise FilterError(
                        f"{path} is no file of a dataset that satcat wrote: name a new or an empty folder"
                    )


def _fail(error: OSError) -> None:
    if not isinstance(
        error, (FileNotFoundError, NotADirectoryError)
    ):  # said better where it is made
        raise error


def _manifest(folder: Path) -> list[dict[str, Any]]:
    """The files that a dataset lists; none if the folder is no dataset of ours."""
    try:
        files = json.loads((folder / MANIFEST).read_text("utf-8"))["files"]
        return [file for file in files if isinstance(file["path"], str)]
    except (OSError, ValueError, TypeError, LookupError):
        return []


def _groups(
    values: Iterable[Sequence[Any]], per: Sequence[str]
) -> Iterator[tuple[PurePosixPath, Iterator[Sequence[Any]]]]:
    """Each partition's place, and its rows without the values that the place tells."""
    width = len(per)
    for key, rows in groupby(values, lambda row: tuple(row[-width:])):
        yield partitions.folder(per, key), (row[:-width] for row in rows)


def _write_file(rows: Rows, part: Path, place: PurePosixPath, target: Path) -> dict[str, Any]:
    """Write one partition; gives what the manifest says of it."""
    path = part / place / _FILE
    try:
        path.parent.mkdir(parents=True)
    except FileExistsError:
        raise SatcatError(
            f"{target / place}: the file system takes this name for that of another partition, but for its letters' case"
        ) from None
    total = geoparquet.write(rows, path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    _keep(target / place / _FILE, path)
    return {
        "path": (place / _FILE).as_posix(), "products": total, "size_bytes": path.stat().st_size, "sha256": digest,
    }  # fmt: skip


def _keep(older: Path, path: Path) -> None:
    """Let the older file stand for a new one that is the same, where the file system knows hard links."""
    if older.is_symlink() or not older.is_file() or not filecmp.cmp(older, path, shallow=False):
        return
    spare = path.with_name(f".{path.name}")
    with suppress(OSError):
        os.link(older, spare)
        spare.replace(path)
