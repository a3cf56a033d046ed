"""Where products are: what the catalogue finds against shapely alone, across 180° and at the poles, and how it finds it."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import shapely
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import affinity
from shapely.geometry.base import BaseGeometry

from satcat import footprints, select, space, times
from satcat.database import Database
from satcat.errors import FootprintError
from satcat.filters import SearchFilters
from satcat.products import SatelliteImage
from satcat.reports import coverage
from satcat.sync.store import store
from tests.engines import ANY_VALUE, PLAN, Catalogues

START = times.parse("2024-06-01T12:00:00Z")
NOW = times.parse_bound("2024-09-01")
Ring = list[tuple[float, float]]


def blob(chance: random.Random, lon: float, lat: float, size: float) -> Ring:
    """A ring round a point, as one would draw it on a map that has no edge."""
    turns = sorted(chance.uniform(0, math.tau) for _ in range(chance.randint(4, 9)))
    return [
        (lon + size * chance.uniform(0.4, 1) * math.cos(turn), max(-89.9, min(89.9, lat + size * chance.uniform(0.4, 1) * math.sin(turn))))
        for turn in turns
    ]  # fmt: skip


def cap(chance: random.Random, pole: int, edge: float) -> Ring:
    """A ring round a pole; its longitudes run on from -180 to 180."""
    west = chance.uniform(-180, -150)
    return [(west + 30 * n, pole * (edge + chance.uniform(-3, 3))) for n in range(12)]


def wrapped(ring: Ring) -> str:
    """The ring as sources write it: longitudes within ±180°, so that it jumps where it crosses."""
    points = [*ring, ring[0]]
    return (
        "POLYGON ((" + ", ".join(f"{(lon + 180) % 360 - 180} {lat}" for lon, lat in points) + "))"
    )


def typed(ring: Ring) -> str:
    """The ring as people are to write it: longitudes that run on across 180°."""
    return str(shapely.Polygon(ring).wkt)


def unwrapped(ring: Ring, pole: int = 0) -> BaseGeometry:
    """The same on a map without an edge: what goes round a pole is closed along it."""
    if not pole:
        return shapely.make_valid(shapely.Polygon(ring))
    (west, lat), east = ring[0], ring[0][0] + 360
    return shapely.make_valid(
        shapely.Polygon([*ring, (east, lat), (east, 90 * pole), (west, 90 * pole)])
    )


def meet(one: BaseGeometry, other: BaseGeometry) -> bool:
    """Whether two shapes meet on a map that repeats itself to both sides."""
    return any(one.intersects(affinity.translate(other, xoff=360 * turn)) for turn in range(-2, 3))


def outlined(text: str) -> dict[str, Any]:
    shape = footprints.from_odata(text)
    assert shape is not None
    return {"footprint": shape.wkb} | {
        s: getattr(shape, s) for s in ("west", "south", "east", "north")
    }


def simple(ring: Ring) -> bool:
    """What crosses itself is mended, each program in its own way: that is another test's."""
    return shapely.Polygon(ring).is_valid


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32),
    lon=st.sampled_from([-180, -171, 0, 40, 175, 180]),
    lat=st.sampled_from([-88, -60, 0, 50, 86]),
)
def test_what_touches_an_area_is_what_shapely_says_on_a_map_without_an_edge(
    database: Database, seed: int, lon: float, lat: float
) -> None:
    chance = random.Random(seed)
    shapes: list[tuple[str, BaseGeometry]] = []
    for _ in range(12):
        place = lon + chance.uniform(-12, 12), lat + chance.uniform(-12, 12)
        ring = blob(chance, *place, chance.choice([0.3, 2, 9]))
        if simple(ring):
            shapes.append((wrapped(ring), unwrapped(ring)))
    for pole in (-1, 1):
        ring = cap(chance, pole, chance.uniform(75, 85))
        shapes.append((wrapped(ring), unwrapped(ring, pole)))
    images = [
        SatelliteImage(id=f"p{n}", source="s", name="n", collection="c", sensing_start=START + timedelta(days=n % 3), **outlined(text))
        for n, (text, _) in enumerate(shapes)
    ]  # fmt: skip
    nowhere = SatelliteImage(
        id="nowhere", source="s", name="n", collection="c", sensing_start=START
    )
    ring = blob(chance, lon + chance.uniform(-3, 3), lat, chance.choice([0.2, 3, 15]))
    if not simple(ring):
        return
    point = (
        (lon + chance.uniform(-3, 3) + 180) % 360 - 180,
        max(-90.0, min(90.0, lat + chance.uniform(-3, 3))),
    )
    cases = [
        (SearchFilters(geometry=typed(ring)), unwrapped(ring)),
        (SearchFilters(point=point), shapely.Point(point)),
        (SearchFilters(geometry=typed(ring), start_date=START + timedelta(days=1)), unwrapped(ring)),
    ]  # fmt: skip
    with database.engine.connect() as connection, connection.begin() as transaction:
        store(connection, [*images, nowhere], scope_id=None, at=NOW)
        for filters, area in cases:
            met = {
                image.id for image, (_, shape) in zip(images, shapes, strict=True)
                if meet(area, shape) and image.sensing_start in filters.interval
            }  # fmt: skip
            assert set(select.search(connection, filters)) == met
            assert select.count(connection, filters) == len(met)
            assert select.matching(connection, filters, [i.id for i in images]) == met
        transaction.rollback()


def test_an_area_of_very_many_parts_is_looked_up_in_few_boxes(database: Database) -> None:
    chance = random.Random(5)
    islands = [
        shapely.box(x, y, x + 0.01, y + 0.01)
        for x, y in ((chance.uniform(-180, 179), chance.uniform(-60, 60)) for _ in range(800))
    ]
    area = shapely.MultiPolygon(islands)
    images = [
        SatelliteImage(id=f"p{n}", source="s", name="n", collection="c", sensing_start=START,
                       **outlined(shapely.box(x, y, x + 3, y + 3).wkt))
        for n, (x, y) in enumerate((chance.uniform(-180, 177), chance.uniform(-60, 57)) for _ in range(300))
    ]  # fmt: skip
    with database.write() as connection:
        store(connection, images, scope_id=None, at=NOW)
        found = select.search(connection, SearchFilters(geometry=area.wkt))
    assert set(found) == {
        i.id for i in images if footprints.load(i.footprint or b"").intersects(area)
    }
    assert 0 < len(found) < 300
    from satcat.overlap import Area

    assert len(Area(area).boxes()) < 500


def test_points_lines_and_what_fills_a_box_are_found_too(database: Database) -> None:
    shapes = {
        "point inside": "POINT (1.1 1.1)", "point on the corner": "POINT (0 0)", "line along the edge": "LINESTRING (0 0, 0 2)",
        "line beside": "LINESTRING (-0.001 0, -0.001 2)", "the area": "POLYGON ((0 0, 2 0, 2 2, 0 2, 0 0))",
        "inside": "POLYGON ((1 1, 1.5 1, 1.5 1.5, 1 1))", "round it": "POLYGON ((-9 -9, 9 -9, 9 9, -9 9, -9 -9), (-1 -1, 3 -1, 3 3, -1 3, -1 -1))",
    }  # fmt: skip
    with database.write() as connection:
        images = [
            SatelliteImage(id=id, source="s", name="n", collection="c", sensing_start=START, **outlined(text))
            for id, text in shapes.items()
        ]  # fmt: skip
        store(connection, images, scope_id=None, at=NOW)
        assert set(select.search(connection, SearchFilters(bbox=(0, 0, 2, 2)))) == set(shapes) - {
            "line beside",
            "round it",
        }


@ANY_VALUE
def test_a_damaged_footprint_is_named_and_a_missing_one_is_nowhere(database: Database) -> None:
    with database.write() as connection:
        image = SatelliteImage(id="x", source="s", name="n", collection="c", sensing_start=START,
                               **outlined("POLYGON ((0 0, 2 0, 2 2, 0 2, 0 0))"))  # fmt: skip
        store(connection, [image], scope_id=None, at=NOW)
        everywhere, near = SearchFilters(bbox=(-9, -9, 9, 9)), SearchFilters(point=(1, 1))
        connection.execute(sa.text("UPDATE products SET footprint = x'0103'"))
        with pytest.raises(FootprintError, match="damaged"):
            select.count(connection, near)
        connection.execute(sa.text("UPDATE products SET footprint = NULL"))
        assert select.count(connection, near) == select.count(connection, everywhere) == 0


# How SQLite goes about it, whatever else is asked


OTHERS: dict[str, dict[str, Any]] = {
    "nothing": {}, "collection": {"collection": "SENTINEL-2"}, "name": {"name": "S2A_*"}, "contains": {"contains": "MSI"},
    "published": {"published_since": "2024-01-01"}, "online": {"online": True}, "where": {"where": "cloud_cover < 50 OR online"},
    "all": {"collection": "SENTINEL-2", "product_type": "S2MSI2A", "processing_level": "L2A", "platform": "S2A",
            "cloud_cover": 20, "name": "S2A_*", "relative_orbit": 1, "online": True, "published_since": "2024-01-01"},
}  # fmt: skip
WHEN: dict[str, dict[str, Any]] = {
    "any time": {}, "a month": {"start_date": "2024-07-01", "end_date": "2024-07-31"}, "since": {"start_date": "2024-07-01"},
}  # fmt: skip
PLACES: dict[str, dict[str, Any]] = {
    "point": {"point": (-2.0, 42.0)}, "box": {"bbox": (-3.0, 40.0, -2.0, 41.0)}, "tile": {"tile_id": "30TXM"},
    "tiles and box": {"tile_id": ["30TXM", "30TYM"], "bbox": (-3.0, 40.0, -2.0, 41.0)},
}  # fmt: skip
CHOICES: dict[str, dict[str, Any]] = {
    "latest": {"latest": True}, "best": {"best": "cloud", "per": ["tile", "month"], "limit": 3},
    "missing": {"not_downloaded": True},
}  # fmt: skip


@pytest.fixture(scope="module", params=["few", "many"])
def filled(
    request: pytest.FixtureRequest, catalogues: Catalogues, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    address = catalogues.new(tmp_path_factory.mktemp("filled") / "satcat.db")
    shape = outlined("POLYGON ((-3 40, -2 40, -2 41, -3 41, -3 40))")
    with Database.open(address) as database:
        with database.write() as connection:
            images = [
                SatelliteImage(
                    id=f"p{n}", source="s", name=f"S2A_MSI_{n}", collection="SENTINEL-2", product_type="S2MSI2A",
                    processing_level="L2A", platform="S2A", tile_id="30TXM" if n % 50 == 0 else "30TWM", cloud_cover=float(n % 100),
                    sensing_start=START + timedelta(hours=n), online=True, relative_orbit=1, publication_date=NOW, **shape,
                )
                for n in range(10 if request.param == "few" else 3000)
            ]  # fmt: skip
            store(connection, images, scope_id=None, at=NOW)
        yield database


@PLAN
@pytest.mark.parametrize("analysed", [False, True], ids=["fresh", "analysed"])
@pytest.mark.parametrize("place", PLACES)
def test_a_place_is_always_where_sqlite_starts(
    filled: Database, place: str, *, analysed: bool
) -> None:
    with filled.engine.connect() as connection, connection.begin() as transaction:
        if analysed:
            connection.exec_driver_sql("ANALYZE")
            # what SQLite makes of ten rows, which it knows to be ten, is its own business
            connection.exec_driver_sql(
                "UPDATE sqlite_stat1 SET stat = replace(stat, '10 ', '900 ') WHERE tbl = 'products'"
            )
            connection.exec_driver_sql("ANALYZE sqlite_schema")
        cases = [(other, when, {}) for other in OTHERS.values() for when in WHEN.values()]
        cases += [
            (OTHERS[o], WHEN["a month"], c) for o in ("nothing", "all") for c in CHOICES.values()
        ]
        for other, when, choice in cases:
            filters = SearchFilters(**PLACES[place], **other, **when)
            seen = plan(connection, filters, choice)
            wrong = [line for line in seen if line.startswith("SCAN products") or (
                line.startswith("SEARCH products USING") and "PRIMARY KEY (rowid=?)" not in line)]  # fmt: skip
            assert not wrong, (filters, choice, seen)
            if "tile" in place:
                assert any(
                    line.startswith("SEARCH tiled USING COVERING INDEX ix_products_tile (tile_id=?")
                    for line in seen
                ), seen
            if "tile" not in place or "collection" not in other:
                assert "SCAN entry VIRTUAL TABLE INDEX 2:B0D1B2D3D5B4" in seen
        transaction.rollback()


def plan(connection: sa.Connection, filters: SearchFilters, choice: dict[str, Any]) -> list[str]:
    """The lines of SQLite's plans for all that this runs."""
    ran: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        ran.append((statement, values))

    sa.event.listen(connection, "before_cursor_execute", note)
    try:
        list(select.rows(connection, filters, ["id"], **choice))
        select.count(connection, filters, **choice)
    finally:
        sa.event.remove(connection, "before_cursor_execute", note)
    lines = []
    for statement, values in ran:
        if not statement.startswith(("PRAGMA", "EXPLAIN")):
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            lines += [row.detail for row in rows]
    return lines


def test_reports_count_in_an_area_what_is_found_there(filled: Database) -> None:
    filters = SearchFilters(bbox=(-3.0, 40.0, -2.5, 41.0))
    with filled.read() as connection:
        rows = list(coverage.coverage(connection, filters))
        assert sum(row.products or 0 for row in rows) == select.count(connection, filters) > 0
        assert space.matches(connection, filters)
