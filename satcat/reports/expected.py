"""The rows of a coverage report: those that have products, and those that were asked for and have none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import Connection

from satcat import names
from satcat.filters import SearchFilters
from satcat.mirrored import REJECTS_OPEN, Survey
from satcat.reports import periods
from satcat.reports.groups import Group, Grouping, Key
from satcat.sync import scopes
from satcat.tiles import Grid, intersecting
from satcat.times import Interval
from satcat.vouched import NOT_MIRRORED, Held, together, widest
from satcat.vouching import Kind

COMPLETE, PARTLY, AHEAD = "complete", "partly", "ahead"


class Row(NamedTuple):
    """A row to be told: a group, or None where there are no products."""

    key: Key
    group: Group | None


def tiles(
    connection: Connection, filters: SearchFilters, survey: Survey, grid: Grid | None = None
) -> list[str]:
    """The tiles that must have a row, sorted: those named, those that touch the area, or those that are mirrored."""
    if filters.tiles or filters.area is None:
        return [tile for tile in survey.tiles if grid in (None, grid_of(tile))]
    grids = {grid} if grid else grids_of(connection, filters)
    return sorted({tile for one in grids for tile in intersecting(filters.area, one)})


def grids_of(connection: Connection, filters: SearchFilters) -> set[Grid]:
    """The grids along which what is asked for is cut; products without tile ids are matched to MGRS tiles."""
    if filters.collection is not None:
        collections = {filters.collection}
    else:
        collections = {scope.collection for scope in scopes.listing(connection)}
    return {names.tile_grid(collection) or "mgrs" for collection in collections} or {"mgrs"}


def grid_of(tile: str) -> Grid:
    """The grid of a known tile."""
    return "wrs2" if tile.isdigit() else "mgrs"


def complete(
    found: Iterable[Group],
    wanted: Sequence[str],
    filters: SearchFilters,
    survey: Survey,
    grouping: Grouping,
) -> Iterator[Row]:
    """Yield all rows in the order of the groups, which are sorted by place, as `wanted` is."""
    waiting = list(reversed(wanted))
    for place, of_place in groupby(found, key=lambda group: group.key.place):
        while waiting and waiting[-1] <= place:
            if (missing := waiting.pop()) != place:
                yield from _rows(missing, [], filters, survey, grouping)
        yield from _rows(place, list(of_place), filters, survey, grouping)
    for missing in reversed(waiting):
        yield from _rows(missing, [], filters, survey, grouping)


class States:
    """Tells how much of a row's place and time is mirrored: `complete`, `partly` or `not mirrored`; or that it lies `ahead`.

    A row of a month, say, is held to all of that month, and a row of all times to those that the filters mean. Rows are
    many and alike, so that what is known of one is kept for the next.

    Args:
        by_type: each row is of one product type; else it speaks of all that was asked for, whatever is there.
    """

    def __init__(self, survey: Survey, filters: SearchFilters, *, by_type: bool) -> None:
        self._asked, self._vouched, self._filters = survey.asked, survey.vouched, filters
        self._all = None if by_type else (filters.collection, filters.product_type)
        self._rejected = [gap for gap in survey.gaps if gap.reason == REJECTS_OPEN]
        self._known: dict[tuple[Any, ...], str] = {}

    def of(self, key: Key, part: Interval | None = None) -> str:
        """The state of a row.

        Args:
            part: of the row's time only this.
        """
        held = self._in_tile(key.tile)
        # many places share what is mirrored of them, and the survey keeps it
        alike = (id(held), key.tile is None, key.collection, key.product_type, key.period, part)
        state = self._known.get(alike)
        if state is None:
            states = {self._state(each, part) for each in {key, self._whole(key)}}
            state = self._known[alike] = states.pop() if len(states) == 1 else PARTLY
        return state

    def _whole(self, key: Key) -> Key:
        """The row with all that it speaks of."""
        if self._all is None:
            return key
        return key._replace(collection=self._all[0], product_type=self._all[1])

    def end(self, key: Key) -> datetime | None:
        """Where what is mirrored of a row ends; None: it does not, or nothing is."""
        ends = [
            one.mirrored[-1].end
            for held in self._held(key)
            for one in _concerned(held, self._whole(key))
        ]
        known = [end for end in ends if end is not None]
        return max(known) if len(known) == len(ends) and known else None

    def _held(self, key: Key) -> list[tuple[Held, ...]]:
        """What is mirrored in its place; of a whole area, in each place."""
        if key.tile is None:
            return list({id(held): held for held in self._vouched.values()}.values()) or [()]
        return [self._in_tile(key.tile)]

    def _in_tile(self, tile: str | None) -> tuple[Held, ...]:
        """What is mirrored of a tile; None: wherever."""
        return self._vouched.get(tile, self._vouched.get(None, ()))

    def _state(self, key: Key, part: Interval | None) -> str:
        time = self._asked
        narrower = [periods.interval(key.period)] if key.period else []
        narrower += [part] if part else []
        for one in narrower:
            time = time.intersection(one) if time else None
        if time is None:
            return AHEAD
        found = set()
        for held in self._held(key):
            concerned = _concerned(held, key)
            found |= {self._of_held(one, time, is_narrowed=bool(narrower)) for one in concerned}
            found |= set() if concerned else {NOT_MIRRORED}
        if found == {COMPLETE} and any(
            gap.concerns(key.collection, key.product_type, key.tile) for gap in self._rejected
        ):
            return PARTLY
        return found.pop() if len(found) == 1 else PARTLY

    def _of_held(self, held: Held, time: Interval, *, is_narrowed: bool) -> str:
        meant = [time] if is_narrowed else held.meant(self._filters)
        past = [part for whole in meant if (part := whole.intersection(time))]
        if not past:
            return AHEAD
        lacking = [one for part in past for one in held.lacking(part)]
        if not lacking:
            return COMPLETE
        missing = [interval for interval, reason in lacking if reason == NOT_MIRRORED]
        return PARTLY if any(part.minus(missing) for part in past) else NOT_MIRRORED


def _concerned(held: Sequence[Held], key: Key) -> list[Held]:
    """What of the things mirrored in a place a row speaks of: one that has all of its type, if there is any."""
    if key.collection is None:
        return widest(held)
    kind = Kind(key.collection, key.product_type)
    if whole := [one for one in held if one.kind.includes(kind)]:
        return [together(whole)]
    return widest(one for one in held if kind.includes(one.kind))


def _rows(
    place: str, found: list[Group], filters: SearchFilters, survey: Survey, grouping: Grouping
) -> Iterator[Row]:
    """A place's rows with those added that have no products: one if there are none at all, and missing periods."""
    nothing = Key(place, filters.collection, filters.product_type)
    if not grouping.period:
        yield from [Row(group.key, group) for group in found] or [Row(nothing, None)]
        return
    span = _span(found, filters, survey, grouping)
    alike = slice(1, 4) if grouping.types else slice(3, 4)  # collection, type and orbit
    by_kind = groupby(found, key=lambda group: group.key[alike])
    for kind, groups in by_kind if found else [(nothing[alike], iter(()))]:
        of_period = {group.key.period: group for group in groups}
        named = Key._make(
            [*nothing[: alike.start], *kind, None]
        )  # what rows without products are called
        for period in span:
            group = of_period.get(period)
            yield Row(group.key if group else Key(*named[:4], period), group)


def _span(
    found: list[Group], filters: SearchFilters, survey: Survey, grouping: Grouping
) -> tuple[str | None, ...]:
    """The periods of which a place has rows; None if nothing says which."""
    end = survey.asked.end if survey.asked and filters.end else None
    known = [group.key.period or "" for group in found]
    first = periods.of(filters.start, grouping.length) if filters.start else min(known, default="")
    last = max([*known, *([periods.before(end, grouping.length)] if end else [])], default="")
    return periods.span(first, last) if first and last else (None,)
