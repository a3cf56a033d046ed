"""Days and gaps, against plain Python."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import chain, pairwise
from statistics import median

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from satcat import times
from satcat.reports import looks
from satcat.reports.looks import Period

INSTANTS = st.datetimes(
    min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31, 23, 59, 59, 999999)
).map(lambda moment: moment.replace(tzinfo=times.now().tzinfo))
DAYS = st.lists(st.integers(-40, 40), max_size=12)


@given(st.lists(INSTANTS, max_size=20))
def test_stored_instants_are_read_as_their_calendar_days(moments: list[datetime]) -> None:
    days = looks.parse("".join(times.to_text(moment) for moment in moments))
    assert [looks.to_date(day) for day in days.tolist()] == [moment.date() for moment in moments]
    assert days.tolist() == [looks.from_date(moment.date()) for moment in moments]


@given(st.lists(DAYS, min_size=1, max_size=8))
def test_gaps_are_those_between_neighbouring_days_of_one_group(groups: list[list[int]]) -> None:
    measured = looks.measure(
        np.array(list(chain.from_iterable(groups)), np.int32), [len(group) for group in groups]
    )
    for place, group in enumerate(groups):
        days = sorted(set(group))
        gaps = [after - before for before, after in pairwise(days)]
        assert measured.days[place] == len(days)
        if gaps:
            assert measured.median_gap[place] == median(gaps)
            assert measured.longest_gap[place] == max(gaps)
        else:
            assert np.isnan(measured.median_gap[place])
            assert np.isnan(measured.longest_gap[place])


@given(DAYS, st.integers(-20, 0), st.integers(1, 20), st.integers(1, 15), st.integers(1, 3))
def test_a_period_falls_short_where_and_only_where_too_few_looks_stand(
    days: list[int], first: int, end: int, longest: int, least: int
) -> None:
    found = looks.short_periods(np.array(days, np.int32), first, end, longest=longest, least=least)
    within = sorted({day for day in days if first <= day < end})
    short = set()  # half days, so that a look and the days beside it are told apart
    for start in [first, *within]:
        for stop in [*within, end]:
            looks_between = sum(start < day < stop for day in within)
            if stop - start > longest and looks_between < least:
                short |= set(range(2 * start + 1, 2 * stop))
    told = {half for period in found for half in range(2 * period.first + 1, 2 * period.end)}
    assert told == short
    for period in found:
        assert period.looks == sum(period.first < day < period.end for day in within)
    for before, after in pairwise(found):
        assert before.end <= after.first


def test_a_month_without_a_look_is_one_period_from_its_first_day_to_its_last() -> None:
    june = looks.from_date(date(2024, 6, 1))
    nothing = np.empty(0, np.int32)
    assert looks.short_periods(nothing, june, june + 30, longest=10, least=1) == [
        Period(june, june + 30, 0)
    ]
    assert looks.short_periods(nothing, june, june + 10, longest=10, least=1) == []
    assert looks.to_date(june + 30) == date(2024, 6, 1) + timedelta(days=30)
