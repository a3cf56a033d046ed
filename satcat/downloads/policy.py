"""What an error means for a download: try later, give up, or stop the run. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from http import HTTPStatus

from satcat.errors import (
    CatalogueBusyError,
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
    SourceUnavailableError,
    TransferStoppedError,
    UnwritableError,
)

#: So many failed attempts, then a person decides.
MOST_ATTEMPTS = 5
_FIRST_WAIT = 30.0  # seconds; twice as long after each failure
_LONGEST_WAIT = 3600.0
# Where a 429 does not say how long: the source frees a connection a fraction of a second after its download ended.
_FIRST_CROWDED, _LONGEST_CROWDED = 0.5, 60.0
_FIRST_LOOK, _LONGEST_LOOK = 2 * 3600.0, 24 * 3600.0  # at a product that was offline


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of the row: its status, the seconds until it may be tried again, and if this counts as an attempt.

    `ends_run`: no other product would fare better.
    """

    status: str
    wait: float = 0.0
    counts: bool = True
    ends_run: bool = False

    def after(self, looks: int) -> Verdict:
        """The same of an offline product that was looked at so often before: it waits twice as long each time."""
        wait = min(_FIRST_LOOK * 2.0 ** min(looks, 10), _LONGEST_LOOK)
        return replace(self, wait=wait, counts=False)


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
    """Whether the source as a whole may be out of reach; `outage` says when it is."""
    return isinstance(error, SourceUnavailableError | RateLimitedError)


def crowded_wait(refusals: int, asked: float | None) -> float:
    """Seconds to wait after so many refusals in a row for too many connections, never less than the source asks.

    Twice as long each time, and with some chance in it, so that those who were refused together do not come back so.
    """
    if asked is not None:
        return min(max(asked, 0.0), _LONGEST_WAIT)
    wait = _FIRST_CROWDED * 2.0 ** min(refusals - 1, 10) * random.uniform(0.75, 1.25)
    return min(wait, _LONGEST_CROWDED)


def judge(error: Exception, attempts: int) -> Verdict:
    """Judge an error after so many earlier failed attempts at the same product.

    A source that is down says nothing of the product: only a status 500 may be the product's own. What nobody foresaw is
    held to be the product's own, so that one that upsets us cannot keep all others from being fetched.
    """
    if isinstance(error, RateLimitedError):
        wait = min(max(error.retry_after or 0.0, 0.0), _LONGEST_WAIT)
        return Verdict("queued", wait=wait, counts=False)
    if (
        isinstance(error, SourceUnavailableError)
        and error.status != HTTPStatus.INTERNAL_SERVER_ERROR
    ):
        return Verdict("queued", wait=_FIRST_WAIT, counts=False)
    if isinstance(error, TransferStoppedError):
        return Verdict("queued", counts=False)
    if isinstance(error, CatalogueBusyError):
        return Verdict("queued", wait=_FIRST_WAIT, counts=False)
    if isinstance(error, _STRIKES_ALL):
        return Verdict("queued", counts=False, ends_run=True)
    for kind, status in _FINAL.items():
        if isinstance(error, kind):
            return Verdict(status)
    if attempts + 1 >= MOST_ATTEMPTS:
        return Verdict("failed")
    return Verdict("queued", wait=min(_FIRST_WAIT * 2.0**attempts, _LONGEST_WAIT))
