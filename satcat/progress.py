"""Progress on stderr: bars on a terminal, now and then a line elsewhere, nothing where nobody wants to know.

The only module that knows tqdm. What it shows is honest: a total only where the far end has said one, a rate that was
measured.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm

from satcat.terminal import printable

if TYPE_CHECKING:
    from satcat.downloads.report import Item, Outcome
    from satcat.sync.report import SyncProgress

T = TypeVar("T")

#: Outcomes of a download that leave the person without the file.
FAILED = ("failed", "bad_at_source", "offline", "gone")
#: Seconds between two lines where there is no terminal.
LINE_EVERY = 30.0
_COUNTED = 1000  # products between two looks at the bar
#: A bar of something whose length nobody knows: what it is, for how long, and what it has come to.
_ENDLESS = "{desc} [{elapsed}{postfix}]"


def write(text: str) -> None:
    """Print a line on stderr, above the bars if there are any."""
    tqdm.write(printable(text), file=sys.stderr)


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


def _print(text: str) -> None:
    sys.stderr.write(f"{printable(text)}\n")
    sys.stderr.flush()


class SyncBar:
    """A bar for what is going on now."""

    def __init__(self) -> None:
        self._bar: tqdm[Any] | None = None

    def begin(self, label: str, total: int | None, unit: str = "products") -> None:
        """Start a new bar in the place of the old one."""
        self.end()
        self._bar = tqdm(
            desc=label, total=total, unit=f" {unit}", leave=False, dynamic_ncols=True, smoothing=0.1,
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
        _print(message)

    def end(self) -> None:
        """Nothing is open."""


class DownloadWatch:
    """Notes what came of each product; the base of what shows it. Called from several threads at once."""

    def __init__(self) -> None:
        self.failed: dict[str, str] = {}
        self.lock = threading.RLock()

    def started(self, item: Item) -> None:
        """A product's turn has come."""

    def advanced(self, item: Item, done: int, total: int | None) -> None:
        """So many bytes of it are here."""

    def finished(self, item: Item, outcome: Outcome) -> None:
        """Its turn is over."""
        with self.lock:
            if outcome.status in FAILED:
                self.failed[item.product_id] = outcome.status
            else:
                self.failed.pop(item.product_id, None)

    def waiting(self, reason: str) -> None:
        """The run waits for the source."""

    def resumed(self, seconds: float) -> None:
        """The source is back."""

    def end(self) -> None:
        """Nothing more comes."""


def of_downloads(*, quiet: bool, files: int | None, size: int | None) -> DownloadWatch:
    """What watches a run of downloads.

    Args:
        files, size: how many files, and bytes, it is going to be; None if nobody knows.
    """
    if quiet:
        return DownloadWatch()
    return DownloadBars(files, size) if sys.stderr.isatty() else DownloadLines()


class DownloadLines(DownloadWatch):
    """A line for each file."""

    def finished(self, item: Item, outcome: Outcome) -> None:
        """Say what came of it."""
        super().finished(item, outcome)
        with self.lock:
            note = f" ({outcome.note})" if outcome.note else ""
            _print(f"{outcome.status}: {item.name}{note}")


class DownloadBars(DownloadWatch):
    """A bar for all, and one for each file that is being fetched."""

    def __init__(self, files: int | None, size: int | None) -> None:
        super().__init__()
        what = "all" if files is None else f"{files:,} file{'' if files == 1 else 's'}"
        self._all = _bytes_bar(what, size, position=0)
        self._bars: dict[str, tqdm[Any]] = {}

    def started(self, item: Item) -> None:
        """Add its bar, on the first free line."""
        with self.lock:
            taken = {-bar.pos for bar in self._bars.values()} | {
                bar.pos for bar in self._bars.values()
            }
            position = next(n for n in range(1, len(taken) + 2) if n not in taken)
            self._bars[item.product_id] = _bytes_bar(item.name, item.size_bytes, position=position)

    def advanced(self, item: Item, done: int, total: int | None) -> None:
        """Move its bar, and that of all."""
        with self.lock:
            bar = self._bars.get(item.product_id)
            if bar is not None:
                bar.total = bar.total or total
                self._all.update(done - bar.n)
                bar.update(done - bar.n)

    def finished(self, item: Item, outcome: Outcome) -> None:
        """Take its bar away; a file that was here already counts as fetched."""
        super().finished(item, outcome)
        with self.lock:
            bar = self._bars.pop(item.product_id, None)
            if bar is None:
                return
            if outcome.status == "done" and bar.total is not None:
                self._all.update(bar.total - bar.n)
            bar.close()
            if outcome.status in FAILED:
                write(f"{outcome.status}: {item.name}")

    def end(self) -> None:
        """Leave the bar of all as it ended, unless there was nothing to show."""
        with self.lock:
            for bar in self._bars.values():
                bar.close()
            self._bars.clear()
            self._all.leave = self._all.n > 0
            self._all.close()


def _bytes_bar(label: str, total: int | None, *, position: int) -> tqdm[Any]:
    return tqdm(
        desc=printable(label)[:60], total=total, unit="B", unit_scale=True, position=position, leave=position == 0,
        dynamic_ncols=True,
    )  # fmt: skip


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
        self._bar = _bytes_bar(label, size, position=0)
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
            of = "" if self._size is None else f" of {_size(self._size)}"
            rate = _size(self._bytes / (now - self._started))
            _print(f"{self._label}: {self._files:,} files, {_size(self._bytes)}{of}, {rate}/s")


def _size(number: float) -> str:
    return tqdm.format_sizeof(number, "B")
