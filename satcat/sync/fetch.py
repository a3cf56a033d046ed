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

    So that memory stays flat, an item is asked for only when there is room for it: for one in each thread, and for the
    one that is being handled.
    """

    def __init__(
        self,
        threads: int,
        listing: Callable[[TaskT], Iterator[ItemT]],
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._listing, self._stop = listing, stop
        self._tasks: queue.SimpleQueue[TaskT | None] = queue.SimpleQueue()
        self._items: queue.SimpleQueue[tuple[TaskT, ItemT | _Ended | BaseException]]
        self._items = queue.SimpleQueue()
        self._room = threading.Semaphore(threads + 1)
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
                continue
            if isinstance(item, BaseException):
                raise item
            if task not in self._dropped:
                yield Fetched(task, item)
            del item
            self._room.release()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                listing = self._listing(task)
                while self._wait_for_room() and self._hand_on(task, listing):
                    pass
            except BaseException as error:  # noqa: BLE001 - `results` raises it
                self._items.put((task, error))

    def _wait_for_room(self) -> bool:
        """Whether there is room for one more item; False if nobody wants any more."""
        while not self._closing.is_set():
            if self._room.acquire(timeout=_TICK):
                return True
        return False

    def _hand_on(self, task: TaskT, listing: Iterator[ItemT]) -> bool:
        """Fetch one item, and hand it on; False if it was the end, which needs no room."""
        item = _Ended() if task in self._dropped else next(listing, _Ended())
        ended = isinstance(item, _Ended)
        if ended:
            self._room.release()
        self._items.put((task, item))
        return not ended
