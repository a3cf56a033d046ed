"""What an error means for a download."""

from __future__ import annotations

import pytest

from satcat.downloads.policy import MOST_ATTEMPTS, Verdict, is_outage, judge
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
        (ProductOfflineError("x"), "offline"),
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


def test_a_429_is_no_outage_and_a_503_that_says_when_is_one() -> None:
    assert not is_outage(RateLimitedError("x", 1.0))
    assert is_outage(RateLimitedError("x", 1.0, down=True))


@pytest.mark.parametrize(("asked", "wait"), [(7.0, 7.0), (None, 10.0), (1e9, 3600.0), (-5.0, 0.0)])
def test_being_asked_to_wait_is_no_attempt_however_often(asked: float | None, wait: float) -> None:
    verdict = judge(RateLimitedError("x", asked), 999)
    assert verdict == Verdict("queued", wait=wait, counts=False, pause=wait)


@pytest.mark.parametrize(
    "error",
    [
        CredentialsError("x"), DiskFullError("x"), UnwritableError("x"), CatalogueError("x"), KeyError("bug"),
    ],
)  # fmt: skip
def test_what_would_strike_every_product_ends_the_run_and_blames_none(error: Exception) -> None:
    assert judge(error, 0) == Verdict("queued", counts=False, ends_run=True)


def test_stopping_blames_nobody() -> None:
    assert judge(TransferStoppedError("x"), 0) == Verdict("queued", counts=False)
