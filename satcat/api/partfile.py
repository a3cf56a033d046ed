"""A file that is not complete yet: its bytes, hashed as they arrive, under an operating-system lock.

The file itself is the only journal: whoever opens it later hashes what is there and goes on. It gets its final name
only when it is complete and on the disk, so that a file under its final name is always whole.
"""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Self

from satcat import locks
from satcat.api.filenames import HEAD_BYTES
from satcat.api.hashing import CHUNK, Hasher, stop_if
from satcat.errors import (
    DiskFullError,
    NameTakenError,
    TransferError,
    UnwritableError,
)

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


class PartFile:
    """An open, locked part file. Use as a context manager; leaving it keeps the bytes for the next one."""

    def __init__(self, path: Path) -> None:
        """Open or create the file and lock it.

        Raises:
            NameTakenError: another process, or thread, is writing it.
            UnwritableError: the file system locks no files.
            TransferError, DiskFullError: it cannot be written.
        """
        self.path = path
        self._file = _open_locked(path)
        if os.fstat(self._file.fileno()).st_nlink > 1:
            # Its last holder was killed while giving it its final name: it is a finished file, not ours to change.
            path.unlink()
            self._file.close()
            self._file = _open_locked(path)
        self.size = os.fstat(self._file.fileno()).st_size
        self._hasher = Hasher("blake3")

    @classmethod
    def resuming(cls, path: Path, older: Iterable[Path]) -> Self:
        """Open the part file, taking over the first older one that nobody holds any more; the rest are removed."""
        for candidate in older:
            if not candidate.exists():
                continue
            with suppress(NameTakenError), cls(candidate) as found:
                if path.exists() or not found.size:
                    found.discard()
                else:
                    candidate.rename(path)
        return cls(path)

    @classmethod
    def clear(cls, paths: Iterable[Path]) -> None:
        """Remove those that are there and that nobody holds."""
        for path in paths:
            if path.exists():
                with suppress(NameTakenError), cls(path) as found:
                    found.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hasher.close()
        self._file.close()

    def hash_with(
        self,
        algorithm: str,
        stop: threading.Event | None = None,
        on_hashed: Callable[[int], object] = lambda done: None,
    ) -> None:
        """Hash what is there, and from now on what is written; `on_hashed` is told the bytes so far."""
        self._hasher.close()
        self._hasher = Hasher(algorithm)
        self._file.seek(0)
        done = 0
        while chunk := self._file.read(CHUNK):
            stop_if(stop)
            self._hasher.update(chunk)
            done += len(chunk)
            on_hashed(done)
        self.size = done

    @property
    def algorithm(self) -> str:
        """What `checksum` is: `blake3` or `md5`."""
        return self._hasher.algorithm

    @property
    def checksum(self) -> str:
        """The hash of all bytes so far, in lower-case hex."""
        return self._hasher.hexdigest()

    @property
    def head(self) -> bytes:
        """The first bytes, by which the kind of file is known."""
        return os.pread(self._file.fileno(), HEAD_BYTES, 0)

    def write(self, chunk: bytes) -> None:
        """Append bytes.

        Raises:
            DiskFullError: there is no room for them.
        """
        left = memoryview(chunk)
        try:
            while left:
                left = left[self._file.write(left) or 0 :]
        except OSError as error:
            raise disk_error(self.path, error) from error
        self._hasher.update(chunk)
        self.size += len(chunk)

    def cut(self, size: int, stop: threading.Event | None = None) -> None:
        """Forget everything from byte `size` on."""
        self._file.truncate(size)
        self.hash_with(self.algorithm, stop)

    def sync(self) -> None:
        """Bring the bytes to the disk.

        Raises:
            DiskFullError: file systems that allocate late say so only now.
        """
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise disk_error(self.path, error) from error

    def place(self, target: Path, *, replace: bool = False) -> None:
        """Give the file its final name, durably.

        Args:
            replace: overwrite a file that has the name.

        Raises:
            NameTakenError: a file has the name, and `replace` is not set.
        """
        try:
            if replace or not _link(self.path, target):
                self.path.replace(target)
            else:
                self.path.unlink()
            sync_folder(target.parent)
        except FileExistsError:
            raise NameTakenError(str(target)) from None
        except OSError as error:
            raise disk_error(target, error) from error

    def discard(self) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=True)


def _open_locked(path: Path) -> FileIO:
    try:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
        file = FileIO(os.open(path, flags, 0o666), "r+b")
    except OSError as error:
        raise disk_error(path, error) from error
    try:
        _try_lock(file, path)
        same = os.path.samestat(os.fstat(file.fileno()), path.stat())
    except (BlockingIOError, FileNotFoundError):
        same = False
    except BaseException:
        file.close()
        raise
    if not same:  # or the lock is on a file that its last holder has renamed
        file.close()
        raise NameTakenError(str(path))
    return file


def disk_error(path: Path, error: OSError) -> TransferError:
    """What an error of the operating system means: no room, or no way to write there."""
    if error.errno in _NO_ROOM:
        folder = path if path.is_dir() else path.parent
        return DiskFullError(
            f"no room left in {folder} ({error.strerror}): free some and run again"
        )
    return TransferError(f"cannot write {path} ({error.strerror}): check the folder")


def check_folder(folder: Path) -> None:
    """Make sure that files can be made and locked in a folder, by making one.

    Raises:
        UnwritableError: they cannot.
        DiskFullError: there is no room for any.
    """
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            _try_lock(file, folder)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise disk_error(folder, error) from error
        raise UnwritableError(
            f"cannot write into the folder {folder} ({error.strerror}): name another with --out"
        ) from error


def _try_lock(file: BinaryIO, where: Path) -> None:
    """Lock a file that is at a path, or in a folder.

    Raises:
        BlockingIOError: another holds it.
        UnwritableError: the file system locks no files.
    """
    try:
        locks.try_lock(file)
    except BlockingIOError:
        raise
    except OSError as error:
        folder = where if where.is_dir() else where.parent
        raise UnwritableError(
            f"cannot lock files in {folder} ({error.strerror}), and without that two workers may write into one: "
            "mount its file system with locks, or name a folder on another with --out"
        ) from error


def make_folders(base: Path, names: Iterable[str]) -> Path:
    """Make folders in each other, durably, below one that is there; gives the innermost.

    Raises:
        TransferError, DiskFullError: one cannot be made, or a file has its name.
    """
    folder = base
    for name in names:
        parent, folder = folder, folder / name
        if folder.is_dir():
            continue
        try:
            folder.mkdir(exist_ok=True)  # another worker may have been faster
            sync_folder(folder)
            sync_folder(parent)
        except OSError as error:
            raise disk_error(folder, error) from error
    return folder


def sync_folder(folder: Path) -> None:
    """Bring a folder's list of names to the disk, where the system can."""
    if os.name == "nt":  # pragma: no cover - folders cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _link(path: Path, target: Path) -> bool:
    """Add a second name, which unlike a rename never overwrites; False where the file system knows no hard links."""
    try:
        os.link(path, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        return False
    return True
