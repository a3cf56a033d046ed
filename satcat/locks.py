"""Locks of the operating system, on files: a killed process never leaves one behind."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from satcat import times
from satcat.errors import CatalogueError, CatalogueLockedError

if sys.platform == "win32":  # pragma: no cover
    import msvcrt

    def try_lock(file: BinaryIO) -> None:
        """Lock an open file until it is closed; BlockingIOError if another holds it."""
        file.seek(1 << 30)  # a byte beyond the text, which others may then still read
        with _told_apart():
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

    @contextlib.contextmanager
    def folder(path: Path, *, shared: bool = False) -> Iterator[bool]:
        """Windows locks no folders: gives False."""
        yield False

else:
    import fcntl

    def try_lock(file: BinaryIO) -> None:
        """Lock an open file until it is closed.

        Raises:
            BlockingIOError: another holds it.
            OSError: the file system locks no files.
        """
        with _told_apart():
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)

    @contextlib.contextmanager
    def folder(path: Path, *, shared: bool = False) -> Iterator[bool]:
        """Lock the folder at a path while the block runs; gives False where the file system locks no folders.

        Args:
            shared: others may lock it so, too.

        Raises:
            BlockingIOError: another holds it, or has just moved it away.
            OSError: there is none, or it cannot be opened.
        """
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            is_held = _is_held(handle, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            if not os.path.samestat(os.fstat(handle), path.lstat()):
                raise BlockingIOError(errno.EWOULDBLOCK, "moved away meanwhile")
            yield is_held
        finally:
            os.close(handle)

    def _is_held(handle: int, kind: int) -> bool:
        try:
            with _told_apart():
                fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            return False
        return True


@contextlib.contextmanager
def _told_apart() -> Iterator[None]:
    """That another holds a lock is always a BlockingIOError; some systems say EACCES."""
    try:
        yield
    except PermissionError as error:
        raise BlockingIOError(errno.EWOULDBLOCK, error.strerror) from error


@contextlib.contextmanager
def hold(path: Path, purpose: str, *, of: str) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; the lock file itself stays, for removing it would be a race.

    Args:
        purpose: what the holder does; others are told.
        of: what is locked, for the error.

    Raises:
        CatalogueLockedError: another process holds it; says which.
        CatalogueError: the file system locks no files.
    """
    with path.open("a+b") as file:
        try:
            try_lock(file)
        except BlockingIOError:
            raise CatalogueLockedError(of, _holder(path)) from None
        except OSError as error:
            raise CatalogueError(
                f"cannot lock {path} ({error.strerror}): keep {of} on a file system that locks files"
            ) from error
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
