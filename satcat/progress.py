"""Progress on stderr: bars on a terminal, now and then a line elsewhere, nothing where nobody wants to know.

The only module that knows tqdm. What it shows is honest: a total only where the far end has said one, a rate that was
measured.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from satcat.downloads.progress import DownloadProgress
    from satcat.products import SatelliteImage
    from satcat.sync.report import SyncProgress

#: Seconds between two lines where there is no terminal.
LINE_EVERY = 30.0


def write(text: str) -> None:
    """Print a line on stderr, above the bars if there are any."""
    tqdm.write(text, file=sys.stderr)


def of_sync(*, quiet: bool) -> SyncProgress:
    """What watches a sync or a verify."""
    if quiet:
        from satcat.sync.report import Silence

        return Silence()
    return SyncBar() if sys.stderr.isatty() else SyncLines()


class SyncBar:
    """A bar for what is going on now."""

    def __init__(self) -> None:
        self._bar: tqdm[None] | None = None

    def begin(self, label: str, total: int | None, unit: str = "products") -> None:
        """Start a new bar in the place of the old one."""
        self.end()
        self._bar = tqdm(
            desc=label, total=total, unit=f" {unit}", leave=False, dynamic_ncols=True, smoothing=0.1
        )

    def expect(self, more: int) -> None:
        """Make the bar so much longer."""
        if self._bar is not None and self._bar.total is not None:
            self._bar.total += more
            self._bar.refresh()

    def advance(self, steps: int) -> None:
        """Move the bar on."""
        if self._bar is not None:
            self._bar.update(steps)

    def say(self, message: str) -> None:
        """Print a line above the bar."""
        write(message)

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


class SyncLines:
    """A line every half minute, so that logs show that something happens and how fast."""

    def __init__(self) -> None:
        self._begin("", None, "")

    def _begin(self, label: str, total: int | None, unit: str) -> None:
        self._label, self._total, self._unit = label, total, unit
        self._done = 0
        self._started = self._told = time.monotonic()

    def begin(self, label: str, total: int | None, unit: str = "products") -> None:
        """Note what is going on now."""
        self._begin(label, total, unit)

    def expect(self, more: int) -> None:
        """Note that it is so much longer."""
        if self._total is not None:
            self._total += more

    def advance(self, steps: int) -> None:
        """Note what is done; tell of it if the last line is long ago."""
        self._done += steps
        now = time.monotonic()
        if now - self._told >= LINE_EVERY:
            self._told = now
            of = "" if self._total is None else f" of {self._total:,}"
            rate = self._done / (now - self._started)
            self.say(f"{self._label}: {self._done:,}{of} {self._unit}, {rate:.1f} a second")

    def say(self, message: str) -> None:
        """Print a line."""
        print(message, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Nothing is open."""
