"""The source's clock."""

from __future__ import annotations

from datetime import timedelta

from satcat import times
from satcat.sync.clock import Clock

NOON = times.parse("2024-06-01T12:00:00Z")


def test_the_clock_goes_on_between_answers():
    seconds = [100.0]
    clock = Clock(NOON, lambda: seconds[0])
    seconds[0] += 61.5
    assert clock.now == NOON + timedelta(seconds=61)


def test_one_answer_from_the_future_does_not_carry_the_clock_away():
    seconds = [0.0]
    clock = Clock(NOON, lambda: seconds[0])
    clock.see(NOON + timedelta(days=1))
    assert clock.now == NOON


def test_a_first_answer_from_the_future_is_put_right_by_the_next():
    seconds = [0.0]
    clock = Clock(NOON + timedelta(days=1), lambda: seconds[0])
    seconds[0] = 2.0
    clock.see(NOON + timedelta(seconds=2))
    assert clock.now == NOON + timedelta(seconds=2)


def test_a_source_that_tells_no_time_is_taken_to_be_a_day_behind():
    clock = Clock(None)
    assert not clock.told
    assert timedelta(hours=23) < times.now() - clock.now < timedelta(hours=25)


def test_the_first_time_told_replaces_the_guess():
    clock = Clock(None, lambda: 0.0)
    clock.see(NOON)
    assert clock.told
    assert clock.now == NOON
