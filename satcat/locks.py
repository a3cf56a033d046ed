"""Locks of the operating system, on files: a killed process never leaves one behind."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from satcat import times
from satcat.errors import CatalogueLockedError

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def try_lock(file: BinaryIO) -> None:
        """Lock an open file until it is closed; OSError if another holds it."""
        file.seek(1 << 30)  # a byte beyond the text, which others may then still read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

    @contextlib.contextmanager
    def folder(path: Path) -> Iterator[bool]:
        """Windows locks no folders: gives False."""
        yield False

else:
    import fcntl

    def try_lock(file: BinaryIO) -> None:
        """Lock an open file until it is closed; OSError if another holds it."""
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)

    @contextlib.contextmanager
    def folder(path: Path) -> Iterator[bool]:
        """Lock a folder while the block runs; gives False if another holds it, or the file system locks no folders."""
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                yield False
            else:
                yield True
        finally:
            os.close(handle)


@contextlib.contextmanager
def hold(path: Path, purpose: str, *, of: str) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; the lock file itself stays, for removing it would be a race.

    Args:
        purpose: what the holder does; others are told.
        of: what is locked, for the error.

    Raises:
        CatalogueLockedError: another process holds it; says which.
    """
    with path.open("a+b") as file:
        try:
            try_lock(file)
        except OSError:
            raise CatalogueLockedError(of, _holder(path)) from None
        file.seek(0)
        file.truncate()
        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "purpose": purpose,
            "since": times.to_text(times.now()),
        }
        file.write(json.dumps(holder).encode())
        file.flush()
        yield


def _holder(path: Path) -> str:
    """Who holds a lock, as far as its file says."""
    try:
        said = json.loads(path.read_text())
        return f"{said['purpose']} (process {said['pid']} on {said['host']}, since {said['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
