"""Hashes of files: of what is there, and of what arrives, beside whoever writes it."""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from blake3 import blake3

from satcat.errors import TransferStoppedError

CHUNK = 1 << 20  # bytes; larger ones gain nothing
#: Smaller pieces are hashed where they are written: handing them over takes longer.
_WORTHWHILE = 1 << 17
#: Pieces that may wait to be hashed; they are all the memory that it takes.
_MOST_WAITING = 6


class Digest(Protocol):
    """A hash that takes bytes as they come."""

    def update(self, data: bytes, /) -> object:
        """Take more bytes."""

    def hexdigest(self) -> str:
        """The hash so far, in lower-case hex."""


def new_digest(algorithm: str) -> Digest:
    """Start a hash: `blake3`, or one that hashlib knows."""
    return blake3() if algorithm == "blake3" else hashlib.new(algorithm, usedforsecurity=False)


def hash_file(
    path: Path,
    algorithm: str,
    stop: threading.Event | None = None,
    on_hashed: Callable[[int], object] = lambda done: None,
) -> str:
    """Hash a whole file; lower-case hex. `on_hashed` is told the bytes so far.

    Raises:
        TransferStoppedError: `stop` was set meanwhile.
    """
    digest, done = new_digest(algorithm), 0
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            stop_if(stop)
            digest.update(chunk)
            done += len(chunk)
            on_hashed(done)
    return digest.hexdigest()


def increments(on_bytes: Callable[[int], object]) -> Callable[[int], None]:
    """For `on_hashed`: tells how many more bytes there are each time, where several files are counted together."""
    before = 0

    def told(done: int) -> None:
        nonlocal before
        on_bytes(done - before)
        before = done

    return told


def stop_if(stop: threading.Event | None) -> None:
    """Raise TransferStoppedError if the event is set."""
    if stop is not None and stop.is_set():
        raise TransferStoppedError("the transfer was stopped; what has arrived is kept")


class Hasher:
    """A hash of what arrives, piece by piece.

    MD5 is slower than a fast source, so a thread of its own works it out while the next bytes arrive and are written;
    that thread runs only while large pieces come fast. BLAKE3 takes less time than handing over. Close it when done with.
    """

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self._digest = new_digest(algorithm)
        self._waiting: deque[Future[object]] = deque()
        self._thread: ThreadPoolExecutor | None = None

    def update(self, data: bytes, /) -> None:
        """Take more bytes; waits if too many are waiting."""
        while self._waiting and (self._waiting[0].done() or len(self._waiting) >= _MOST_WAITING):
            self._waiting.popleft().result()
        if self.algorithm == "blake3" or (not self._waiting and len(data) < _WORTHWHILE):
            self._digest.update(data)
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "download-hash")
        self._waiting.append(self._thread.submit(self._digest.update, data))

    def hexdigest(self) -> str:
        """The hash of all bytes so far, in lower-case hex."""
        while self._waiting:
            self._waiting.popleft().result()
        return self._digest.hexdigest()

    def close(self) -> None:
        """Let the thread end."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
