"""What is seen of a sync or a verify."""

from __future__ import annotations

import time
from typing import Any

from tqdm import tqdm

from satcat.progress.screen import LINE_EVERY, bar, line, write

#: A bar of something whose length nobody knows: what it is, for how long, and what it has come to.
_ENDLESS = "{desc} [{elapsed}{postfix}]"


class SyncBar:
    """A bar for what is going on now."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None

    def begin(self, label: str, total: int | None, unit: str = "products") -> None:
        """Start a new bar in the place of the old one."""
        self.end()
        self._bar = bar(
            desc=label, total=total, unit=f" {unit}", leave=False, smoothing=0.1,
            bar_format=None if total else _ENDLESS,
        )  # fmt: skip

    def expect(self, more: int) -> None:
        """Make the bar so much longer."""
        if self._bar is not None and self._bar.total is not None:
            self._bar.total += more
            self._bar.bar_format = None  # from here on there is a length
            self._bar.refresh()

    def advance(self, steps: int) -> None:
        """Move the bar on."""
        if self._bar is not None:
            self._bar.update(steps)
            if self._bar.total is None:
                self._bar.set_postfix_str(f"{self._bar.n:,}{self._bar.unit}")

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
        line(message)

    def end(self) -> None:
        """Nothing is open."""
