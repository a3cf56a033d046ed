"""A run of downloads as machines see it: events on stdout, one JSON object a line, each written at once.

Every event has `event` and `at` (UTC); those of a product its `id` and `name`. More fields may be added, none is renamed:

    started    size_bytes (null: unknown)
    progress   bytes_done, size_bytes, bytes_per_second; every few seconds for each file on its way
    finished   path, size_bytes, checksum_algorithm, checksum, verification, note (null, or what is worth knowing)
    failed     status (failed, bad_at_source, gone), error
    parked     status (offline), error, again_in_seconds
    retry      error, again_in_seconds: it is tried again
    cancelled  somebody cancelled or deleted the row, or another worker has it
    released   the run ends, or the source is out of reach; the row is queued, its bytes are kept
    waiting    reason; the source is out of reach, or asks to wait
    resumed    seconds that this lasted
    summary    done, failed, skipped, bytes, seconds, error (null, "stopped", or what ended the run); the last one
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any

from satcat import times
from satcat.progress.downloads import DownloadWatch, Ticker, Transfer

if TYPE_CHECKING:
    from satcat.downloads.report import Item, Outcome

_EVERY = 3.0  # seconds between two events of progress
_EVENTS = {"done": "finished", "offline": "parked", "bad_at_source": "failed", "gone": "failed"}


class DownloadEvents(DownloadWatch):
    """Writes events; when nobody reads them any more, the run is stopped."""

    def __init__(self, every: float = _EVERY) -> None:
        super().__init__()
        self.is_broken = False
        self._running: dict[str, Transfer] = {}
        self._sums = {"done": 0, "failed": 0, "skipped": 0, "bytes": 0}
        self._began = time.monotonic()
        self._ticker = Ticker(every, self.tell)

    def started(self, item: Item) -> None:
        """Say so."""
        with self.lock:
            self._running[item.product_id] = Transfer(item)
            self._emit("started", item, size_bytes=item.size_bytes)

    def advanced(self, item: Item, done: int, total: int | None, fetched: int) -> None:
        """Note it for the next event of progress."""
        with self.lock:
            if item.product_id in self._running:
                self._running[item.product_id].advance(done, total, fetched)

    def tell(self) -> None:
        """Say how far each file is."""
        with self.lock:
            for transfer in self._running.values():
                item, rate = transfer.item, transfer.fetched / transfer.seconds
                total = transfer.total if transfer.total is not None else item.size_bytes
                self._emit(
                    "progress", item, bytes_done=transfer.done, size_bytes=total,
                    bytes_per_second=round(rate),
                )  # fmt: skip

    def finished(self, item: Item, outcome: Outcome) -> None:
        """Say what came of it."""
        super().finished(item, outcome)
        with self.lock:
            transfer = self._running.pop(item.product_id, None)
            self._sums["bytes"] += transfer.fetched if transfer else 0
            event = _EVENTS.get(outcome.status, outcome.status)
            counted = {
                "finished": "done",
                "failed": "failed",
                "parked": "skipped",
                "cancelled": "skipped",
            }
            if event in counted:
                self._sums[counted[event]] += 1
            self._emit(event, item, **_details(event, outcome))

    def waiting(self, reason: str) -> None:
        """Say so."""
        self._emit("waiting", None, reason=reason)

    def resumed(self, seconds: float) -> None:
        """Say so."""
        self._emit("resumed", None, seconds=round(seconds, 1))

    def end(self, error: BaseException | None = None) -> None:
        """Write the summary."""
        self._ticker.stop()
        said = None if error is None else _ending(error)
        seconds = round(time.monotonic() - self._began, 1)
        with self.lock:  # threads that did not stop in time tell no more of theirs
            self._sums["bytes"] += sum(transfer.fetched for transfer in self._running.values())
            self._running.clear()
        self._emit("summary", None, **self._sums, seconds=seconds, error=said)

    def _emit(self, event: str, item: Item | None, **fields: Any) -> None:
        about = {} if item is None else {"id": item.product_id, "name": item.name}
        line = json.dumps({"event": event, "at": times.to_text(times.now()), **about, **fields})
        with self.lock:
            if self.is_broken:
                return
            try:
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
            except (OSError, ValueError):
                self.is_broken = True
                self.stop.set()


def _ending(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "stopped"
    return str(error) or type(error).__name__


def _details(event: str, outcome: Outcome) -> dict[str, Any]:
    """What an event says of an outcome."""
    if outcome.file is not None:
        return {
            "path": outcome.file.path,
            "size_bytes": outcome.file.size_bytes,
            "checksum_algorithm": outcome.file.checksum_algorithm,
            "checksum": outcome.file.checksum,
            "verification": outcome.file.verification,
            "note": outcome.note,
        }
    wait = None if outcome.wait is None else round(outcome.wait)
    details: dict[str, dict[str, Any]] = {
        "failed": {"status": outcome.status, "error": outcome.error},
        "parked": {"status": outcome.status, "error": outcome.error, "again_in_seconds": wait},
        "retry": {"error": outcome.error, "again_in_seconds": wait},
    }
    return details.get(event, {})
