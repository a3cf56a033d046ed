"""The source's clock, as its answers show it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from satcat import times


class Clock:
    """A lower bound of the source's time.

    Every answer's `Date` sets the source's clock against this machine's steady one; the bound goes with the answer that
    set it lowest, so that one that is ahead, as from a machine with a wrong clock, cannot carry a cursor past products
    that are still to come. Too low a bound only lists a little twice.

    A source that sends no date is taken to be up to a day behind this machine.
    """

    def __init__(
        self, start: datetime | None, steady: Callable[[], float] = time.monotonic
    ) -> None:
        self.told = start is not None
        self._steady = steady
        self._zero = self._zero_of(start or times.now() - timedelta(days=1))
        self._made = steady()

    @property
    def now(self) -> datetime:
        """The source's time, or a little earlier; to the second, as sources tell it."""
        return self._at(self._steady())

    @property
    def began(self) -> datetime:
        """The source's time when this clock was made, by what its answers have shown since."""
        return self._at(self._made)

    def _at(self, seconds: float) -> datetime:
        return (self._zero + timedelta(seconds=seconds)).replace(microsecond=0)

    def see(self, moment: datetime | None) -> None:
        """An answer carried this time."""
        if moment is None:
            return
        zero = self._zero_of(moment)
        self._zero = min(self._zero, zero) if self.told else zero
        self.told = True

    def _zero_of(self, moment: datetime) -> datetime:
        """The source's time when this machine's steady clock was at zero."""
        return moment - timedelta(seconds=self._steady())
