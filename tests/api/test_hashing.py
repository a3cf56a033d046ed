"""Hashes of what arrives, and of what is there."""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from satcat.api.hashing import CHUNK, Hasher, hash_file
from satcat.errors import TransferStoppedError

NOISE = os.urandom(CHUNK)


def new(algorithm: str, data: bytes = b"") -> Any:
    return blake3(data) if algorithm == "blake3" else hashlib.new(algorithm, data)


@settings(deadline=None)
@given(
    algorithm=st.sampled_from(["md5", "blake3", "sha256"]),
    cuts=st.lists(st.integers(0, CHUNK), max_size=12),
)
def test_large_and_small_pieces_are_hashed_in_their_order(algorithm: str, cuts: list[int]) -> None:
    hasher, plain = Hasher(algorithm), new(algorithm)
    for number, cut in enumerate(cuts):
        piece = bytes([number]) + NOISE[:cut]
        hasher.update(piece)
        plain.update(piece)
        if number == 5:
            assert hasher.hexdigest() == plain.hexdigest()
    assert hasher.hexdigest() == plain.hexdigest()
    hasher.close()


@pytest.mark.parametrize("algorithm", ["md5", "blake3"])
def test_only_the_piece_in_work_is_held_and_no_thread_stays(algorithm: str) -> None:
    hasher, given = Hasher(algorithm), []
    for _ in range(40):
        piece = memoryview(bytearray(NOISE))  # bytes cannot be watched
        given.append(weakref.ref(piece))
        hasher.update(piece)
        # the thread may be about to let go of the one before
        assert sum(held() is not None for held in given) <= 2
    assert hasher.hexdigest() == new(algorithm, NOISE * 40).hexdigest()
    hasher.close()
    for thread in threading.enumerate():
        if thread.name.startswith("download-hash"):
            thread.join(5)
            assert not thread.is_alive()


def test_small_pieces_start_no_thread() -> None:
    before = threading.active_count()
    hasher = Hasher("md5")
    for _ in range(100):
        hasher.update(NOISE[:1000])
    assert threading.active_count() == before
    assert hasher.hexdigest() == hashlib.md5(NOISE[:1000] * 100).hexdigest()


def test_small_pieces_are_hashed_beside_once_they_are_many_bytes() -> None:
    hasher = Hasher("md5")
    for _ in range(40):
        hasher.update(NOISE[:16384])
    assert any(thread.name.startswith("download-hash") for thread in threading.enumerate())
    assert hasher.hexdigest() == hashlib.md5(NOISE[:16384] * 40).hexdigest()
    hasher.close()


def test_of_crumbs_only_some_are_held() -> None:
    hasher, given = Hasher("md5"), []
    for _ in range(1000):
        crumb = memoryview(bytearray(b"x"))
        given.append(weakref.ref(crumb))
        hasher.update(crumb)
    assert sum(held() is not None for held in given) <= 128
    assert hasher.hexdigest() == hashlib.md5(b"x" * 1000).hexdigest()


def test_hashing_a_file_says_how_far_it_is_and_stops_when_told(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(NOISE * 3)
    seen: list[int] = []
    assert hash_file(tmp_path / "x", "blake3", None, seen.append) == blake3(NOISE * 3).hexdigest()
    assert seen == [CHUNK, 2 * CHUNK, 3 * CHUNK]
    stop = threading.Event()
    with pytest.raises(TransferStoppedError):
        hash_file(tmp_path / "x", "md5", stop, lambda done: stop.set())
