"""Whether the source is out of reach: when people hear of it, when it is asked again, when a run gives up."""

from __future__ import annotations

import itertools

import pytest

from satcat.downloads.outage import Outage
from satcat.errors import LoginBarredError, NoTokenError, RateLimitedError, SourceUnavailableError

DOWN = SourceUnavailableError("h", "connection refused")
CROWDED = RateLimitedError("h")


class Sky:
    """An outage under a clock that is set by hand, and what was told of it."""

    def __init__(self, patience: float | None = None) -> None:
        self.now = 1000.0
        self.told: list[str | float] = []
        self.outage = Outage(patience, self.told.append, self.told.append, lambda: self.now)

    def troubles(self, error: Exception, *, every: float, times: int) -> list[bool]:
        said = []
        for _ in range(times):
            said.append(self.outage.trouble(error))
            self.now += every
        return said


def test_people_hear_once_that_it_begins_and_once_for_how_long_it_was() -> None:
    sky = Sky()
    assert not any(sky.troubles(DOWN, every=30, times=50))
    assert sky.told == ["cannot reach h (connection refused)"]
    sky.outage.passed()
    sky.outage.passed()
    assert sky.told[1:] == [1500.0]


def test_another_reason_is_told_once_more() -> None:
    sky = Sky()
    for error in (DOWN, LoginBarredError("h", 40), LoginBarredError("h", 39), DOWN):
        sky.troubles(error, every=60, times=5)
    assert sky.told == [
        "cannot reach h (connection refused)",
        "no token from h: it ends sessions before their time; the next login is made in 40 min",
    ]
    sky.outage.passed()
    sky.troubles(DOWN, every=1, times=5)
    assert len(sky.told) == 4


def test_a_few_failures_with_bytes_between_are_none() -> None:
    sky = Sky()
    for _ in range(20):
        sky.troubles(DOWN, every=1, times=3)
        sky.outage.passed()
    assert sky.told == [] and sky.outage.may_try()


def test_a_failure_now_and_then_in_an_idle_run_is_none() -> None:
    sky = Sky(patience=300)
    assert not any(sky.troubles(DOWN, every=3600, times=50))
    assert sky.told == []


def test_without_a_token_nobody_fares_better() -> None:
    sky = Sky()
    sky.outage.trouble(NoTokenError("h", "no"))
    assert len(sky.told) == 1


def test_too_many_connections_are_told_only_if_they_last() -> None:
    sky = Sky()
    sky.troubles(CROWDED, every=0.5, times=12)
    assert sky.told == []
    sky.troubles(CROWDED, every=2, times=4)
    assert sky.told == ["h asks to slow down"]


@pytest.mark.parametrize("error", [DOWN, CROWDED], ids=["down", "crowded"])
def test_patience_ends_after_its_time_without_a_byte_and_begins_anew_with_one(
    error: Exception,
) -> None:
    sky = Sky(patience=300)
    assert sky.troubles(error, every=60, times=7) == [False] * 5 + [True] * 2
    sky.outage.passed()
    assert sky.troubles(error, every=60, times=6) == [False] * 5 + [True]


def test_while_it_lasts_one_asks_now_and_then_ever_more_seldom() -> None:
    sky = Sky()
    sky.troubles(DOWN, every=0, times=4)
    tries = []
    for _ in range(4000):
        if sky.outage.may_try():
            tries.append(sky.now)
        sky.now += 1
    gaps = [after - before for before, after in itertools.pairwise(tries)]
    assert gaps[:5] == [1, 2, 4, 8, 16] and set(gaps[9:]) == {300}
    sky.outage.passed()
    assert sky.outage.may_try() and sky.outage.may_try()


def test_nobody_asks_sooner_than_a_source_that_is_down_says() -> None:
    sky = Sky()
    sky.outage.trouble(RateLimitedError("h", 500.0, down=True))
    sky.now += 499
    assert not sky.outage.may_try()
    sky.now += 1
    assert sky.outage.may_try()
