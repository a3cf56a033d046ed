"""What the file system under a catalogue allows: SQLite's WAL needs locks and shared memory, and a place for its log."""

from __future__ import annotations

import os
import time
from pathlib import Path

_NETWORK_FILESYSTEMS = {
    "nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "beegfs", "gpfs",
    "glusterfs", "fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.glusterfs", "fuse.ceph",
}  # fmt: skip


_FRESH = 60  # seconds


def is_network(path: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Tell whether a file is on a file system whose locks and shared memory SQLite's WAL cannot rely on.

    Args:
        mounts: Linux's list of what is mounted where; other systems have none, and are taken at their word.
    """
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return False
    folder = path.absolute().parent.resolve()
    kinds = {}
    for line in lines:
        _, where, kind, *_rest = line.split(" ")
        kinds[Path(where.replace("\\040", " "))] = kind
    at = next((kinds[place] for place in (folder, *folder.parents) if place in kinds), "")
    return at in _NETWORK_FILESYSTEMS


def is_frozen(path: Path) -> bool:
    """Tell whether a catalogue can but be read as it is: nothing can be written beside it, and there is no log to read.

    SQLite then needs to be told that the file does not change; else it looks for a log that it cannot make.
    """
    log = path.with_name(path.name + "-wal")
    has_log = log.exists() and log.stat().st_size
    return path.is_file() and not takes_files(path.absolute().parent) and not has_log


def takes_files(folder: Path) -> bool:
    """Tell whether we may put files into a folder."""
    return os.access(folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def state(path: Path) -> tuple[int, ...] | None:
    """What shows that a file was written since: it has another one then; None: it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def is_fresh(path: Path) -> bool:
    """Tell whether a file was written within the last minute."""
    try:
        return time.time() - path.stat().st_mtime < _FRESH
    except OSError:
        return False


def uri(path: Path) -> str:
    """The file as SQLite opens it for reading alone."""
    frozen = "&immutable=1" if is_frozen(path) else ""
    return f"{path.absolute().as_uri()}?mode=ro{frozen}"
