"""The sandbox's clock: real time plus an offset that scripts may move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from satcat import times


class Clock:
    """Tells the server's time, in UTC.

    Attributes:
        skew: seconds added to the `Date` header alone, as a server with a wrong clock in front of
            it would.
        send_date: False leaves the `Date` header out.
    """

    def __init__(self, now: datetime | None = None) -> None:
        """Start at `now`, or at real time."""
        self._offset = timedelta() if now is None else now - times.now()
        self.skew = 0.0
        self.send_date = True

    def now(self) -> datetime:
        """The instant that publications, deletions and tokens are dated with."""
        return times.now() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock forward; tokens age, nothing else happens by itself."""
        self._offset += timedelta(seconds=seconds)

    def date_header(self, at: datetime | None = None, skew: float = 0.0) -> str:
        """What the `Date` header says: whole seconds, as HTTP has it."""
        moment = (at or self.now()) + timedelta(seconds=self.skew + skew)
        return format_datetime(moment.astimezone(UTC), usegmt=True)
