"""Choosing among the products that match: window functions against plain Python, step by step."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import shapely
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely.geometry.base import BaseGeometry

from satcat import footprints, scenes, select, times
from satcat.catalogue import Catalogue
from satcat.database import Database
from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.models import downloads, products
from satcat.products import SatelliteImage
from satcat.sync.store import store

Make = Callable[..., SatelliteImage]
NOW = times.parse_bound("2024-09-01")
START = times.parse("2024-06-01T12:00:00Z")
AREA = "POLYGON ((10 40, 12 40, 12 42, 10 42, 10 40))"
WHOLE = shapely.from_wkt(AREA)
GEOD = Geod(ellps="WGS84")


def add(database: Database, *images: SatelliteImage) -> None:
    with database.write() as connection:
        store(connection, images, scope_id=None, at=NOW)


def ids(database: Database, filters: SearchFilters, **choice: Any) -> list[str]:
    with database.read() as connection:
        return [row.id for row in select.rows(connection, filters, ["id"], **choice)]


def outlined(wkt: str | None) -> dict[str, Any]:
    if wkt is None:
        return {}
    shape = footprints.from_odata(wkt)
    assert shape is not None
    return {"footprint": shape.wkb} | {
        s: getattr(shape, s) for s in ("west", "south", "east", "north")
    }


# The oracle: products one at a time, in Python


def shown(image: SatelliteImage) -> tuple[Any, ...]:
    return (-image.sensing_start.timestamp(), image.id)


def first_of_each(
    images: list[SatelliteImage],
    key: Callable[[SatelliteImage], Any],
    order: Callable[[SatelliteImage], Any],
) -> list[SatelliteImage]:
    ranked = sorted(images, key=lambda image: (repr(key(image)), order(image)))
    return [
        next(group) for _, group in itertools.groupby(ranked, key=lambda image: repr(key(image)))
    ]


def scene(image: SatelliteImage) -> Any:
    if named := scenes.scene(image.name):
        return image.collection, named
    if image.platform is None or image.product_type is None:
        return image.id
    end = image.sensing_end and times.to_text(image.sensing_end)[:19]
    strip = None if image.tile_id else (end, image.absolute_orbit)
    return (
        image.collection, image.platform, image.product_type, image.processing_level, image.tile_id,
        times.to_text(image.sensing_start)[:19], strip,
    )  # fmt: skip


def down(value: float | None) -> tuple[bool, float]:
    return value is None, -(value or 0)


def age(image: SatelliteImage) -> Any:
    """Least for the newest version."""
    said = scenes.version(image.name)
    known = None if said in (None, "9999") else int("".join(c for c in said if c.isdigit()))
    baseline = image.processing_baseline
    published = image.publication_date
    return (
        down(known), baseline == "99.99", down(None if baseline is None else float(baseline)),
        down(published and published.timestamp()), image.id,
    )  # fmt: skip


def by(column: str) -> Callable[[SatelliteImage], Any]:
    name = column.removeprefix("-")
    sign = -1 if column.startswith("-") else 1

    def key(image: SatelliteImage) -> Any:
        value = getattr(image, name)
        return value is None, sign * (value or 0), *shown(image)

    return key


def chosen(
    images: list[SatelliteImage], held: set[str], *, latest: bool = False, best: str | None = None,
    per: list[str] | None = None, not_downloaded: bool = False, sort: str | None = None, limit: int | None = None,
) -> list[str]:  # fmt: skip
    if latest:
        images = first_of_each(images, scene, age)
    if best:
        images = first_of_each(
            images, lambda image: [GROUPS[name](image) for name in per or ()], by(best)
        )
    if not_downloaded:
        images = [image for image in images if image.id not in held]
    return [image.id for image in sorted(images, key=by(sort) if sort else shown)][:limit]


GROUPS: dict[str, Callable[[SatelliteImage], Any]] = {
    "tile": lambda image: image.tile_id,
    "month": lambda image: times.to_text(image.sensing_start)[:7],
    "day": lambda image: times.to_text(image.sensing_start)[:10],
    "orbit": lambda image: image.relative_orbit,
}
NAMES = [
    "S2A_MSIL2A_20240601T120000_N0510_R137_T30TWM_20240601T151112.SAFE",
    "S2A_MSIL2A_20240601T120000_N0511_R137_T30TWM_20240701T151112.SAFE",
    "S2A_MSIL2A_20240601T120000_N9999_R137_T30TWM_20240801T151112.SAFE",
    "S5P_OFFL_L2__CH4____20240601T120000_20240601T123039_21566_02_020301_20211213T011659.nc",
    "S5P_RPRO_L2__CH4____20240601T120000_20240601T123039_21566_03_020400_20221115T080826.nc",
    "any", "other",
]  # fmt: skip
image_fields = st.fixed_dictionaries(
    {
        "name": st.sampled_from(NAMES),
        "collection": st.sampled_from(["SENTINEL-2", "SENTINEL-3"]),
        "product_type": st.sampled_from([None, "S2MSI2A"]),
        "platform": st.sampled_from([None, "S2A", "S2B"]),
        "tile_id": st.sampled_from([None, "30TWM"]),
        "processing_baseline": st.sampled_from([None, "02.14", "10.00", "9.50", "99.99"]),
        "relative_orbit": st.sampled_from([None, 1, 2]),
        "cloud_cover": st.sampled_from([None, 0.0, 20.0, 20.5]),
        "size_bytes": st.sampled_from([None, 1, 2]),
        "sensing_start": st.sampled_from([START, START + timedelta(milliseconds=24), START + timedelta(days=40)]),
        "sensing_end": st.sampled_from([None, START, START + timedelta(minutes=3)]),
        "publication_date": st.sampled_from([None, START, START + timedelta(days=9)]),
        "outline": st.sampled_from([None, AREA, "POLYGON ((11 40, 12 40, 12 42, 11 42, 11 40))", "POLYGON ((179 40, 181 40, 181 42, 179 40))"]),
    }
)  # fmt: skip
choices = st.fixed_dictionaries(
    {},
    optional={
        "latest": st.booleans(),
        "not_downloaded": st.booleans(),
        "sort": st.sampled_from(["cloud_cover", "-cloud_cover", "-size_bytes", "relative_orbit"]),
        "limit": st.integers(1, 4),
    },
)
bests = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {
            "best": st.sampled_from(["cloud_cover", "-cloud_cover", "size_bytes"]),
            "per": st.lists(st.sampled_from(list(GROUPS)), min_size=1, max_size=2, unique=True),
        }
    ),
)
given_filters = st.sampled_from(
    [
        {}, {"cloud_cover": 20}, {"collection": "SENTINEL-2"}, {"tile_id": "30TWM"}, {"geometry": AREA},
        {"bbox": (10.0, 40.0, 10.5, 41.0), "collection": "SENTINEL-2"}, {"bbox": (-180.0, 30.0, 180.0, 60.0), "cloud_cover": 20},
    ]
)  # fmt: skip
statuses = st.sampled_from(
    [None, ("done", None), ("done", "*.xml"), ("queued", None), ("failed", None)]
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(st.tuples(image_fields, statuses), max_size=12),
    asked=given_filters,
    choice=choices,
    best=bests,
)
def test_what_is_chosen_is_what_plain_python_chooses(
    database: Database,
    rows: list[Any],
    asked: dict[str, Any],
    choice: dict[str, Any],
    best: dict[str, Any],
) -> None:
    images = [
        SatelliteImage(id=f"p{n}", source="cdse", **outlined(row.pop("outline")), **row)
        for n, (row, _) in enumerate(rows)
    ]
    area = SearchFilters(**asked).area
    covers = {"covers": 0.5} if "geometry" in asked and best else {}
    held = {
        image.id
        for image, (_, status) in zip(images, rows, strict=True)
        if status == ("done", None)
    }
    matching = [
        image for image in images
        if asked.get("collection") in (None, image.collection)
        and ("tile_id" not in asked or image.tile_id == asked["tile_id"])
        and ("cloud_cover" not in asked or (image.cloud_cover is not None and image.cloud_cover <= 20))
        and (area is None or (image.footprint and footprints.load(image.footprint).intersects(area)))
        and (not covers or footprints.load(image.footprint or b"").intersection(WHOLE).area >= 1.9)
    ]  # fmt: skip
    with database.engine.connect() as connection, connection.begin() as transaction:
        store(connection, images, scope_id=None, at=NOW)
        for image, (_, status) in zip(images, rows, strict=True):
            if status:
                connection.execute(
                    sa.insert(downloads).values(
                        product_id=image.id, status=status[0], include=status[1]
                    )
                )
        filters = SearchFilters(**asked)
        expected = chosen(matching, held, **choice, **best)
        options = {**choice, **best, **covers}
        assert [
            row.id for row in select.rows(connection, filters, ["id"], **choice, **best)
        ] == expected
        assert select.count(connection, filters, **options) == len(expected)
        transaction.rollback()


# The order of the steps


def test_the_best_is_sought_among_the_latest_and_what_is_missing_among_the_best(
    database: Database, make_product: Make
) -> None:
    scene_ = {"platform": "S2A", "product_type": "x", "name": "any"}
    add(
        database,
        make_product(
            id="old", cloud_cover=1.0, processing_baseline="04.00", sensing_start=START, **scene_
        ),
        make_product(
            id="new", cloud_cover=9.0, processing_baseline="05.10", sensing_start=START, **scene_
        ),
        make_product(
            id="later", cloud_cover=5.0, sensing_start=START + timedelta(days=5), **scene_
        ),
        make_product(
            id="july", cloud_cover=50.0, sensing_start=START + timedelta(days=40), **scene_
        ),
    )
    monthly: dict[str, Any] = {"latest": True, "best": "cloud", "per": ["tile", "month"]}
    assert ids(database, SearchFilters(), **monthly) == ["july", "later"]
    with database.write() as connection:
        connection.execute(sa.insert(downloads).values(product_id="later", status="done"))
    # not the second best of June: the best is at hand
    assert ids(database, SearchFilters(), **monthly, not_downloaded=True) == ["july"]
    assert ids(database, SearchFilters(), best="cloud", per=["month"], limit=1, sort="cloud") == [
        "old"
    ]


def test_marking_takes_the_same_choice_and_is_the_same_again(address, make_product: Make) -> None:
    with Catalogue.open(address) as catalogue:
        add(
            catalogue.database,
            make_product(id="clear", cloud_cover=1.0, **outlined(AREA)),
            make_product(id="cloudy", cloud_cover=9.0, **outlined(AREA)),
            make_product(id="elsewhere", cloud_cover=0.0),
        )
        filters = SearchFilters(point=(11, 41))
        choice: dict[str, Any] = {"best": "cloud", "per": ["tile"], "not_downloaded": True}
        assert catalogue.count(filters, **choice) == len(catalogue.search(filters, **choice)) == 1
        assert catalogue.mark(filters, dry_run=True, **choice).new == 1
        assert catalogue.mark(filters, **choice).new == 1
        assert catalogue.mark(filters, **choice).already == 1
        assert list(catalogue.sql("SELECT product_id FROM downloads")) == [("clear",)]
        with pytest.raises(FilterError, match="latest"):
            catalogue.mark(["clear"], latest=True)


# A share of the area


def geodesic(area: BaseGeometry) -> float:
    """The area in m², by another library's geodesics, edges straight in lon/lat."""
    return abs(GEOD.geometry_area_perimeter(shapely.segmentize(area, 0.02))[0])


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32), lon=st.sampled_from([-180, -179.5, 0, 33.3, 179, 180]),
    lat=st.sampled_from([-84, -30, 0, 45, 80]), share=st.floats(0.05, 1),
)  # fmt: skip
def test_a_share_of_the_area_is_of_its_square_kilometres(
    database: Database, seed: int, lon: float, lat: float, share: float
) -> None:
    chance = random.Random(seed)

    def shape(size: float) -> list[tuple[float, float]]:
        x, y = lon + chance.uniform(-1, 1), lat + chance.uniform(-1, 1)
        return [(x - size * chance.uniform(0.5, 1), y - size), (x + size, y - size * chance.uniform(0.3, 1)),
                (x + size * chance.uniform(0.5, 1), y + size), (x - size, y + size)]  # fmt: skip

    area = shapely.Polygon(shape(1.5))
    outlines = [shapely.Polygon(shape(chance.uniform(0.5, 3))) for _ in range(5)]
    images = [
        SatelliteImage(id=f"p{n}", source="cdse", name="n", collection="c", sensing_start=START, **outlined(outline.wkt))
        for n, outline in enumerate(outlines)
    ]  # fmt: skip
    shares = {
        f"p{n}": geodesic(area & outline) / geodesic(area) for n, outline in enumerate(outlines)
    }
    with database.engine.connect() as connection, connection.begin() as transaction:
        store(connection, images, scope_id=None, at=NOW)
        found = select.search(connection, SearchFilters(geometry=area.wkt), covers=share)
        transaction.rollback()
    near = {id for id, value in shares.items() if abs(value - share) < 1e-4}
    assert set(found) - near == {id for id, value in shares.items() if value >= share} - near


def test_a_share_counts_only_what_is_known_to_be_covered(
    database: Database, make_product: Make
) -> None:
    add(
        database,
        make_product(id="all", **outlined(AREA)),
        make_product(id="half", **outlined("POLYGON ((10 39, 11 39, 11 43, 10 43, 10 39))")),
        make_product(id="edge", **outlined("POLYGON ((9 40, 10 40, 10 42, 9 42, 9 40))")),
        make_product(id="line", **outlined("LINESTRING (10 40, 12 42)")),
        make_product(id="unknown"),
    )
    filters = SearchFilters(geometry=AREA)
    assert set(ids(database, filters)) == {"all", "half", "edge", "line"}
    assert ids(database, filters, covers=1) == ["all"]
    assert (
        set(ids(database, filters, covers=0.5))
        == set(ids(database, filters, covers=1e-9))
        == {"all", "half"}
    )
    assert ids(database, SearchFilters(bbox=(10, 40, 12, 42)), covers=0.51, sort="name") == ["all"]


def test_an_outline_that_crosses_itself_covers_what_lies_in_its_lobes(
    database: Database, make_product: Make
) -> None:
    bow = "POLYGON ((9 39, 13 43, 13 39, 9 43, 9 39))"
    add(database, make_product(id="whole", **outlined(AREA)), make_product(id="bow"))
    with database.write() as connection:
        crossed = {"footprint": shapely.from_wkt(bow).wkb} | dict(
            zip(("west", "south", "east", "north"), (9.0, 39.0, 13.0, 43.0), strict=True)
        )
        connection.execute(sa.update(products).where(products.c.id == "bow").values(**crossed))
    filters = SearchFilters(geometry=AREA)
    assert set(ids(database, filters, covers=0.4)) == {"whole", "bow"}
    assert ids(database, filters, covers=0.6) == ["whole"]
