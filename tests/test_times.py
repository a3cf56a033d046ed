"""Instants and intervals; intervals are held against sets of seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satcat import times
from satcat.errors import TimeError
from satcat.times import Interval

EPOCH = datetime(2024, 6, 1, tzinfo=UTC)
#: The seconds that the oracle knows; intervals begin and end between 0 and 12, so that "open" reaches beyond.
SECONDS = range(-2, 15)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda m: timezone(timedelta(minutes=m)))


def at(second: int) -> datetime:
    return EPOCH + timedelta(seconds=second)


def held(interval: Interval | None) -> set[int]:
    return set() if interval is None else {s for s in SECONDS if at(s) in interval}


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    start = draw(st.none() | st.integers(0, 11))
    end = draw(st.none() | st.integers(0 if start is None else start + 1, 12))
    return Interval(None if start is None else at(start), None if end is None else at(end))


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("2024-06-01T10:30:00Z", "2024-06-01T10:30:00.000000Z"),
        ("2024-06-01T10:30:00.024Z", "2024-06-01T10:30:00.024000Z"),
        ("2024-06-01T10:30:00.123456789Z", "2024-06-01T10:30:00.123456Z"),
        ("2024-06-01T10:30:00.9999999Z", "2024-06-01T10:30:00.999999Z"),
        ("2024-06-01T10:30:00+00:00", "2024-06-01T10:30:00.000000Z"),
        ("2024-06-01T10:30:00+0200", "2024-06-01T08:30:00.000000Z"),
        ("2024-01-01T00:30:00.5+01:00", "2023-12-31T23:30:00.500000Z"),
        ("2024-06-01T10:30:00", "2024-06-01T10:30:00.000000Z"),
        ("2024-06-01 10:30", "2024-06-01T10:30:00.000000Z"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_instants_are_read_in_every_form_that_sources_write(text, stored):
    assert times.to_text(times.parse(text)) == stored


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2024-06-01",
        "20240601T103000Z",
        "2024-W22-6T10:30:00Z",
        "2024-13-01T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "2024-06-01T25:00:00Z",
        "2024-06-01T10:30:00.Z",
        "2024-06-01T10:30:00.1234567890Z",
        "2024-06-01T10:30:00ZZ",
        "2024-06-01T10:30:00Z\n",
        "٢٠٢٤-٠٦-٠١T10:30:00Z",  # noqa: RUF001
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
    ],
)
def test_what_is_no_instant_is_refused_by_name(text):
    with pytest.raises(TimeError) as raised:
        times.parse(text)
    assert repr(text) in str(raised.value)
    assert "\n" not in str(raised.value)


@given(st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29), timezones=ZONES))
def test_printing_and_reading_gives_the_same_instant(moment):
    text = times.to_text(moment)
    assert times.parse(text) == moment
    assert len(text) == 27


@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=2, max_size=2))
def test_the_stored_form_sorts_as_time(pair):
    assert sorted(pair) == [times.parse(text) for text in sorted(map(times.to_text, pair))]


def test_a_naive_instant_is_not_stored():
    with pytest.raises(ValueError, match="no time zone"):
        times.to_text(datetime(2024, 6, 1))


@pytest.mark.parametrize(
    ("text", "end", "expected"),
    [
        ("2024-06-30", False, "2024-06-30T00:00:00.000000Z"),
        ("2024-06-30", True, "2024-07-01T00:00:00.000000Z"),
        (" 2024-02-29 ", True, "2024-03-01T00:00:00.000000Z"),
        ("2024-06-30T12:00:00Z", True, "2024-06-30T12:00:00.000000Z"),
        ("2024-06-30T12:00", False, "2024-06-30T12:00:00.000000Z"),
        ("9999-12-30", True, "9999-12-31T00:00:00.000000Z"),
    ],
)
def test_a_bare_date_as_an_end_means_that_whole_day(text, end, expected):
    assert times.to_text(times.parse_bound(text, end=end)) == expected


@pytest.mark.parametrize(
    "text",
    ["2024-02-30", "9999-12-31", "٢٠٢٤-٠٦-٠١", "june", "2024-6-1"],  # noqa: RUF001
)
def test_a_bound_that_is_no_date_is_refused_by_name(text):
    with pytest.raises(TimeError) as raised:
        times.parse_bound(text, end=True)
    assert text in str(raised.value)


@pytest.mark.parametrize("seconds", [0, -1])
def test_an_interval_that_holds_nothing_is_refused(seconds):
    with pytest.raises(TimeError, match="empty"):
        Interval(at(5), at(5 + seconds))


def test_an_interval_holds_its_start_and_not_its_end():
    june = Interval(times.parse_bound("2024-06-01"), times.parse_bound("2024-06-30", end=True))
    assert times.parse("2024-06-01T00:00:00Z") in june
    assert times.parse("2024-06-30T23:59:59.999999Z") in june
    assert times.parse("2024-07-01T00:00:00Z") not in june
    assert june.start is not None
    assert june.start - times.MICROSECOND not in june


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        (Interval(), "the beginning … now on"),
        (Interval(at(0), at(86_400)), "2024-06-01 … 2024-06-02"),
        (Interval(at(1), None), "2024-06-01T00:00:01 … now on"),
        (Interval(None, at(0) + times.MICROSECOND), "the beginning … 2024-06-01T00:00:00.000001"),
    ],
)
def test_an_interval_prints_short(interval, said):
    assert str(interval) == said


@given(intervals(), intervals())
def test_contains_is_what_sets_of_seconds_say(one, other):
    # An open end is not the same as the last second the oracle knows, but SECONDS reaches beyond every bound.
    assert one.contains(other) == (held(other) <= held(one))


@given(intervals(), intervals())
def test_intersection_is_what_sets_of_seconds_say(one, other):
    assert held(one.intersection(other)) == held(one) & held(other)
    assert one.intersection(other) == other.intersection(one)


@given(intervals(), st.lists(intervals(), max_size=5))
def test_minus_is_what_sets_of_seconds_say(whole, others):
    pieces = whole.minus(others)
    assert set().union(*map(held, pieces)) == held(whole).difference(*map(held, others))
    for before, after in pairwise(pieces):
        assert before.end is not None
        assert after.start is not None
        assert before.end <= after.start


@given(intervals(), st.lists(intervals(), max_size=5))
def test_what_is_left_does_not_touch_itself(whole, others):
    pieces = whole.minus(others)
    assert sum(len(held(piece)) for piece in pieces) == len(set().union(*map(held, pieces)))


def test_the_clock_is_in_utc():
    assert times.now().tzinfo is UTC
