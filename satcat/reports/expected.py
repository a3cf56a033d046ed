"""The rows of a coverage report: those that have products, and those that were asked for and have none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import Any, NamedTuple

from sqlalchemy import Connection

from satcat import names
from satcat.filters import SearchFilters
from satcat.mirrored import NOT_MIRRORED, NOTHING, Gap, Survey
from satcat.reports import periods
from satcat.reports.groups import Group, Grouping, Key
from satcat.sync import scopes
from satcat.tiles import Grid, intersecting
from satcat.times import Interval
from satcat.vouching import Kind, may_hold

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

    Rows are many and alike, so that what is known of one is kept for the next.
    """

    def __init__(self, survey: Survey) -> None:
        self._asked, self._vouched = survey.asked, survey.vouched
        self._gaps: dict[str | None, list[Gap]] = {}
        for gap in survey.gaps:
            self._gaps.setdefault(gap.tile, []).append(gap)
        self._known: dict[str, dict[tuple[Any, ...], str]] = {}
        self._of_alike: dict[tuple[Any, ...], dict[tuple[Any, ...], str]] = {}

    def of(self, key: Key, part: Interval | None = None) -> str:
        """The state of a row.

        Args:
            part: of the row's time only this.
        """
        known = self._known.get(key.place)
        if known is None:
            known = self._known[key.place] = self._known_of(key)
        alike = (key.collection, key.product_type, key.period, part)
        state = known.get(alike)
        if state is None:
            state = known[alike] = self._state(key, part)
        return state

    def _known_of(self, key: Key) -> dict[tuple[Any, ...], str]:
        """What is known of places like this one."""
        own = key.place if key.tile in self._gaps or key.tile is None else None
        return self._of_alike.setdefault((own, self._kinds(key.tile)), {})

    def _kinds(self, tile: str | None) -> tuple[Kind, ...]:
        """What is mirrored there; of a whole area, anywhere."""
        if tile is None:
            return tuple({kind for kinds in self._vouched.values() for kind in kinds})
        return self._vouched.get(tile, self._vouched.get(None, ()))

    def _state(self, key: Key, part: Interval | None) -> str:
        asked = self._asked
        for narrower in (periods.interval(key.period) if key.period else None, part):
            asked = asked.intersection(narrower) if asked and narrower else asked
        if asked is None:
            return AHEAD
        if key.collection and not may_hold(self._kinds(key.tile), key.collection, key.product_type):
            return NOT_MIRRORED
        places = self._gaps if key.tile is None else (None, key.tile)
        gaps = [
            gap for gap in chain.from_iterable(self._gaps.get(place, ()) for place in places)
            if gap.concerns(key.collection, key.product_type, key.tile) and gap.interval.intersection(asked)
        ]  # fmt: skip
        if not gaps:
            return COMPLETE
        missing = [gap.interval for gap in gaps if gap.reason in (NOTHING, NOT_MIRRORED)]
        return PARTLY if asked.minus(missing) else NOT_MIRRORED


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
    known = [] if filters.start and end else [group.key.period or "" for group in found]
    first = periods.of(filters.start, grouping.length) if filters.start else min(known, default="")
    last = periods.before(end, grouping.length) if end else max(known, default="")
    return periods.span(first, last) if first and last else (None,)
