"""Calendar periods of sensing starts: months `2024-06` and years `2024`, as the stored form of an instant begins."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache

from satcat import times
from satcat.times import Interval

#: How many characters of an instant's stored form name the period.
LENGTHS = {"year": 4, "month": 7}


def of(moment: datetime, length: int) -> str:
    """The period that an instant is in."""
    return times.to_text(moment)[:length]


def before(bound: datetime, length: int) -> str:
    """The period that the last instant before this one is in; empty if there is none."""
    is_first = bound == times.FIRST
    return "" if is_first else of(bound - times.MICROSECOND, length)


@lru_cache(maxsize=64)  # of one report, many places ask for the same
def span(first: str, last: str) -> tuple[str, ...]:
    """The periods from one to another of the same kind, both included."""
    return tuple(_text(number, len(first)) for number in range(_number(first), _number(last) + 1))


def interval(period: str) -> Interval:
    """The instants of a period. The last month and year that a date can have do not end."""
    following = _text(_number(period) + 1, len(period))
    end = None if len(following) > len(period) else _start(following)
    return Interval(_start(period), end)


def is_whole(bound: datetime | None, period: str = "month") -> bool:
    """Tell whether a bound lies between two months (or years), or is open."""
    return bound is None or bound == _start(of(bound, LENGTHS[period]))


def _start(period: str) -> datetime:
    return times.parse_bound(f"{period}-01-01"[:10])


def _number(period: str) -> int:
    """The period, counted from year 0 on."""
    if len(period) == LENGTHS["year"]:
        return int(period)
    return int(period[:4]) * 12 + int(period[5:]) - 1


def _text(number: int, length: int) -> str:
    if length == LENGTHS["year"]:
        return f"{number:04}"
    return f"{number // 12:04}-{number % 12 + 1:02}"
