"""Hashes of files: of what is there, and of what arrives, beside whoever writes it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from blake3 import blake3

from satcat.errors import TransferStoppedError

CHUNK = 1 << 20  # bytes; larger ones gain nothing
#: Pieces are collected until they have so many bytes: to hand over fewer takes as long as to hash them.
_WORTHWHILE = 1 << 19
_MOST_COLLECTED = 128  # pieces


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
    """A hash of what arrives, piece by piece, however small.

    What has come together is hashed by a thread of its own, one lot while the next arrives and is written, so that it never
    holds more than two. The thread runs only once there is a lot. Close it when done with.
    """

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self._digest = new_digest(algorithm)
        self._collected: list[bytes] = []
        self._size = 0  # bytes of those
        self._beside: Future[object] | None = None
        self._thread: ThreadPoolExecutor | None = None

    def update(self, data: bytes, /) -> None:
        """Take more bytes; waits until those handed over before are hashed."""
        self._collected.append(data)
        self._size += len(data)
        if self._size >= _WORTHWHILE:
            self._hand_over()
        elif len(self._collected) >= _MOST_COLLECTED:
            self._catch_up()

    def hexdigest(self) -> str:
        """The hash of all bytes so far, in lower-case hex."""
        self._catch_up()
        return self._digest.hexdigest()

    def close(self) -> None:
        """Let the thread end."""
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)

    def _hand_over(self) -> None:
        self._wait()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "download-hash")
        self._beside = self._thread.submit(self._hash, self._taken())

    def _catch_up(self) -> None:
        self._wait()
        self._hash(self._taken())

    def _wait(self) -> None:
        if self._beside is not None:
            self._beside.result()
            self._beside = None

    def _taken(self) -> list[bytes]:
        taken, self._collected, self._size = self._collected, [], 0
        return taken

    def _hash(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            self._digest.update(piece)
