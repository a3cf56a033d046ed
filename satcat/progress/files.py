"""What is seen of files being hashed."""

from __future__ import annotations

import sys
import time

from satcat.progress.screen import LINE_EVERY, bytes_bar, line
from satcat.wording import size as worded


class FilesWatch:
    """Shows nothing of files that are being hashed; the base of what does."""

    def file(self) -> None:
        """One more file has been looked at."""

    def advance(self, number: int) -> None:
        """So many more bytes have been hashed."""

    def clear(self) -> None:
        """Make room for a line of results."""

    def end(self) -> None:
        """Nothing more comes."""


def of_files(label: str, *, quiet: bool, size: int | None = None) -> FilesWatch:
    """What watches files being hashed; `size`: bytes that it is going to be, None if nobody knows."""
    if quiet:
        return FilesWatch()
    return FilesBar(label, size) if sys.stderr.isatty() else FilesLines(label, size)


class FilesBar(FilesWatch):
    """A bar of bytes, with the number of files."""

    def __init__(self, label: str, size: int | None) -> None:
        self._bar = bytes_bar(label, size)
        self._bar.leave = False
        self._files = 0

    def file(self) -> None:
        """Count it."""
        self._files += 1
        self._bar.set_postfix_str(f"{self._files:,} files", refresh=False)
        self._bar.update(0)

    def advance(self, number: int) -> None:
        """Move the bar on."""
        self._bar.update(number)

    def clear(self) -> None:
        """Take the bar away until it moves again."""
        self._bar.clear()

    def end(self) -> None:
        """Take the bar away."""
        self._bar.close()


class FilesLines(FilesWatch):
    """A line every half minute."""

    def __init__(self, label: str, size: int | None) -> None:
        self._label, self._size = label, size
        self._files = self._bytes = 0
        self._started = self._told = time.monotonic()

    def file(self) -> None:
        """Count it."""
        self._files += 1
        self.advance(0)

    def advance(self, number: int) -> None:
        """Count them; tell of it if the last line is long ago."""
        self._bytes += number
        now = time.monotonic()
        if now - self._told >= LINE_EVERY:
            self._told = now
            of = "" if self._size is None else f" of {worded(self._size)}"
            rate = worded(self._bytes / (now - self._started))
            line(f"{self._label}: {self._files:,} files, {worded(self._bytes)}{of}, {rate}/s")
