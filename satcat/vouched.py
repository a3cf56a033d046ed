"""What is mirrored of a kind of products in one place, as intervals of sensing starts: what of a time is vouched for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

from satcat import times
from satcat.filters import SearchFilters
from satcat.times import Interval
from satcat.vouching import Kind

NOT_MIRRORED = "not mirrored"
NOT_FINISHED = "not finished"


@dataclass(frozen=True, slots=True)
class Held:
    """What is mirrored of a kind in a place; intervals are of sensing starts, neighbours joined.

    Attributes:
        mirrored: what the scopes hold that have all of this kind there.
        listed: what of the asked time stands in their ledger of windows.
        complete: what of that is proven.
    """

    kind: Kind
    mirrored: tuple[Interval, ...]
    listed: tuple[Interval, ...]
    complete: tuple[Interval, ...]

    def meant(self, filters: SearchFilters) -> list[Interval]:
        """What the filters mean by time: of ends that they leave open, what is mirrored."""
        if filters.start is None and filters.end is None:
            return list(self.mirrored)
        start = filters.start or self.mirrored[0].start
        end = filters.end or self.mirrored[-1].end
        return [filters.interval if start and end and end <= start else Interval(start, end)]

    def lacking(self, time: Interval) -> Iterator[tuple[Interval, str]]:
        """The parts of this time that are not vouched for, each with the reason."""
        for piece in time.minus(self.complete):
            for rest in piece.minus(self.listed):
                yield rest, NOT_MIRRORED
            for window in self.listed:
                if unfinished := piece.intersection(window):
                    yield unfinished, NOT_FINISHED


def together(held: Iterable[Held]) -> Held:
    """What is mirrored of the first one's kind, if each has all of it."""
    parts = list(held)
    each = ([getattr(part, name) for part in parts] for name in ("mirrored", "listed", "complete"))
    return Held(parts[0].kind, *(tuple(times.joined(chain.from_iterable(one))) for one in each))


def widest(held: Iterable[Held]) -> list[Held]:
    """Those whose kind no other includes."""
    every = list(held)
    return [
        one for one in every
        if not any(other.kind != one.kind and other.kind.includes(one.kind) for other in every)
    ]  # fmt: skip
