"""Taking files that are here already for what they are: finds products on disk, checks them, records the right ones as done.

Opens no socket, and moves, changes and removes nothing on disk. What was found is recorded every few seconds, and is not
hashed again while it has not changed: an adoption that was killed goes on where it stopped.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from satcat.batches import batches
from satcat.database import Database
from satcat.downloads import finding, recording
from satcat.downloads.examine import Examiner, State
from satcat.downloads.judging import Judge, Judged
from satcat.downloads.matching import match
from satcat.downloads.rowlocks import hold
from satcat.errors import FilterError, TransferStoppedError

#: What needs nobody's attention: the product is right, or is none that the source offers.
HARMLESS = frozenset({State.RIGHT, State.SUPERSEDED, State.DUPLICATE, State.DELETED, State.UNKNOWN})
_HERE = frozenset({State.RIGHT, State.SUPERSEDED, State.DUPLICATE})
_DAMAGED = frozenset({State.PARTIAL, State.CORRUPT})
_BATCH = 200  # things that are looked up, and recorded, at once
_PATIENCE = 5.0  # seconds that a verdict may wait to be recorded


@dataclass(frozen=True, slots=True)
class Adopted:
    """One thing that was found. `product_id` is None where it is none of the catalogue's, or may be several."""

    path: str
    state: State
    product_id: str | None
    name: str
    size_bytes: int | None
    verification: str
    detail: str


@dataclass(slots=True)
class AdoptReport:
    """What an adoption found.

    Attributes:
        states: how many things of each state.
        others: files that are no products.
        recorded: right ones that the queue now knows as done; `queued`: damaged ones that were asked for again.
        bytes: of what is right.
        finished: False when it was stopped before its end.
    """

    states: Counter[State] = field(default_factory=Counter)
    others: int = 0
    recorded: int = 0
    queued: int = 0
    bytes: int = 0
    finished: bool = True

    @property
    def is_right(self) -> bool:
        """Nothing that is a product of the catalogue is damaged, in doubt or unread."""
        return set(self.states) <= HARMLESS

    def count(self, adopted: Adopted) -> None:
        """Add one thing."""
        self.states[adopted.state] += 1
        if adopted.state in _HERE:
            self.bytes += adopted.size_bytes or 0


@dataclass(frozen=True, slots=True)
class AdoptOptions:
    """How to adopt.

    Attributes:
        quick: compare sizes, hash nothing; recorded as `size_only`.
        dry_run: record nothing.
        rehash: also hash what was recorded and has not changed since.
        queue: ask again for products that are partial or corrupt.
    """

    quick: bool = False
    dry_run: bool = False
    rehash: bool = False
    queue: bool = False


def adopt(
    database: Database,
    places: Iterable[str | Path],
    options: AdoptOptions | None = None,
    *,
    report: AdoptReport,
    stop: threading.Event | None = None,
    on_found: Callable[[], object] = lambda: None,
    on_bytes: Callable[[int], object] = lambda number: None,
) -> Iterator[Adopted]:
    """Give what lies under these folders (or is one of these files), each thing once it has been recorded.

    Args:
        report: is filled in on the way.
        on_found: is called for each thing that was looked at; `on_bytes` with the number of bytes just hashed.

    Raises:
        FilterError: a place is not there.
    """
    roots = [Path(place) for place in places]
    for root in roots:
        if not root.exists():
            raise FilterError(f"{root}: there is no such file or folder")
    options = options or AdoptOptions()
    judge = Judge(Examiner(not options.quick, stop, on_bytes), options.rehash)
    return _through(
        _Adoption(database, options, report), _judged(database, roots, judge, report, on_found)
    )


def run(
    database: Database,
    places: Iterable[str | Path],
    options: AdoptOptions | None = None,
    *,
    on_adopted: Callable[[Adopted], object] = lambda adopted: None,
    **how: Any,
) -> AdoptReport:
    """Do all of it; `on_adopted` is given each thing, `how` is as for `adopt`."""
    report = AdoptReport()
    for adopted in adopt(database, places, options, report=report, **how):
        on_adopted(adopted)
    return report


def _judged(
    database: Database,
    roots: list[Path],
    judge: Judge,
    report: AdoptReport,
    on_found: Callable[[], object],
) -> Iterator[Judged]:
    """Find things, look them up a batch at a time, and look at them one by one."""
    things = finding.walk(roots)
    try:
        for batch in batches(things, _BATCH):
            with database.read() as connection:
                matches = match(connection, batch)
            for one in matches:
                judged = judge.judge(one)
                on_found()
                if judged is None:
                    report.others += 1
                else:
                    yield judged
    except TransferStoppedError:
        report.finished = False


def _through(adoption: _Adoption, judged: Iterator[Judged]) -> Iterator[Adopted]:
    waiting: list[Judged] = []
    since = time.monotonic()
    for one in judged:
        waiting.append(one)
        if len(waiting) >= _BATCH or time.monotonic() - since >= _PATIENCE:
            yield from adoption.record(waiting)
            waiting, since = [], time.monotonic()
    yield from adoption.record(waiting)


@dataclass(frozen=True, slots=True)
class _Adoption:
    """Where verdicts are recorded."""

    database: Database
    options: AdoptOptions
    report: AdoptReport

    def record(self, waiting: list[Judged]) -> list[Adopted]:
        """Record verdicts in one transaction, and give them as people see them."""
        if not waiting:
            return []
        begin = self.database.read if self.options.dry_run else self.database.write
        with begin() as connection:
            if not self.options.dry_run:
                hold(connection, _ids(waiting))
            told = [self._note(connection, judged) for judged in waiting]
        for adopted in told:
            self.report.count(adopted)
        return told

    def _note(self, connection: Connection, judged: Judged) -> Adopted:
        state, details = judged.verdict.state, [judged.verdict.detail]
        if judged.holding is not None:
            noted = recording.record(connection, judged.holding, dry_run=self.options.dry_run)
            self.report.recorded += noted.what == "done"
            if noted.what == "elsewhere":
                state = State.DUPLICATE
                details.append(f"recorded at {noted.path}")
            elif noted.what == "running":
                details.append("a worker is just fetching it: not recorded")
        candidate = judged.candidate
        if (
            candidate is not None
            and state in _DAMAGED
            and self.options.queue
            and not self.options.dry_run
        ):
            self.report.queued += self._ask_again(connection, judged)
        if state is State.RIGHT and candidate is not None and candidate.newer is not None:
            state = State.SUPERSEDED
            details.append(f"newer: {candidate.newer}")
        return _adopted(judged, state, "; ".join(filter(None, details)))

    def _ask_again(self, connection: Connection, judged: Judged) -> bool:
        assert judged.candidate is not None
        product, path = judged.candidate.product, judged.match.found.path
        return recording.ask_again(connection, product.id, path, judged.verdict.detail)


def _ids(waiting: Iterable[Judged]) -> set[str]:
    """Of the products whose rows may change."""
    held = {one.holding.product_id for one in waiting if one.holding is not None}
    return held | {one.candidate.product.id for one in waiting if one.candidate is not None}


def _adopted(judged: Judged, state: State, detail: str) -> Adopted:
    """A verdict as people see it; a path that is no UTF-8 text is shown with escapes."""
    found, candidate = judged.match.found, judged.candidate
    return Adopted(
        path=_shown(str(found.path)),
        state=state,
        product_id=candidate.product.id if candidate else None,
        name=candidate.product.name if candidate else _shown(found.name),
        size_bytes=judged.verdict.size_bytes,
        verification=judged.verdict.verification,
        detail=_shown(detail),
    )


def _shown(text: str) -> str:
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")
