"""What people see of a run of downloads: a bar for each file and one for all, or lines in a log."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tqdm import tqdm

from satcat.progress.screen import LINE_EVERY, bytes_bar, line, set_total, write
from satcat.terminal import fitted
from satcat.wording import count, duration, size

if TYPE_CHECKING:
    from satcat.downloads.report import Item, Outcome

#: Outcomes of a download that leave the person without the file.
FAILED = ("failed", "bad_at_source", "offline", "gone")
_NUMBERS = 46  # columns that a bar needs beside the name


class DownloadWatch:
    """Notes what came of each product; the base of what shows it. Called from several threads at once.

    Use as a context manager. Set `stop` to end the run that is watched.
    """

    def __init__(self) -> None:
        self.failed: dict[str, str] = {}
        self.lock = threading.RLock()
        self.stop = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end(error)

    def started(self, item: Item) -> None:
        """A product's turn has come."""

    def advanced(self, item: Item, done: int, total: int | None, fetched: int) -> None:
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

    def end(self, error: BaseException | None = None) -> None:
        """Nothing more comes; `error` is what ended it."""


@dataclass(slots=True)
class Transfer:
    """One file on its way: `done` bytes of it are here, `fetched` came since it began."""

    item: Item
    began_at: float = field(default_factory=time.monotonic)
    done: int = 0
    fetched: int = 0
    total: int | None = None

    def advance(self, done: int, total: int | None, fetched: int) -> None:
        """So many bytes are here."""
        self.done, self.total, self.fetched = done, total, fetched

    @property
    def seconds(self) -> float:
        """For how long it has been going."""
        return time.monotonic() - self.began_at


class Ticker:
    """Calls something every few seconds, in a thread of its own, until it is stopped."""

    def __init__(self, every: float, call: Any) -> None:
        self._every, self._call = every, call
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="progress")
        self._thread.start()

    def stop(self) -> None:
        """Call no more."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(self._every):
            self._call()


class DownloadLines(DownloadWatch):
    """A line for each file that is over, and every half minute one of how far all is."""

    def __init__(self, files: int | None, total: int | None) -> None:
        super().__init__()
        self._files, self._total = files, total
        self._over = self._bytes = self._fetched = 0
        self._running: dict[str, Transfer] = {}
        self._began = time.monotonic()
        self._ticker = Ticker(LINE_EVERY, self.tell)

    def started(self, item: Item) -> None:
        """Note it."""
        with self.lock:
            self._running[item.product_id] = Transfer(item)

    def advanced(self, item: Item, done: int, total: int | None, fetched: int) -> None:
        """Note how far it is."""
        with self.lock:
            if item.product_id in self._running:
                self._running[item.product_id].advance(done, total, fetched)

    def finished(self, item: Item, outcome: Outcome) -> None:
        """Say what came of it."""
        super().finished(item, outcome)
        with self.lock:
            transfer = self._running.pop(item.product_id, None) or Transfer(item)
            self._fetched += transfer.fetched
            if outcome.status in ("done", *FAILED):
                self._over += 1
                self._bytes += transfer.done
            if outcome.status != "released":
                line(worded(item, outcome, transfer))

    def tell(self) -> None:
        """Say how far all is."""
        with self.lock:
            if not self._running:
                return
            here = self._bytes + sum(t.done for t in self._running.values())
            fetched = self._fetched + sum(t.fetched for t in self._running.values())
            rate = fetched / (time.monotonic() - self._began)
            files = f"{self._over:,}" + (f" of {self._files:,}" if self._files else "")
            amount = size(here) + (f" of {size(self._total)}" if self._total else "")
            left = ""
            if self._total and rate and here < self._total:
                left = f", about {duration((self._total - here) / rate)} left"
            line(
                f"{files} files, {len(self._running)} on their way, {amount}, {size(rate)}/s{left}"
            )

    def waiting(self, reason: str) -> None:
        """Say so."""
        line(f"waiting: {reason}")

    def resumed(self, seconds: float) -> None:
        """Say so."""
        line(f"going on after {duration(seconds)}")

    def end(self, error: BaseException | None = None) -> None:
        """Nothing is open."""
        self._ticker.stop()


class DownloadBars(DownloadWatch):
    """A bar for all, and one for each file that is being fetched."""

    def __init__(self, files: int | None, total: int | None) -> None:
        super().__init__()
        self._files, self._over = files, 0
        self._all = bytes_bar(self._label(), total)
        self._bars: dict[str, tqdm[Any]] = {}
        self._running: dict[str, Transfer] = {}

    def started(self, item: Item) -> None:
        """Add its bar, on the first free line."""
        with self.lock:
            taken = {abs(bar.pos) for bar in self._bars.values()}
            position = next(n for n in range(1, len(taken) + 2) if n not in taken)
            self._bars[item.product_id] = bytes_bar(
                _label(item.name), item.size_bytes, position=position
            )
            self._running[item.product_id] = Transfer(item)

    def advanced(self, item: Item, done: int, total: int | None, fetched: int) -> None:
        """Move its bar, and that of all."""
        with self.lock:
            bar, transfer = self._bars.get(item.product_id), self._running.get(item.product_id)
            if bar is None or transfer is None:
                return
            came, more = fetched > transfer.fetched, done - transfer.done
            transfer.advance(done, total, fetched)
            set_total(bar, total if total is not None else item.size_bytes)
            bar.set_description_str(_label(item.name), refresh=False)
            for one in (self._all, bar):
                _move(one, more, counts=came)

    def finished(self, item: Item, outcome: Outcome) -> None:
        """Take its bar away; a file that was here already counts as fetched."""
        super().finished(item, outcome)
        with self.lock:
            bar, transfer = (
                self._bars.pop(item.product_id, None),
                self._running.pop(item.product_id, None),
            )
            if bar is not None and transfer is not None:
                if outcome.status == "done" and outcome.file is not None:
                    _move(self._all, outcome.file.size_bytes - transfer.done, counts=False)
                elif outcome.status not in FAILED:  # it will be counted when it goes on
                    _move(self._all, -transfer.done, counts=False)
                bar.close()
            if outcome.status in ("done", *FAILED):
                self._over += 1
            self._all.set_description_str(self._label())
            if outcome.status not in ("done", "released"):
                write(worded(item, outcome, transfer or Transfer(item)))

    def waiting(self, reason: str) -> None:
        """Say so above the bars."""
        write(f"waiting: {reason}")

    def resumed(self, seconds: float) -> None:
        """Say so above the bars."""
        write(f"going on after {duration(seconds)}")

    def end(self, error: BaseException | None = None) -> None:
        """Leave the bar of all as it ended, unless there was nothing to show."""
        with self.lock:
            for bar in self._bars.values():
                bar.close()
            self._bars.clear()
            self._all.leave = self._all.n > 0
            self._all.close()

    def _label(self) -> str:
        if self._files is None:
            return count(self._over, "file")
        return f"{self._over:,} of {count(self._files, 'file')}"


def worded(item: Item, outcome: Outcome, transfer: Transfer) -> str:
    """What came of a file, in one line."""
    said = f"{outcome.status}: {item.name}"
    if outcome.file is not None:
        checked = outcome.file.verification.replace("_", " ")
        amount, took = size(outcome.file.size_bytes), "was here already"
        if transfer.fetched:
            took = f"{size(transfer.fetched)} in {duration(transfer.seconds)}"
        if transfer.fetched != outcome.file.size_bytes:  # some was here before, or came twice
            took = f"{amount}, {took}"
        note = f"; {outcome.note}" if outcome.note else ""
        return f"{said} ({took}, checked by {checked}{note})"
    if outcome.error:
        reason = outcome.error.removeprefix(f"{item.name}: ")
        said += f": {reason}"
    return said + (f"; again in {duration(outcome.wait)}" if outcome.wait else "")


def _label(name: str) -> str:
    return fitted(name, beside=_NUMBERS)


def _move(bar: tqdm[Any], by: int, *, counts: bool) -> None:
    """Move a bar; what was here before does not count for its rate."""
    if counts:
        bar.update(by)
    else:
        bar.initial += by
        bar.n += by
        bar.last_print_n += by
        bar.refresh()
