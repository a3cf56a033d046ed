"""What kind of value each column of products holds, for the writers whose columns have types."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, TypeVar

import sqlalchemy as sa

from satcat.columns import Instant, Json
from satcat.models import products

T = TypeVar("T")


class Kind(StrEnum):
    """The kinds of value."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    FLAG = "flag"
    INSTANT = "instant"
    JSON = "json"


_KINDS: tuple[tuple[type, Kind], ...] = (
    (Instant, Kind.INSTANT),
    (Json, Kind.JSON),
    (sa.Boolean, Kind.FLAG),
    (sa.Integer, Kind.INTEGER),
    (sa.Double, Kind.NUMBER),
    (sa.Text, Kind.TEXT),
)


def kind_of(column: str) -> Kind:
    """The kind of a column of products, other than its footprint."""
    held = products.c[column].type
    return next(kind for of_type, kind in _KINDS if isinstance(held, of_type))


def geometries(footprints: Sequence[bytes | None]) -> Any:
    """An array of the geometries of stored footprints, outer rings counter-clockwise; None stays None.

    Raises:
        FootprintError: one is damaged.
    """
    import shapely

    from satcat.footprints import load

    try:
        found: Any = shapely.from_wkb(footprints)
    except (shapely.GEOSException, TypeError, ValueError):
        found = [None if wkb is None else load(wkb) for wkb in footprints]  # says which complaint
    return shapely.orient_polygons(found)
