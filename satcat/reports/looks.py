"""Acquisition days and the gaps between them, of many groups of products at a time. Pure numpy.

A day is a number, counted from 1970-01-01; groups lie one after another in one array, as the lengths given with it say.
Several products of one day are one look.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from satcat.errors import TimeError

Days: TypeAlias = npt.NDArray[np.int32]
Numbers: TypeAlias = npt.NDArray[np.float64]

#: Characters of an instant's stored form.
STORED = 27
_DIGITS = (0, 1, 2, 3, 5, 6, 8, 9)  # where its date has them
_MONTH = 7  # characters of a month
_LONGEST_MONTH = 31
_DIGIT_0, _LAST = ord("0"), ord("Z")
_EPOCH = date(1970, 1, 1)
NO_DAYS: Days = np.empty(0, np.int32)
_SHIFT = 1 << 20  # more days than the calendar has before 1970, year 1 being its first
_RANGE = 1 << 23  # more days than it has in all


class Looks(NamedTuple):
    """Of each group: the distinct days, and the median and the longest gap between neighbours in days.

    Gaps are NaN where there are fewer than two days.
    """

    days: npt.NDArray[np.int64]
    median_gap: Numbers
    longest_gap: Numbers


class Period(NamedTuple):
    """Days `first <= day < end` that have too few looks; either bound may itself be a look's day."""

    first: int
    end: int
    looks: int


def parse(packed: str) -> Days:
    """The days of instants in stored form that are joined without anything between.

    Raises:
        TimeError: one is in another form, as other programs may have stored it.
    """
    text = np.frombuffer(packed.encode("ascii", "replace"), np.uint8)
    characters = text[: len(text) // STORED * STORED].reshape(-1, STORED)
    if characters.size < text.size or (characters[:, -1] != _LAST).any():
        raise TimeError("a stored sensing_start is no instant in UTC: `satcat db check` names it")
    digits = characters[:, _DIGITS].astype(np.int32) - _DIGIT_0
    year = digits[:, :4] @ np.array([1000, 100, 10, 1], np.int32)
    month = digits[:, 4] * 10 + digits[:, 5]
    day = digits[:, 6] * 10 + digits[:, 7]
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    return np.asarray(months.astype("datetime64[D]").astype(np.int32) + day - 1, np.int32)


def of_months(months: str, bits: npt.NDArray[np.int64]) -> tuple[Days, npt.NDArray[np.int64]]:
    """The days that bits stand for, 1 for a month's first day, 2 for its second and so on; and how many each month has.

    Args:
        months: `2024-06`, joined without anything between.
        bits: of each month.
    """
    characters = np.frombuffer(months.encode("ascii"), np.uint8).reshape(-1, _MONTH)
    digits = characters[:, (0, 1, 2, 3, 5, 6)].astype(np.int32) - _DIGIT_0
    year = digits[:, :4] @ np.array([1000, 100, 10, 1], np.int32)
    month = (year - 1970) * 12 + digits[:, 4] * 10 + digits[:, 5] - 1
    first = month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int32)
    is_set = (bits[:, np.newaxis] >> np.arange(_LONGEST_MONTH)) & 1 == 1
    which, day = np.nonzero(is_set)
    return np.asarray(first[which] + day, np.int32), is_set.sum(axis=1)


def to_date(day: int) -> date:
    """The calendar's name of a day."""
    return _EPOCH + timedelta(days=day)


def from_date(day: date) -> int:
    """The number of a calendar day."""
    return (day - _EPOCH).days


def measure(days: Days, lengths: Sequence[int]) -> Looks:
    """Count the looks of each group and measure the gaps between them."""
    total = len(lengths)
    group = np.repeat(np.arange(total, dtype=np.int64), lengths)
    every = np.sort(
        group * _RANGE + days + _SHIFT, kind="stable"
    )  # mostly in order, which this sort uses
    distinct = every[np.diff(every, prepend=-1) != 0]
    group = distinct // _RANGE
    steps, same = np.diff(distinct), np.diff(group) == 0
    gap, of_group = steps[same], group[1:][same]
    order = np.lexsort((gap, of_group))
    gap = gap[order]
    counts = np.bincount(of_group, minlength=total)
    ends = np.cumsum(counts)
    median, longest = np.full(total, np.nan), np.full(total, np.nan)
    some = counts > 0
    first, number = (ends - counts)[some], counts[some]
    median[some] = (gap[first + (number - 1) // 2] + gap[first + number // 2]) / 2
    longest[some] = gap[first + number - 1]
    return Looks(np.bincount(group, minlength=total), median, longest)


def short_periods(days: Days, first: int, end: int, *, longest: int, least: int) -> list[Period]:
    """The periods in `first <= day < end` in which more than `longest` days pass with fewer than `least` looks.

    The ends of the asked time count like looks, so that a lack at its beginning or end shows. Periods that overlap are
    told as one.
    """
    looks = np.unique(days[(days >= first) & (days < end)]).astype(np.int64)
    marks = np.concatenate([[first], looks, [end]])
    found: list[Period] = []
    reach = min(least, len(marks) - 1)
    for start, stop in zip(marks[:-reach].tolist(), marks[reach:].tolist(), strict=True):
        if stop - start <= longest:
            continue
        begin = found.pop().first if found and start < found[-1].end else start
        inside = int(np.count_nonzero((looks > begin) & (looks < stop)))
        found.append(Period(begin, stop, inside))
    return found
