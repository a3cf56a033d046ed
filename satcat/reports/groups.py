"""What a coverage report puts together: groups of products of one place, measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np

from satcat.reports import periods
from satcat.reports.looks import NO_DAYS, Days

#: Up to this cloud cover, in percent, the table tile_months and the view tile_coverage take a product for clear.
CLEAR = 20.0
#: The place of rows for a whole area.
AOI = "AOI"


@dataclass(frozen=True, slots=True)
class Grouping:
    """What is put together, and what is looked at.

    Attributes:
        types: each product type of a collection is a group of its own; else all are one.
        orbits: likewise each relative orbit.
        period: `month` or `year` of the sensing start; None: all times are one.
        clear: up to which cloud cover, in percent, a product is clear.
        looks: days are wanted; else counts and bytes alone.
        instants: the first and the last sensing start are wanted.
        clear_looks: likewise the days of clear products.
        clouds: the least and the mean cloud cover are wanted.
        medians: the median cloud cover is wanted.
        downloads: how many have been downloaded is wanted.
        outlines: footprints are wanted.
    """

    types: bool = True
    orbits: bool = False
    period: str | None = None
    clear: float = CLEAR
    looks: bool = True
    instants: bool = True
    clear_looks: bool = True
    clouds: bool = True
    medians: bool = True
    downloads: bool = True
    outlines: bool = False

    @property
    def length(self) -> int:
        """How many characters of a sensing start tell the period; 0: none."""
        return periods.LENGTHS[self.period] if self.period else 0


class Key(NamedTuple):
    """A group: its place, a tile or an area asked for, and what tells it from others there.

    All but the place are None where the group has several of them, or where none is known.
    """

    place: str
    collection: str | None = None
    product_type: str | None = None
    relative_orbit: int | None = None
    period: str | None = None

    @property
    def tile(self) -> str | None:
        """The place if it is a tile."""
        return None if self.place == AOI else self.place

    @property
    def order(self) -> tuple[Any, ...]:
        """For sorting; what is unknown comes first."""
        return tuple((part is not None, part) for part in self)


class Outlines(NamedTuple):
    """Footprints as WKB, and of each whether any product with it is clear."""

    wkb: tuple[bytes, ...]
    clear: tuple[bool, ...]


NO_OUTLINES = Outlines((), ())


@dataclass(slots=True)
class Group:
    """What was measured. `first` and `last` are instants in stored form; `days` are in no order."""

    key: Key
    products: int
    clear_products: int
    size_bytes: int
    first: str = ""
    last: str = ""
    known_clouds: int = 0
    min_cloud_cover: float | None = None
    mean_cloud_cover: float | None = None
    days: Days = field(default_factory=lambda: NO_DAYS)
    clear_days: Days = field(default_factory=lambda: NO_DAYS)
    clouds: list[float] = field(default_factory=list)
    downloaded: int = 0
    outlines: Outlines = NO_OUTLINES

    def __add__(self, other: Group) -> Group:
        """Both together, of one place and period."""
        known = self.known_clouds + other.known_clouds
        clouds = [g for g in (self, other) if g.mean_cloud_cover is not None]
        cloud_sum = sum((g.mean_cloud_cover or 0.0) * g.known_clouds for g in clouds)
        return Group(
            Key(*(a if a == b else None for a, b in zip(self.key, other.key, strict=True))),  # type: ignore[arg-type]
            self.products + other.products,
            self.clear_products + other.clear_products,
            self.size_bytes + other.size_bytes,
            min(self.first, other.first),
            max(self.last, other.last),
            known,
            min((g.min_cloud_cover for g in clouds if g.min_cloud_cover is not None), default=None),
            cloud_sum / known if known else None,
            np.concatenate([self.days, other.days]),
            np.concatenate([self.clear_days, other.clear_days]),
            self.clouds + other.clouds,
            self.downloaded + other.downloaded,
            Outlines(
                self.outlines.wkb + other.outlines.wkb, self.outlines.clear + other.outlines.clear
            ),
        )


def merged(found: Iterable[Group], grouping: Grouping) -> Iterator[Group]:
    """The groups, all collections and types of a place as one if that is asked for; by place as they come."""
    if grouping.types:
        yield from found
        return
    for place, of_place in groupby(found, key=lambda group: group.key.place):
        together: dict[Key, Group] = {}
        for group in of_place:
            key = Key(place, None, None, group.key.relative_orbit, group.key.period)
            known = together.get(key)
            together[key] = group if known is None else known + group
        yield from (together[key] for key in sorted(together, key=lambda key: key.order))
