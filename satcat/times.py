"""Instants and half-open intervals, always in UTC, to the microsecond.

The one stored form is `YYYY-MM-DDTHH:MM:SS.ffffffZ`: fixed width, so that it sorts as time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from satcat.errors import TimeError

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(\.\d{1,9})?(Z|[+-]\d{2}:?\d{2})?", re.ASCII
)

MICROSECOND = timedelta(microseconds=1)
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def now() -> datetime:
    """This machine's clock; what is compared with the source's dates takes the source's clock instead."""
    return datetime.now(UTC)


def parse(text: str) -> datetime:
    """Read an instant: 0 to 9 fraction digits (cut to 6), `Z`, an offset, or none (UTC).

    Raises:
        TimeError: the text is no instant.
    """
    try:  # the fast way takes what sources write; the pattern keeps other ISO forms out
        if _is_stored_form(text):
            return datetime.fromisoformat(text)
        if not _INSTANT.fullmatch(text):
            raise ValueError
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise TimeError(
            f"{text!r} is no instant: write 2024-06-01 or 2024-06-01T10:30:00Z"
        ) from None


def _is_stored_form(text: str) -> bool:
    """Tell, if `text` is an instant at all, whether it is one as `to_text` prints it; at a third of the pattern's cost."""
    return (
        len(text) == 27
        and text[4] == text[7] == "-"
        and text[10] == "T"
        and text[19] == "."
        and text[26] == "Z"
    )


def after(moment: datetime) -> datetime | None:
    """The instant just behind this one; None behind the last that there is."""
    return moment + MICROSECOND if moment < LAST else None


@lru_cache(maxsize=1024)  # of a page, half the instants are those of a neighbour
def to_text(moment: datetime) -> str:
    """Print an instant in the stored form. Raises ValueError for a naive one."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone")
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:26] + "Z"


def parse_bound(text: str, *, end: bool = False) -> datetime:
    """Read what people type for a start or an end; a bare date as an end means that whole day.

    Returns the instant at which a half-open interval starts or ends.
    """
    text = text.strip()
    if not _DATE.fullmatch(text):
        return parse(text)
    try:
        midnight = datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise TimeError(f"{text!r} is no date of the calendar: write 2024-06-01") from None
    try:
        return midnight + timedelta(days=1) if end else midnight
    except OverflowError:
        raise TimeError(f"{text!r} is too late a date: the last one is 9999-12-30") from None


@dataclass(frozen=True, slots=True)
class Interval:
    """The instants `start <= t < end`; None means open on that side.

    Raises:
        TimeError: the end is not after the start.
    """

    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise TimeError(f"the interval {self} is empty: its end must be after its start")

    def __str__(self) -> str:
        start = _short(self.start) if self.start else "the beginning"
        end = _short(self.end) if self.end else "now on"
        return f"{start} … {end}"

    def __contains__(self, moment: datetime) -> bool:
        after_start = self.start is None or moment >= self.start
        return after_start and (self.end is None or moment < self.end)

    def contains(self, other: Interval) -> bool:
        """Tell whether every instant of `other` is in this interval."""
        starts = self.start is None or (other.start is not None and other.start >= self.start)
        return starts and (self.end is None or (other.end is not None and other.end <= self.end))

    def intersection(self, other: Interval) -> Interval | None:
        """What both intervals hold; None if they share no instant."""
        start = max((s for s in (self.start, other.start) if s), default=None)
        end = min((e for e in (self.end, other.end) if e), default=None)
        return None if start and end and end <= start else Interval(start, end)

    def minus(self, others: Iterable[Interval]) -> list[Interval]:
        """What is left of this interval, in order, when the others (in any order) are taken out."""
        left = [self]
        for other in others:
            left = [piece for whole in left for piece in _difference(whole, other)]
        return left


def joined(intervals: Iterable[Interval]) -> list[Interval]:
    """The same instants in as few intervals as possible, in order."""
    found: list[Interval] = []
    for interval in sorted(intervals, key=lambda i: i.start or FIRST):
        last = found[-1] if found else None
        if last and (last.end is None or interval.start is None or interval.start <= last.end):
            end = max(last.end, interval.end) if last.end and interval.end else None
            found[-1] = Interval(last.start, end)
        else:
            found.append(interval)
    return found


def _difference(whole: Interval, other: Interval) -> list[Interval]:
    shared = whole.intersection(other)
    if shared is None:
        return [whole]
    pieces = []
    if shared.start is not None and (whole.start is None or whole.start < shared.start):
        pieces.append(Interval(whole.start, shared.start))
    if shared.end is not None and (whole.end is None or shared.end < whole.end):
        pieces.append(Interval(shared.end, whole.end))
    return pieces


def _short(moment: datetime) -> str:
    """The stored form, less what is zero."""
    text = to_text(moment)[:-1]
    return text.removesuffix(".000000").removesuffix("T00:00:00")
