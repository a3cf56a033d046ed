"""The folder that files go to: the same one from the first file of a run to the last, or the run ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import Connection

from satcat.api.partfile import check_folder
from satcat.errors import TransferError, UnwritableError
from satcat.models import downloads


@dataclass(frozen=True, slots=True)
class Target:
    """A folder, and which one it was when the run began."""

    path: Path
    device: int
    inode: int

    @classmethod
    def open(cls, path: Path, is_known: Callable[[Path], bool] = lambda path: False) -> Target:
        """Make the folder if there is none, and see that files can be made in it.

        Args:
            is_known: tells whether the catalogue has files in a folder; if so, and it is gone, it is not made anew.

        Raises:
            UnwritableError, DiskFullError: no file can be made in it, or it is gone.
            TransferError: it cannot be made.
        """
        path = path.absolute()
        if not os.path.lexists(path) and is_known(path):
            raise UnwritableError(
                f"the folder {path} is gone, where files of this catalogue were: mount its disk, or make it again"
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
            known = path.stat()
        except OSError as error:
            raise TransferError(f"cannot make the folder {path} ({error.strerror})") from error
        check_folder(path)
        return cls(path, known.st_dev, known.st_ino)

    def check(self) -> None:
        """See that it is still there, the same, and that files can be made in it.

        Raises:
            UnwritableError, DiskFullError: what `open` raises, too.
        """
        try:
            now = self.path.stat()
        except OSError as error:
            raise UnwritableError(
                f"the folder {self.path} is gone ({error.strerror}): mount its disk, or make it again; "
                "what is queued stays queued"
            ) from error
        if (now.st_dev, now.st_ino) != (self.device, self.inode):
            raise UnwritableError(
                f"the folder {self.path} is another one than when this run began: was its disk unmounted? "
                "what is queued stays queued"
            )
        check_folder(self.path)


def holds_files(connection: Connection, folder: Path) -> bool:
    """Tell whether any download has its file in a folder, or below it."""
    inside = sa.and_(downloads.c.path >= f"{folder}/", downloads.c.path < f"{folder}0")
    return connection.scalar(sa.select(downloads.c.product_id).where(inside).limit(1)) is not None
