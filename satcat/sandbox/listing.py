"""An entity set kept sorted by each of its order keys, and queries on it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from operator import attrgetter
from typing import Any, Generic, NamedTuple, TypeVar

from satcat.sandbox.predicates import Bounds, Entity, Predicate

E = TypeVar("E", bound=Entity)

#: Additions of more than this many entities are sorted in, not inserted one by one.
_MANY = 50


class Selection(NamedTuple):
    """Which entities to give: those in the bounds that match, ordered; `limit` None means all."""

    bounds: Bounds
    matches: Predicate
    order: str | None = None
    descending: bool = False
    limit: int | None = None


class Listing(Generic[E]):
    """Entities, sorted by each order key and then by id. The catalogue does the locking."""

    def __init__(self, keys: Sequence[str], fields: Mapping[str, str]) -> None:
        self._values = {key: attrgetter(fields[key]) for key in keys}
        self._sorted: dict[str, list[E]] = {key: [] for key in keys}

    def add(self, entities: Sequence[E]) -> None:
        """Put entities in."""
        for key, rows in self._sorted.items():
            sort_key = _sort_key(self._values[key])
            if len(entities) > _MANY:
                rows.extend(entities)
                rows.sort(key=sort_key)
            else:
                for entity in entities:
                    insort(rows, entity, key=sort_key)

    def remove(self, entity: E) -> None:
        """Take an entity out."""
        for key, rows in self._sorted.items():
            sort_key = _sort_key(self._values[key])
            at = bisect_left(rows, sort_key(entity), key=sort_key)
            del rows[at]

    def copy(self) -> Listing[E]:
        """The same entities, unmoved by later mutations."""
        twin = object.__new__(Listing)
        twin._values = self._values
        twin._sorted = {key: list(rows) for key, rows in self._sorted.items()}
        return twin

    def select(self, wanted: Selection) -> list[E]:
        """The entities that match, in order; ties by ascending id, whichever way the key runs."""
        key, start, stop = self._narrowest(wanted)
        found = filter(wanted.matches, self._sorted[key][start:stop])
        if wanted.order is None:
            return list(found)
        if wanted.order == key and not wanted.descending:
            return list(islice(found, wanted.limit))
        value = self._values[wanted.order]
        rows = sorted(found, key=attrgetter("id"))
        rows.sort(key=value, reverse=wanted.descending)
        return rows[: wanted.limit]

    def _narrowest(self, wanted: Selection) -> tuple[str, int, int]:
        """The index, and the stretch of it, that leaves the fewest rows to look at."""
        first = wanted.order or next(iter(self._sorted))
        best = (first, 0, len(self._sorted[first]))
        for key in (first, *self._sorted):
            rows, (low, high) = self._sorted[key], wanted.bounds.get(key, (None, None))
            start = bisect_left(rows, low, key=self._values[key]) if low else 0
            stop = bisect_right(rows, high, key=self._values[key]) if high else len(rows)
            stop = max(start, stop)
            if stop - start < best[2] - best[1]:
                best = (key, start, stop)
        return best


def _sort_key(value: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, str]]:
    return lambda entity: (value(entity), entity.id)
