"""What an error means for a download."""

from __future__ import annotations

import pytest

from satcat.downloads.policy import MOST_ATTEMPTS, Verdict, crowded_wait, is_outage, judge
from satcat.errors import (
    CatalogueError,
    ChecksumMismatchError,
    CredentialsError,
    DiskFullError,
    FilterError,
    MalformedResponseError,
    NameTakenError,
    ProductGoneError,
    ProductOfflineError,
    RateLimitedError,
    RequestRejectedError,
    SourceUnavailableError,
    TransferError,
    TransferStoppedError,
    TruncatedError,
    UnwritableError,
)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ProductGoneError("x"), "gone"),
        (ChecksumMismatchError("x", "md5", "a", "b"), "bad_at_source"),
        (RequestRejectedError("x", 400, "no"), "failed"),
        (FilterError("x"), "failed"),
    ],
)
def test_some_errors_are_final(error: Exception, status: str) -> None:
    assert judge(error, 0) == Verdict(status)


@pytest.mark.parametrize(
    "error",
    [
        TruncatedError("x", 2, 1), SourceUnavailableError("x", "500", 500), MalformedResponseError("x", "html"),
        NameTakenError("x"), TransferError("input/output error"), PermissionError(13, "Permission denied"),
        KeyError("what nobody foresaw"), MemoryError(),
    ],
)  # fmt: skip
def test_others_are_tried_again_ever_later_and_at_last_given_up(error: Exception) -> None:
    verdicts = [judge(error, attempts) for attempts in range(MOST_ATTEMPTS)]
    assert [v.status for v in verdicts] == ["queued"] * (MOST_ATTEMPTS - 1) + ["failed"]
    waits = [v.wait for v in verdicts[:-1]]
    assert waits == sorted(set(waits)) and waits[0] > 0
    assert all(v.counts and not v.ends_run for v in verdicts)


@pytest.mark.parametrize(
    "error", [SourceUnavailableError("x", "refused"), SourceUnavailableError("x", "503", 503)]
)
def test_a_source_that_is_down_blames_no_product_however_often(error: Exception) -> None:
    verdict = judge(error, 999)
    assert (verdict.status, verdict.counts) == ("queued", False)
    assert verdict.wait > 0
    assert is_outage(error)


@pytest.mark.parametrize(("asked", "wait"), [(7.0, 7.0), (None, 0.0), (1e9, 3600.0), (-5.0, 0.0)])
def test_being_asked_to_wait_is_no_attempt_however_often(asked: float | None, wait: float) -> None:
    verdict = judge(RateLimitedError("x", asked), 999)
    assert verdict == Verdict("queued", wait=wait, counts=False)


def test_too_many_connections_are_waited_out_shortly_then_ever_longer_and_never_less_than_asked() -> (
    None
):
    waits = [crowded_wait(refusals, None) for refusals in (1, 2, 4, 8, 99)]
    for wait, middle in zip(waits, (0.5, 1, 4, 60, 60), strict=True):
        assert 0.7 * middle <= wait <= min(1.3 * middle, 60)
    assert [crowded_wait(1, asked) for asked in (0.0, 30.0, 1e9)] == [0.0, 30.0, 3600.0]


def test_an_offline_product_is_looked_at_after_hours_then_less_often_at_last_daily() -> None:
    parked = judge(ProductOfflineError("x"), 0)
    waits = [parked.after(looks).wait / 3600 for looks in (0, 1, 2, 3, 4, 9999)]
    assert waits == [2, 4, 8, 16, 24, 24]
    assert (parked.after(0).status, parked.after(0).counts) == ("offline", False)


@pytest.mark.parametrize(
    "error",
    [
        CredentialsError("x"), DiskFullError("x"), UnwritableError("x"), CatalogueError("x"),
    ],
)  # fmt: skip
def test_what_would_strike_every_product_ends_the_run_and_blames_none(error: Exception) -> None:
    assert judge(error, 0) == Verdict("queued", counts=False, ends_run=True)


def test_stopping_blames_nobody() -> None:
    assert judge(TransferStoppedError("x"), 0) == Verdict("queued", counts=False)
