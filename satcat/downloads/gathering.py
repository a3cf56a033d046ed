"""The hidden folder in which some files of a product gather: who uses it shares its lock, who removes it has that alone.

So nobody takes it away from under a worker, be it one that took the row over, one of another catalogue, or one that was
stopped for longer than its lease. A folder on its way out first gets a name that no worker looks for.
"""

from __future__ import annotations

import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from satcat import locks
from satcat.api.partfile import disk_error, make_folders
from satcat.errors import TransferError

_REMOVED = re.compile(r"\.satcat_[0-9a-f]{32}\.removed", re.ASCII)
_TRIES, _PAUSE = 40, 0.05  # who removes a folder holds it only until it has another name


@contextmanager
def used(folder: Path) -> Iterator[None]:
    """Make the folder if there is none, and keep it from being removed while the block runs.

    Raises:
        TransferError, DiskFullError: it cannot be made, or is being removed.
    """
    with ExitStack() as stack:
        for _ in range(_TRIES):
            make_folders(folder.parent, [folder.name])
            try:
                stack.enter_context(locks.folder(folder, shared=True))
                break
            except (BlockingIOError, FileNotFoundError):
                time.sleep(_PAUSE)
            except OSError as error:
                raise disk_error(folder, error) from error
        else:
            raise TransferError(f"{folder}: another process is removing it: try again later")
        yield


def remove(folder: Path, is_unwanted: Callable[[], bool] = lambda: True) -> bool:
    """Remove the folder unless somebody uses it; tells whether it is gone. Where folders cannot be locked, it stays.

    Args:
        is_unwanted: asked when nobody can begin to use it any more.
    """
    try:
        with locks.folder(folder) as held:
            if not held or not is_unwanted():
                return False
            aside = folder.with_name(f".satcat_{uuid.uuid4().hex}.removed")
            folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
    except OSError:  # it is in use, or not there
        return False
    return True


def is_removed(name: str) -> bool:
    """Whether a folder of this name was on its way out."""
    return _REMOVED.fullmatch(name) is not None
