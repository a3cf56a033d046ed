"""Fetching several listings at once, in threads, for one thread that handles what they bring.

The threads are daemons: whoever interrupts the handling thread need not wait for an answer that is on its way.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

TaskT = TypeVar("TaskT")
ItemT = TypeVar("ItemT")

_WAITING = 2  # items fetched ahead of the handling thread, so that memory stays flat
_TICK = 0.2  # seconds between looks at whether to stop


@dataclass(frozen=True, slots=True)
class Fetched(Generic[TaskT, ItemT]):
    """One item of one task's listing."""

    task: TaskT
    item: ItemT


class _Ended:
    """A task's listing is at its end."""


class Fetchers(Generic[TaskT, ItemT]):
    """Threads that run `listing(task)` for every task put in, and hand on what it yields.

    `results` gives the items as they come, those of one task in order, and ends when every task has. An error in a
    listing is raised there. Tasks are hashable.
    """

    def __init__(
        self,
        threads: int,
        listing: Callable[[TaskT], Iterator[ItemT]],
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._listing, self._stop = listing, stop
        self._tasks: queue.SimpleQueue[TaskT | None] = queue.SimpleQueue()
        self._items: queue.Queue[tuple[TaskT, ItemT | _Ended | BaseException]] = queue.Queue(
            _WAITING
        )
        self._closing = threading.Event()
        self._dropped: set[TaskT] = set()
        self._open = 0
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        for _ in self._threads:
            self._tasks.put(None)
        if kind is None:
            for thread in self._threads:
                thread.join()

    def put(self, task: TaskT) -> None:
        """Add a task; only from the handling thread."""
        self._open += 1
        self._tasks.put(task)

    def drop(self, task: TaskT) -> None:
        """Want no more of a task that has not ended."""
        self._dropped.add(task)

    def results(self) -> Iterator[Fetched[TaskT, ItemT]]:
        """Yield items until every task has ended."""
        while self._open:
            try:
                task, item = self._items.get(timeout=_TICK)
            except queue.Empty:
                if self._stop():
                    raise KeyboardInterrupt from None
                continue
            if isinstance(item, _Ended):
                self._open -= 1
            elif isinstance(item, BaseException):
                raise item
            elif task not in self._dropped:
                yield Fetched(task, item)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                for item in self._listing(task):
                    if not self._hand_on(task, item) or task in self._dropped:
                        break
                self._hand_on(task, _Ended())
            except BaseException as error:  # noqa: BLE001 - `results` raises it
                self._hand_on(task, error)

    def _hand_on(self, task: TaskT, item: ItemT | _Ended | BaseException) -> bool:
        """Wait for room; False if nobody wants items any more."""
        while not self._closing.is_set():
            try:
                self._items.put((task, item), timeout=_TICK)
            except queue.Full:
                continue
            return True
        return False
