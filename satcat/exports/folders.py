"""Folders that appear whole or not at all."""

from __future__ import annotations

import ctypes
import glob
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from satcat import locks
from satcat.errors import FilterError
from satcat.exports.whole import told, umask

_SUFFIX = ".satcat-part"
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """A new folder that takes the target's place when the block ends well; else the target stays as it was.

    What was in the target goes with it. What killed processes have left beside it is removed.

    Raises:
        FilterError: nothing can take the target's place.
        SatcatError: it cannot be written.
    """
    with told(target):
        target = target.resolve()
        _refuse_what_cannot_move(target)
        _sweep(target)
        part = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=_SUFFIX))
        with locks.folder(part):
            try:
                yield part
                part.chmod(0o777 & ~umask())
                _put(part, target)
            finally:
                shutil.rmtree(part, ignore_errors=True)  # what was there before, if all went well


def _refuse_what_cannot_move(target: Path) -> None:
    if target.exists() and not target.is_dir():
        raise FilterError(f"{target} is a file: name a folder")
    if os.path.ismount(target):  # Path.is_mount fails on Windows before Python 3.12
        raise FilterError(f"{target} is where a file system is mounted: name a folder inside it")
    if Path.cwd().is_relative_to(target):
        raise FilterError(f"{target} is where you are: name a folder inside it")


def _sweep(target: Path) -> None:
    """What a running process holds stays."""
    for left in target.parent.glob(f".{glob.escape(target.name)}.*{_SUFFIX}"):
        with suppress(OSError), locks.folder(left) as held:
            if held:
                shutil.rmtree(left)


def _put(part: Path, target: Path) -> None:
    """Give `part` the target's place, and the target, if there was one, that of `part`."""
    if not target.exists():
        part.rename(target)
    elif not _exchange(part, target):
        aside = part.with_name(f"{part.name}.old{_SUFFIX}")
        target.rename(aside)
        try:
            part.rename(target)
        except OSError:
            aside.rename(target)
            raise
        aside.rename(part)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step, where the system and the file system can."""
    if sys.platform != "linux":
        return False
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    names = os.fsencode(one), os.fsencode(other)
    return rename is not None and rename(_HERE, names[0], _HERE, names[1], _EXCHANGE) == 0
