"""What an error means for a download: try later, give up, or stop the run. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from satcat.errors import (
    CatalogueError,
    ChecksumMismatchError,
    CredentialsError,
    DiskFullError,
    FilterError,
    PackageError,
    ProductGoneError,
    ProductOfflineError,
    RateLimitedError,
    RequestRejectedError,
    SatcatError,
    SourceUnavailableError,
    TransferStoppedError,
    UnwritableError,
)

#: So many failed attempts, then a person decides.
MOST_ATTEMPTS = 5
_FIRST_WAIT = 30.0  # seconds; twice as long after each failure
_LONGEST_WAIT = 3600.0
# Where a 429 does not say how long: the source frees a connection with a small delay.
_RATE_WAIT = 10.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the row: its status, the seconds until it may be tried again, and if this counts as an attempt.

    `pause`: seconds for which this worker should ask for nothing. `ends_run`: no other product would fare better.
    """

    status: str
    wait: float = 0.0
    counts: bool = True
    pause: float = 0.0
    ends_run: bool = False


_STRIKES_ALL = (CredentialsError, DiskFullError, UnwritableError, CatalogueError)
_FINAL = {
    ProductOfflineError: "offline",
    ProductGoneError: "gone",
    ChecksumMismatchError: "bad_at_source",
    PackageError: "bad_at_source",
    RequestRejectedError: "failed",
    FilterError: "failed",
}


def is_outage(error: Exception) -> bool:
    """Whether the source as a whole may be down; so many in a row say that it is."""
    if isinstance(error, RateLimitedError):
        return error.down
    return isinstance(error, SourceUnavailableError)


def judge(error: Exception, attempts: int) -> Verdict:
    """Judge an error after so many earlier failed attempts at the same product.

    A source that is down says nothing of the product: only a status 500 may be the product's own.
    """
    if isinstance(error, RateLimitedError):
        asked = _RATE_WAIT if error.retry_after is None else error.retry_after
        wait = min(max(asked, 0.0), _LONGEST_WAIT)
        return Verdict("queued", wait=wait, counts=False, pause=wait)
    if (
        isinstance(error, SourceUnavailableError)
        and error.status != HTTPStatus.INTERNAL_SERVER_ERROR
    ):
        return Verdict("queued", wait=_FIRST_WAIT, counts=False)
    if isinstance(error, TransferStoppedError):
        return Verdict("queued", counts=False)
    if not isinstance(error, SatcatError | OSError) or isinstance(error, _STRIKES_ALL):
        return Verdict("queued", counts=False, ends_run=True)
    for kind, status in _FINAL.items():
        if isinstance(error, kind):
            return Verdict(status)
    if attempts + 1 >= MOST_ATTEMPTS:
        return Verdict("failed")
    return Verdict("queued", wait=min(_FIRST_WAIT * 2.0**attempts, _LONGEST_WAIT))
