"""What the tests of exports share: products of every kind of footprint, in a catalogue."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import shapely

from satcat import footprints
from satcat.catalogue import Catalogue
from satcat.database import Database

START = datetime(2024, 6, 1, 10, 56, 21, 24_657, tzinfo=UTC)
SHAPES = {
    "square": "POLYGON ((2 42, 2 41, 3 41, 3 42, 2 42))",  # counter-clockwise
    "clockwise": "POLYGON ((0 0, 0 1, 1 1, 1 0, 0 0))",
    "holed": "POLYGON ((0 0, 4 0, 4 4, 0 4, 0 0), (1 1, 2 1, 2 2, 1 2, 1 1))",
    "across 180": "POLYGON ((179 -17, 181 -17, 181 -16, 179 -16, 179 -17))",
    "pole": "POLYGON ((-180 80, 180 80, 180 90, -180 90, -180 80))",
}
LINE = "LINESTRING (0 0, 5 5)"


def fields(number: int, wkt: str | None, **more: Any) -> dict[str, Any]:
    """A product's fields; the tiles take turns, so that the order of publishing is not that of the tiles."""
    found = None if wkt is None else footprints.from_odata(wkt)
    box = {side: getattr(found, side) for side in ("west", "south", "east", "north") if found}
    return {
        "name": f"S2B_{number}.SAFE", "tile_id": ("30TWN", "30TWM", None)[number % 3], "cloud_cover": number % 100 / 3,
        "sensing_start": START + timedelta(hours=number), "size_bytes": 2**40 + number, "online": number % 2 == 0,
        "eviction_date": None, "relative_orbit": None if number % 2 else 137, "attributes": {"ä": [1, "x"]},
        "footprint": found and found.wkb, **box, **more,
    }  # fmt: skip


@pytest.fixture
def catalogue(database: Database, add_products: Callable[..., None]) -> Catalogue:
    """Seven products; one has no footprint, one hostile text."""
    shapes = [*SHAPES.values(), None, SHAPES["square"]]
    add_products(
        *(fields(number, shape) for number, shape in enumerate(shapes[:-1])),
        fields(
            6, shapes[-1], name="x'); DROP TABLE products; --\"\n,😀", cloud_cover=None, online=None
        ),
    )
    return Catalogue(database)


def geometry(wkb: bytes | None) -> Any:
    """A stored footprint, to compare with what came back."""
    return None if wkb is None else shapely.from_wkb(wkb)
