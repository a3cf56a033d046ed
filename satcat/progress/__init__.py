"""Progress on stderr: bars on a terminal, now and then a line elsewhere, nothing where nobody wants to know.

The only package that knows tqdm. What it shows is honest: a total only where the far end has said one, a rate that was
measured. For machines there are events on stdout instead.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeVar

from satcat.progress.downloads import DownloadBars, DownloadLines, DownloadWatch
from satcat.progress.events import DownloadEvents
from satcat.progress.files import of_files
from satcat.progress.screen import write
from satcat.progress.syncs import SyncBar, SyncLines

if TYPE_CHECKING:
    from satcat.sync.report import SyncProgress

T = TypeVar("T")
_COUNTED = 1000  # products between two looks at the bar

__all__ = [
    "DownloadEvents",
    "DownloadWatch",
    "counted",
    "of_downloads",
    "of_files",
    "of_sync",
    "write",
]


def of_sync(*, quiet: bool) -> SyncProgress:
    """What watches a sync or a verify."""
    if quiet:
        from satcat.sync.report import Silence

        return Silence()
    return SyncBar() if sys.stderr.isatty() else SyncLines()


def counted(rows: Iterator[T], label: str, total: int | None, *, quiet: bool) -> Iterator[T]:
    """Pass products on, and show how many there have been.

    Args:
        total: how many it is going to be; None if nobody knows.
    """
    watch = of_sync(quiet=quiet)
    watch.begin(label, total)
    try:
        passed = 0
        for row in rows:
            yield row
            passed += 1
            if passed == _COUNTED:
                watch.advance(passed)
                passed = 0
    finally:
        watch.end()


def of_downloads(
    *, quiet: bool, files: int | None, size: int | None, events: bool = False
) -> DownloadWatch:
    """What watches a run of downloads.

    Args:
        files, size: how many files, and bytes, it is going to be; None if nobody knows.
        events: for machines, on stdout.
    """
    if events:
        return DownloadEvents()
    if quiet:
        return DownloadWatch()
    return DownloadBars(files, size) if sys.stderr.isatty() else DownloadLines(files, size)
