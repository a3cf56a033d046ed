"""Cutting windows, and seeing whether they tile."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from satcat.sync import windows
from satcat.sync.ledger import Tally
from satcat.times import Interval

EPOCH = datetime(2024, 1, 1, tzinfo=UTC)
SECONDS = st.integers(0, 10**7)


def at(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


@st.composite
def intervals_and_held(draw):
    first, last = sorted(draw(st.tuples(SECONDS, SECONDS)))
    start = draw(st.sampled_from([None, at(first), at(first - 1.5)]))
    end = draw(st.sampled_from([None, at(last + 1), at(last + 90.25)]))
    held = Interval(at(first + draw(st.sampled_from([0, 0.25]))), at(last) + timedelta(seconds=0.5))
    return Interval(start, end), held


@given(intervals_and_held(), st.integers(5001, 10**7))
def test_parts_tile_the_interval_and_stay_open_where_it_is(given_, counted):
    interval, held = given_
    parts = windows.cut(interval, held, counted)
    assert parts[0].start == interval.start
    assert parts[-1].end == interval.end
    assert all(a.end == b.start and a.end is not None for a, b in pairwise(parts))
    inner = [part.start for part in parts[1:]]
    assert all(cut is not None and cut.microsecond == 0 for cut in inner)


@given(st.integers(1, 10**6), st.integers(5001, 10**6))
def test_evenly_spread_rows_come_to_windows_of_the_size_aimed_at(seconds, counted):
    whole = Interval(at(0), at(seconds))
    parts = windows.cut(whole, whole, counted)
    if len(parts) not in (10_000, seconds, seconds + 1):
        assert counted / len(parts) <= windows.AIM


def test_an_interval_within_one_second_is_not_cut():
    held = Interval(at(5), at(5) + timedelta(microseconds=1))
    assert windows.cut(Interval(at(5), at(6)), held, 9000) == [Interval(at(5), at(6))]


def _window(start, end, slice_=0):
    return windows.Window(
        id=1, slice=slice_, interval=Interval(start, end), status="complete", published_before=None,
        resume_at=None, seen=Tally(), counted=None, listed_at=None, id_digest=None,
    )  # fmt: skip


def test_a_gap_and_an_overlap_are_named():
    mine = [_window(None, at(10)), _window(at(20), at(40)), _window(at(30), None)]
    found = windows.gaps_and_overlaps(mine, 1, Interval())
    assert len(found) == 2
    assert "no window covers 2024-01-01T00:00:10 … 2024-01-01T00:00:20" in found[0]
    assert "overlap" in found[1]


def test_a_slice_without_windows_is_named():
    found = windows.gaps_and_overlaps([_window(None, None)], 2, Interval())
    assert len(found) == 1
    assert "slice 1" in found[0]
