"""What of an asked selection is mirrored and finished, and how old the mirror is.

An empty answer means "there is none" only where the mirror is complete. `survey` looks at scopes and at the ledger of
their windows, not at products, and says what is missing of the tiles and the time that were asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from satcat import times, vouching
from satcat.conditions import is_one_of
from satcat.filters import SCOPE_FIELDS, SearchFilters
from satcat.models import sync_rejects, sync_windows, tiles
from satcat.sync import cursors, scopes
from satcat.times import Interval
from satcat.vouched import NOT_MIRRORED, Held, widest
from satcat.vouching import Kind

NOTHING = "nothing is mirrored yet"
REJECTS_OPEN = "rejected records open"

_NAMED = 5  # tiles that a line names
_LINES = 10  # gaps that are told one by one
_WORDS = 100  # characters of filters that a line repeats


@dataclass(frozen=True, slots=True)
class Gap:
    """A part of what was asked for that the mirror does not vouch for.

    Attributes:
        kind: None: no scope has anything of what was asked.
        tile: None: whatever the tile.
        interval: sensing starts.
        reason: `nothing is mirrored yet`, `not mirrored`, `not finished` or `rejected records open`.
    """

    kind: Kind | None
    tile: str | None
    interval: Interval
    reason: str

    def concerns(self, collection: str | None, product_type: str | None, tile: str | None) -> bool:
        """Tell whether products of this type and tile may be missing; what is None may be anything."""
        if self.tile is not None and tile is not None and tile != self.tile:
            return False
        if self.kind is None or collection is None or product_type is None:
            return True
        return vouching.may_hold([self.kind], collection, product_type)


@dataclass(frozen=True, slots=True)
class Survey:
    """What of the asked selection is missing.

    Attributes:
        gaps: empty if the mirror vouches for everything.
        narrowed: what was left open, and what it was taken to mean.
        followed_to: the source's clock up to which all scopes concerned know changes; None if none has been followed.
        asked: the sensing starts that were asked for and are past; None if all lie ahead.
        tiles: the tiles asked for; if none were, those that are mirrored of what was asked.
        sought: what was asked for beside tiles and time, as it would be typed.
        vouched: what is mirrored of each tile, a kind each; under None what is wherever.
    """

    gaps: list[Gap] = field(default_factory=list)
    narrowed: list[str] = field(default_factory=list)
    followed_to: datetime | None = None
    asked: Interval | None = None
    tiles: tuple[str, ...] = ()
    sought: str = ""
    vouched: dict[str | None, tuple[Held, ...]] = field(default_factory=dict)

    def notes(self) -> list[str]:
        """Short lines for people: gaps first, then what was taken to mean what, then the age."""
        part = "part of " if self.followed_to and self.sought else ""
        lines = list(_summaries(self.gaps, f"{part}{self.sought}"))
        if len(lines) > _LINES:
            lines[_LINES:] = [f"and {len(lines) - _LINES:,} more such gaps"]
        if self.narrowed:
            lines.append(f"taken to mean what is mirrored: {', '.join(self.narrowed)}")
        if self.followed_to is not None:
            lines.append(f"the mirror is as of {times.to_text(self.followed_to)[:16]}Z")
        return lines


@dataclass(frozen=True, eq=False, slots=True)
class _Slice:
    """A slice of a scope and its windows, neighbours joined."""

    scope: scopes.Scope
    number: int
    filters: SearchFilters
    listed: list[Interval]
    complete: list[Interval]


def survey(
    connection: Connection, filters: SearchFilters, *, now: datetime | None = None
) -> Survey:
    """Look up what is missing of the selection; filters that only pick among products (cloud, online) do not matter.

    Time that lies ahead is never missing. What a mirror may lack since it was last synced is told by its age alone.
    """
    now = now or times.now()
    asked = filters.interval.intersection(Interval(None, now))
    slices = _slices(connection, filters)
    mirrored = [part for part in slices if vouching.kind_of(part.filters, filters)]
    found = _Found(filters, asked)
    places = _places(connection, filters, mirrored) if mirrored else []
    for vouchers, in_tiles in places:
        found.look(vouchers, in_tiles)
    if asked is not None and not slices:
        found.gaps.append(Gap(None, None, asked, NOTHING))
    elif asked is not None and not mirrored:
        found.gaps += [Gap(None, tile, asked, NOT_MIRRORED) for tile in filters.tiles or (None,)]
    used = list({id(part): part for vouchers, _ in places for part in vouchers}.values())
    if asked is not None:
        found.gaps += _rejects(connection, used, filters, asked)
    meant = sorted({tile for _, named in places for tile in named if tile})
    return Survey(
        _without_repeats(_opened(gap, now) for gap in found.gaps),
        found.narrowed(() if filters.tiles else meant),
        _followed_to(connection, used),
        asked,
        filters.tiles or tuple(meant),
        _sought(filters),
        found.vouched,
    )


class _Found:
    """Gaps, and what open filters were taken to mean, place by place."""

    def __init__(self, filters: SearchFilters, asked: Interval | None) -> None:
        self.filters, self.asked = filters, asked
        self.gaps: list[Gap] = []
        self.kinds: set[Kind] = set()
        self.intervals: list[Interval] = []
        self.vouched: dict[str | None, tuple[Held, ...]] = {}

    def look(self, vouchers: list[_Slice], tiles: list[str | None]) -> None:
        """Look at places that the same slices vouch for."""
        if not vouchers and self.asked is not None:
            self.gaps += [Gap(None, tile, self.asked, NOT_MIRRORED) for tile in tiles]
        kinds = {vouching.kind_of(part.filters, self.filters) for part in vouchers} - {None}
        held = tuple(_held(kind, vouchers) for kind in sorted(kinds, key=str) if kind)
        self.vouched.update(dict.fromkeys(tiles, held))
        for one in widest(held):
            self.kinds.add(one.kind)
            meant = one.meant(self.filters)
            self.intervals += meant
            for whole in meant:
                past = whole.intersection(self.asked) if self.asked else None
                for interval, reason in one.lacking(past) if past else ():
                    self.gaps += [Gap(one.kind, tile, interval, reason) for tile in tiles]

    def narrowed(self, tiles: Iterable[str]) -> list[str]:
        """What was left open, in words."""
        filters, words = self.filters, []
        if filters.collection is None:
            words += _listed("collection", {kind.collection for kind in self.kinds})
        if filters.product_type is None and filters.processing_level is None:
            words += _listed("level", {kind.processing_level for kind in self.kinds})
        if filters.product_type is None:
            words += _listed("product type", {kind.product_type for kind in self.kinds})
        words += _listed("tile", set(tiles))
        return words + _times(times.joined(self.intervals), filters)


def _held(kind: Kind, vouchers: list[_Slice]) -> Held:
    """What these slices have of a kind; those that have only a part of it do not count."""
    whole = [part for part in vouchers if vouching.own_kind(part.filters).includes(kind)]
    return Held(
        kind,
        tuple(times.joined(part.scope.interval for part in whole)),
        tuple(times.joined(window for part in whole for window in part.listed)),
        tuple(times.joined(window for part in whole for window in part.complete)),
    )


# Where


def _places(
    connection: Connection, filters: SearchFilters, mirrored: list[_Slice]
) -> list[tuple[list[_Slice], list[str | None]]]:
    """The tiles that are meant (None: wherever), grouped by the slices that vouch for them."""
    named = filters.tiles or tuple(sorted({t for part in mirrored for t in part.filters.tiles}))
    enough = bool(named)
    if filters.area is not None and not filters.tiles:
        named, enough = _tiles_of_area(connection, filters.area, named)
    groups: dict[tuple[int, ...], tuple[list[_Slice], list[str | None]]] = {}
    by_tile = _by_tile(mirrored)
    for tile in named:
        vouchers = [
            part
            for part in by_tile.get(tile, by_tile[None])
            if vouching.vouches_for_tile(part.filters, tile, filters)
        ]
        key = tuple(id(part) for part in vouchers)
        groups.setdefault(key, (vouchers, []))[1].append(tile)
    found = list(groups.values())
    everywhere = [p for p in mirrored if vouching.vouches_everywhere(p.filters, filters)]
    if not enough or (everywhere and not filters.tiles and filters.area is None):
        found.insert(0, (everywhere, [None]))
    return found


def _by_tile(mirrored: list[_Slice]) -> dict[str | None, list[_Slice]]:
    """The slices that may vouch for a tile; under None those of any tile."""
    untiled = [part for part in mirrored if not part.filters.tiles]
    found: dict[str | None, list[_Slice]] = {None: untiled}
    for part in mirrored:
        for tile in part.filters.tiles:
            found.setdefault(tile, list(untiled)).append(part)
    return found


def _tiles_of_area(
    connection: Connection, area: Any, mirrored: tuple[str, ...]
) -> tuple[tuple[str, ...], bool]:
    """Those of the mirrored tiles that touch the area, and whether together they cover it."""
    import shapely

    query = sa.select(tiles.c.tile_id, tiles.c.footprint).where(
        is_one_of(tiles.c.tile_id, mirrored)
    )
    rows = connection.execute(query.order_by(tiles.c.tile_id)).all()
    shapes = shapely.from_wkb([row.footprint for row in rows])
    touching = shapely.intersects(shapes, area)
    covered = shapely.union_all(shapes[touching]).covers(area) if touching.any() else False
    return tuple(row.tile_id for row, is_met in zip(rows, touching, strict=True) if is_met), covered


# When


def _slices(connection: Connection, filters: SearchFilters) -> list[_Slice]:
    windows = _windows(connection, filters.interval)
    return [
        _Slice(scope, number, part, *windows.get((scope.id, number), ([], [])))
        for scope in scopes.listing(connection)
        for number, part in enumerate(scope.slices)
    ]


def _windows(
    connection: Connection, interval: Interval
) -> dict[tuple[int, int], tuple[list[Interval], list[Interval]]]:
    """Per scope and slice: all windows that meet the interval, and the complete ones, neighbours joined."""
    c = sync_windows.c
    # as text: a large scope has 100,000 windows, of which few bounds are left when they are joined
    bounds = [sa.type_coerce(column, sa.Text()) for column in (c.window_start, c.window_end)]
    query = sa.select(c.scope_id, c.slice, c.status, *bounds)
    if interval.end is not None:
        query = query.where(sa.or_(c.window_start.is_(None), c.window_start < interval.end))
    if interval.start is not None:
        query = query.where(sa.or_(c.window_end.is_(None), c.window_end > interval.start))
    rows = connection.execute(query.order_by(c.scope_id, c.slice, c.window_start.nulls_first()))
    found = {}
    for key, group in groupby(rows, key=lambda row: (row[0], row[1])):
        windows = [(row[2] == "complete", row[3], row[4]) for row in group]
        found[key] = (
            _chained((start, end) for _, start, end in windows),
            _chained((start, end) for complete, start, end in windows if complete),
        )
    return found


def _chained(bounds: Iterable[tuple[Any, Any]]) -> list[Interval]:
    """Windows in order, each joined to the next where the one ends as the other starts."""
    chains: list[list[Any]] = []
    for start, end in bounds:
        if chains and start is not None and chains[-1][1] == start:
            chains[-1][1] = end
        else:
            chains.append([start, end])
    return [Interval(*(_instant(bound) for bound in chain)) for chain in chains]


def _instant(value: str | datetime | None) -> datetime | None:
    return times.parse(value) if isinstance(value, str) else value


def _followed_to(connection: Connection, parts: list[_Slice]) -> datetime | None:
    concerned = {part.scope.id: part.scope for part in parts}.values()
    known = [cursors.followed_to(connection, scope) for scope in concerned]
    return min((moment for moment in known if moment), default=None)


def _rejects(
    connection: Connection, parts: list[_Slice], filters: SearchFilters, asked: Interval
) -> list[Gap]:
    c = sync_rejects.c
    query = sa.select(c.scope_id, c.slice).where(c.kind == "reject", c.resolved_at.is_(None))
    open_ = {tuple(row) for row in connection.execute(query.distinct())}
    concerned = [part for part in parts if (part.scope.id, part.number) in open_]
    kinds = {vouching.kind_of(part.filters, filters) for part in concerned}
    return [Gap(kind, None, asked, REJECTS_OPEN) for kind in sorted(kinds, key=str)]


# Wording


def _opened(gap: Gap, now: datetime) -> Gap:
    """A gap that reaches until now does not end there."""
    return gap if gap.interval.end != now else replace(gap, interval=Interval(gap.interval.start))


def _without_repeats(found: Iterable[Gap]) -> list[Gap]:
    """Less those of single tiles that are said of all tiles anyway."""
    gaps = list(found)
    general = {(gap.kind, gap.interval, gap.reason) for gap in gaps if gap.tile is None}
    return [
        gap for gap in dict.fromkeys(gaps)
        if gap.tile is None or (gap.kind, gap.interval, gap.reason) not in general
    ]  # fmt: skip


def _times(meant: list[Interval], filters: SearchFilters) -> list[str]:
    """What the ends of time that the filters leave open were taken to mean."""
    if not meant:
        return []
    if len(meant) > 1 and filters.start is None and filters.end is None:
        more = [f"{len(meant) - _NAMED:,} more"] if len(meant) > _NAMED else []
        return [f"the times {' and '.join([*map(str, meant[:_NAMED]), *more])}"]
    words = []
    if filters.start is None and meant[0].start is not None:
        words.append(f"from {times.to_text(meant[0].start)[:16]}Z")
    if filters.end is None and meant[-1].end is not None:
        words.append(f"until {times.to_text(meant[-1].end)[:16]}Z")
    return words


def _sought(filters: SearchFilters) -> str:
    names = [name for name in SCOPE_FIELDS if name != "tile_id"]
    words = str(SearchFilters(**{name: getattr(filters, name) for name in names}))
    return words if len(words) <= _WORDS else f"{words[:_WORDS]}…"


def _summaries(gaps: list[Gap], sought: str) -> Iterator[str]:
    alike: dict[tuple[str, str, str], list[str]] = {}
    for gap in gaps:
        key = (gap.reason, str(gap.kind or ""), str(gap.interval))
        alike.setdefault(key, []).extend([gap.tile] if gap.tile else [])
    for (reason, kind, interval), named in alike.items():
        about = [kind or sought] if kind or (sought and not named) else []
        yield f"{reason}: {', '.join([*about, *_listed('tile', set(named)), interval])}"


def _listed(word: str, values: Iterable[str | None]) -> list[str]:
    known = sorted(value for value in values if value)
    if not known:
        return []
    more = f" and {len(known) - _NAMED:,} more" if len(known) > _NAMED else ""
    return [f"{word} {', '.join(known[:_NAMED])}{more}"]
