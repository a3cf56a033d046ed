"""Picking products: the SELECT against plain Python, and what SQLite makes of it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Connection

from satcat import footprints, names, select, tiles, times
from satcat.conditions import check_where
from satcat.database import Database
from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.footprints import Footprint
from satcat.products import SatelliteImage
from satcat.sync.store import store
from tests.engines import PLAN, Catalogues

Make = Callable[..., SatelliteImage]

NOW = times.parse_bound("2024-09-01")
START = times.parse("2024-06-01T12:00:00Z")


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as opened:
        yield opened


def keep(connection: Connection, *images: SatelliteImage) -> None:
    store(connection, images, scope_id=None, at=NOW)


def outlined(footprint: Footprint | None) -> dict[str, Any]:
    if footprint is None:
        return {}
    box = {side: getattr(footprint, side) for side in ("west", "south", "east", "north")}
    return {"footprint": footprint.wkb, **box}


def ids(connection: Connection, filters: SearchFilters, **choice: Any) -> list[str]:
    return [product.id for product in select.iterate(connection, filters, **choice)]


# The oracle


def means(filters: SearchFilters, product: SatelliteImage) -> bool:
    """What the filters mean, one product at a time."""
    equal = ("collection", "product_type", "processing_level", "platform", "relative_orbit",
             "orbit_direction", "online")  # fmt: skip
    pattern = re.escape(filters.name or "*").replace(r"\*", ".*").replace(r"\?", ".")
    published = product.publication_date
    return (
        all(getattr(filters, n) in (None, getattr(product, n)) for n in equal)
        and product.sensing_start in filters.interval
        and (filters.published is None or (published is not None and published >= filters.published))
        and (filters.cloud_cover is None or (product.cloud_cover is not None and product.cloud_cover <= filters.cloud_cover))
        and all(text in product.name for text in filters.texts)
        and re.fullmatch(pattern, product.name) is not None
        and (not filters.tiles or any(is_of(product, tile, filters.collection) for tile in filters.tiles))
        and (filters.area is None or touches(product, filters.area))
    )  # fmt: skip


def is_of(product: SatelliteImage, tile: str, collection: str | None) -> bool:
    if collection is None:
        return product.tile_id == tile or (
            product.tile_id is None and touches(product, tiles.footprint(tile))
        )
    if names.tile_marker(collection, tile) is None:
        return touches(product, tiles.footprint(tile))
    return product.tile_id == tile


def touches(product: SatelliteImage, area: BaseGeometry) -> bool:
    return product.footprint is not None and footprints.load(product.footprint).intersects(area)


TILES = ("30TWM", "30TXM", "01NAB", "60NYG")
OUTLINES = [
    None,
    *(footprints.of(tiles.footprint(tile)) for tile in TILES),
    footprints.from_odata("POLYGON ((170 0, -170 0, -170 10, 170 10, 170 0))"),
    footprints.from_odata("POLYGON ((0 -80, 90 -80, 180 -80, -90 -80, 0 -80))"),
    footprints.from_odata("POLYGON ((-5 40, -1 40, -1 44, -5 44, -5 40))"),
    footprints.from_odata("POINT (-180 5)"),
]
# Near 12:00, where a day is a number that the R*Tree's float32 holds exactly.
MOMENTS = [
    START + timedelta(microseconds=offset)
    for offset in (-86_400_000_000, -500, -400, -1, 0, 1, 400, 500, 600, 86_400_000_000)
]
LABELS = ("S2A_MSIL2A_x", "S2A_MSIL1C_[x]", "S1A_IW_msil2a", "S3A_y*z", "S2A?")

image_fields = st.fixed_dictionaries(
    {
        "name": st.sampled_from(LABELS),
        "collection": st.sampled_from(["SENTINEL-1", "SENTINEL-2", "SENTINEL-3"]),
        "product_type": st.sampled_from([None, "S2MSI2A", "S2MSI1C"]),
        "processing_level": st.sampled_from([None, "L2A", "L1C"]),
        "platform": st.sampled_from([None, "S2A", "S1A"]),
        "tile_id": st.sampled_from([None, *TILES]),
        "relative_orbit": st.sampled_from([None, 1, 2]),
        "orbit_direction": st.sampled_from([None, "ASCENDING"]),
        "cloud_cover": st.sampled_from([None, 0.0, 20.0, 20.5, 100.0]),
        "sensing_start": st.sampled_from(MOMENTS),
        "publication_date": st.sampled_from([None, *MOMENTS]),
        "online": st.sampled_from([None, True, False]),
        "outline": st.sampled_from(OUTLINES),
    }
)
areas = st.one_of(
    st.just({}),
    st.sampled_from([
        {"bbox": (175.0, 1.0, -175.0, 2.0)}, {"bbox": (-180.0, -90.0, 180.0, -85.0)},
        {"bbox": (-3.5, 41.0, -3.0, 41.5)}, {"bbox": (10.0, 10.0, 11.0, 11.0)},
        {"point": (180.0, 5.0)}, {"point": (-2.0, 42.0)}, {"point": (50.0, -85.0)},
        {"geometry": "MULTIPOLYGON (((-2 41, -1 41, -1 42, -2 41)), ((179 1, 181 1, 181 2, 179 1)))"},
    ]),
)  # fmt: skip
moment_pairs = st.sampled_from([
    (None, None), *itertools.combinations([None, *MOMENTS], 2), (MOMENTS[4], None), (MOMENTS[6], None),
])  # fmt: skip


values = {
    "collection": st.sampled_from(["SENTINEL-1", "SENTINEL-2", "SENTINEL-3"]),
    "tile_id": st.lists(st.sampled_from(TILES), min_size=1, max_size=3),
    "product_type": st.just("S2MSI2A"),
    "processing_level": st.just("L2A"),
    "platform": st.just("S2A"),
    "contains": st.sampled_from(["MSIL2A", ["S2A", "x"], "*", "["]),
    "name": st.sampled_from(["*", "S2A*", "*x", "S2A_MSIL1C_[x]", "S3A_y*z", "????", "*MSIL2A*"]),
    "relative_orbit": st.just(1),
    "orbit_direction": st.just("ASCENDING"),
    "cloud_cover": st.sampled_from([0, 20, 100]),
    "published_since": st.sampled_from(MOMENTS),
    "online": st.booleans(),
}


@st.composite
def filters_(draw: st.DrawFn) -> SearchFilters:
    """A few filters at a time: of many at once, nothing would be left to tell them by."""
    chosen = draw(st.lists(st.sampled_from(["tile_id", *values]), max_size=3))
    start, end = draw(moment_pairs)
    picked = {name: draw(values[name]) for name in chosen}
    return SearchFilters(start_date=start, end_date=end, **picked, **draw(areas))


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(image_fields, max_size=8), filters=filters_())
def test_the_select_means_what_the_filters_mean(
    database: Database, rows: list[dict[str, Any]], filters: SearchFilters
) -> None:
    images = [
        SatelliteImage(id=f"p{n}", source="cdse", **outlined(row.pop("outline")), **row)
        for n, row in enumerate(rows)
    ]
    expected = sorted(
        (image for image in images if means(filters, image)),
        key=lambda image: (-image.sensing_start.timestamp(), image.id),
    )
    with database.engine.connect() as connection, connection.begin() as transaction:
        keep(connection, *images)
        found = select.search(connection, filters)
        assert list(found) == [image.id for image in expected]
        assert all(found[image.id].content_hash == image.content_hash for image in expected)
        assert select.count(connection, filters) == len(expected)
        assert select.matching(connection, filters, [i.id for i in images] + ["?"]) == set(found)
        transaction.rollback()


def test_a_product_comes_back_as_it_was_stored(connection: Connection, make_product: Make) -> None:
    outline = outlined(OUTLINES[5])
    image = make_product(**outline, attributes={"a": 1, "b": None}, eviction_date=NOW, md5="0" * 32)
    keep(connection, image)
    (found,) = select.iterate(connection, SearchFilters())
    assert (found.first_seen_at, found.changed_at) == (NOW, NOW)
    assert found.content_hash == image.content_hash
    assert found.attributes == {"a": 1, "b": None}
    assert (found.west, found.east) == (170, -170)


def test_thousands_of_tiles_are_one_statement(connection: Connection, make_product: Make) -> None:
    every = tiles.intersecting(footprints.from_bbox(-30, 0, 60, 70))[:5000]
    assert len(every) == 5000
    keep(
        connection,
        make_product(id="in", tile_id=every[-1]),
        make_product(id="out", tile_id="01NAB"),
    )
    assert ids(connection, SearchFilters(tile_id=every)) == ["in"]
    assert ids(connection, SearchFilters(collection="SENTINEL-2", tile_id=every)) == ["in"]


def test_a_tile_of_the_other_grid_is_refused_as_it_is_online(connection: Connection) -> None:
    with pytest.raises(FilterError, match="MGRS"):
        select.count(connection, SearchFilters(collection="SENTINEL-2", tile_id="203033"))


def test_a_sensing_start_just_before_the_end_is_not_lost_in_the_spatial_index(
    connection: Connection, make_product: Make
) -> None:
    # SQLite's julianday() takes this for noon, and the R*Tree's float32 holds noon exactly
    almost = START - timedelta(microseconds=400)
    keep(connection, make_product(id="almost", sensing_start=almost, **outlined(OUTLINES[-2])))
    end = START - timedelta(microseconds=100)
    assert ids(connection, SearchFilters(end_date=end, point=(-2, 42))) == ["almost"]


def test_the_ends_of_time_can_be_asked_for(connection: Connection, make_product: Make) -> None:
    keep(connection, make_product(id="a", **outlined(OUTLINES[-2])))
    ever = SearchFilters(
        start_date="0001-01-01", end_date="9999-12-31T23:59:59.999999Z", point=(-2, 42)
    )
    assert ids(connection, ever) == ["a"]


def test_with_the_collection_left_open_a_footprint_stands_in_for_a_missing_tile_id_only(
    connection: Connection, make_product: Make
) -> None:
    on_tile = outlined(OUTLINES[1])
    keep(
        connection,
        make_product(id="named", tile_id="30TWM"),
        make_product(id="touching", collection="SENTINEL-3", tile_id=None, **on_tile),
        make_product(id="neighbour", tile_id="30TXM", **on_tile),
    )
    assert ids(connection, SearchFilters(tile_id="30TWM")) == ["named", "touching"]
    assert ids(connection, SearchFilters(tile_id="30TWM", collection="SENTINEL-2")) == ["named"]
    assert ids(connection, SearchFilters(tile_id="30TWM", collection="SENTINEL-3")) == ["touching"]


# Order and choice


def test_sorting_puts_unknown_values_last_either_way(
    connection: Connection, make_product: Make
) -> None:
    keep(connection, *(make_product(id=str(c), cloud_cover=c) for c in (None, 3.0, 1.0)))
    assert ids(connection, SearchFilters(), sort="cloud") == ["1.0", "3.0", "None"]
    assert ids(connection, SearchFilters(), sort="-cloud_cover") == ["3.0", "1.0", "None"]
    assert ids(connection, SearchFilters(), sort="cloud", limit=1) == ["1.0"]


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"sort": "cloud_covr"}, "--sort cloud_covr: there is no such column; did you mean cloud_cover"),
        ({"sort": "footprint"}, "no such column"),
        ({"sort": "-xyzzy;"}, "`satcat schema`"),
        ({"best": "clod", "per": ["tile"]}, "--best clod: there is no such column; did you mean cloud"),
        ({"best": "cloud", "per": ["moon"]}, "--per moon: "),
        ({"best": "cloud"}, "belong together"),
        ({"per": ["tile"]}, "belong together"),
        ({"best": "cloud", "per": []}, "belong together"),
        ({"limit": 0}, "--limit 0"),
        ({"covers": 0.5}, "--covers 0.5: of which area? give --bbox, or --geometry"),
        ({"covers": 80}, "--covers 80: give a share above 0 and up to 1"),
        ({"covers": float("nan")}, "--covers nan: give a share"),
    ],
)  # fmt: skip
def test_a_choice_that_cannot_be_meant_is_refused(
    connection: Connection, choice: dict[str, Any], words: str
) -> None:
    for use in (select.count, ids, select.select_products):
        with pytest.raises(FilterError, match=re.escape(words)):
            use(connection, SearchFilters(point=(1, 2)), **choice)


@pytest.mark.parametrize("name", ["lates", "columns", "order_by"])
def test_a_choice_that_there_is_not_is_no_choice_of_everything(
    connection: Connection, name: str
) -> None:
    given: dict[str, Any] = {name: True}
    for use in (select.count, ids, select.select_products, select.search):
        with pytest.raises(TypeError, match=name):
            use(connection, SearchFilters(), **given)


def s2(
    baseline: str, made: str, *, level: str = "L2A", tile: str = "30TWM", platform: str = "S2A"
) -> dict[str, Any]:
    """What a Sentinel-2 product's name says, in its columns too."""
    name = f"{platform}_MSI{level}_20240601T120000_N{baseline.replace('.', '')}_R137_T{tile}_{made}T151112.SAFE"
    return {
        "name": name, "platform": platform, "processing_level": level, "product_type": f"S2MSI{level[1:]}",
        "processing_baseline": baseline, "tile_id": tile, "sensing_start": START,
    }  # fmt: skip


def test_latest_keeps_the_highest_baseline_then_the_newest_publication(
    connection: Connection, make_product: Make
) -> None:
    later = START + timedelta(days=9)
    keep(
        connection,
        make_product(id="old", publication_date=later, **s2("02.14", "20250101")),
        make_product(id="new", **s2("05.10", "20240601") | {"sensing_start": START + timedelta(milliseconds=24)}),
        make_product(id="again", publication_date=later, **s2("05.10", "20240602")),
        make_product(id="for a test", publication_date=later, **s2("99.99", "20250101")),
        make_product(id="l1c", **s2("02.14", "20240601", level="L1C")),
        make_product(id="beside", **s2("02.14", "20240601", tile="30TXM")),
        make_product(id="twin", **s2("99.99", "20240601", platform="S2B")),
    )  # fmt: skip
    assert set(ids(connection, SearchFilters(), latest=True)) == {"again", "l1c", "beside", "twin"}
    assert ids(connection, SearchFilters(where="id IN ('old', 'for a test')"), latest=True) == [
        "old"
    ]


def test_latest_goes_by_the_columns_where_a_name_is_of_no_known_kind(
    connection: Connection, make_product: Make
) -> None:
    strip = {
        "name": "any", "tile_id": None, "collection": "SENTINEL-3", "sensing_start": START, "product_type": "OL_1_EFR___",
    }  # fmt: skip
    numbered = strip | {"name": "numbered", "product_type": "numbered", "sensing_end": START}
    keep(
        connection,
        make_product(id="a", sensing_end=START + timedelta(minutes=3), **strip),
        make_product(id="b", sensing_end=START + timedelta(minutes=6), **strip),
        make_product(id="c", sensing_end=START + timedelta(minutes=6), processing_baseline="3.1", **strip),
        make_product(id="d", **strip | {"product_type": None}),
        make_product(id="e", **strip | {"product_type": None}),
        make_product(id="nine", processing_baseline="9.2", **numbered),
        make_product(id="ten", processing_baseline="10.1", **numbered),
        make_product(id="test", processing_baseline="99.99", **numbered),
    )  # fmt: skip
    assert set(ids(connection, SearchFilters(), latest=True)) == {"a", "c", "d", "e", "ten"}


def test_best_takes_one_product_a_group(connection: Connection, make_product: Make) -> None:
    july = START + timedelta(days=30)
    keep(
        connection,
        make_product(id="june", cloud_cover=30.0, sensing_start=START),
        make_product(id="clear june", cloud_cover=5.0, sensing_start=START),
        make_product(id="unknown", cloud_cover=None, sensing_start=START),
        make_product(id="july", cloud_cover=None, sensing_start=july),
        make_product(id="elsewhere", cloud_cover=99.0, sensing_start=july, tile_id="30TXM"),
    )
    best = {"best": "cloud", "per": ["tile", "month"]}
    assert ids(connection, SearchFilters(), **best) == ["elsewhere", "july", "clear june"]
    assert ids(connection, SearchFilters(), best="-cloud", per=["year"]) == ["elsewhere"]
    assert ids(connection, SearchFilters(), best="cloud", per=["day"], limit=1) == ["elsewhere"]
    assert ids(connection, SearchFilters(), best="cloud", per="tile, month") == ids(
        connection, SearchFilters(), **best
    )
    assert ids(connection, SearchFilters(tile_id="30TWM"), best="size", per=["type"]) == ["july"]


# Raw SQL


@pytest.mark.parametrize(
    "where",
    ["1) OR (1", "1; DELETE FROM products", "1 --", "1 /* ", "'open", '"open', "[open", "(1", "nope = 1", "cloud_cover >",
     "cloud_cover > ?", "cloud_cover > :x", "cloud_cover > @x", "count(*) > 1", "id = 'a', 1", "nope()"],
)  # fmt: skip
def test_a_condition_that_is_none_is_refused_in_one_line(
    connection: Connection, where: str
) -> None:
    for use in (select.count, check_where, ids):
        with (
            pytest.raises(FilterError, match="--where") as caught,
            connection.begin_nested(),
        ):
            use(connection, SearchFilters(where=where))
        assert "\n" not in str(caught.value)


@pytest.mark.sqlite_only("says it in SQLite's words")
@pytest.mark.parametrize(
    "where",
    ["name LIKE '%(x)s%'", "name LIKE '%;%' OR 1", "name != '--' AND name != ')'", "name != 'it''s'", "\"id\" = 'a'",
     "id IN (SELECT id FROM products WHERE cloud_cover < 20)", "[id] = 'a' OR cloud_cover IS NULL",
     "sensing_start < '2024-06-04T11:30:00' OR name = ':x ?'", "json_extract(attributes, '$.a') = 1"],
)  # fmt: skip
def test_a_condition_is_taken_as_sqlite_takes_it(
    connection: Connection, make_product: Make, where: str
) -> None:
    keep(connection, make_product(id="a", name="x%(x)s;", attributes={"a": 1}))
    keep(
        connection, make_product(id="b", collection="SENTINEL-3", name="x%(x)s;", cloud_cover=30.0)
    )
    plain = list(
        connection.exec_driver_sql(f"SELECT id FROM products WHERE {where} ORDER BY id").scalars()
    )
    assert "a" in plain
    assert sorted(ids(connection, SearchFilters(where=where))) == plain
    assert ids(connection, SearchFilters(collection="SENTINEL-2", where=f"0 OR {where}")) == ["a"]


def test_an_error_while_rows_are_read_is_told_as_the_condition_s(
    connection: Connection, make_product: Make
) -> None:
    keep(connection, make_product())
    with pytest.raises(FilterError, match=r"overflow|out of range"):
        ids(connection, SearchFilters(where="abs(-9223372036854775808 + 0 * size_bytes) > 0"))


# One product


def test_a_product_is_found_by_id_name_and_beginning(
    connection: Connection, make_product: Make
) -> None:
    keep(
        connection,
        make_product(id="12345678-a", name="S2A_X.SAFE"),
        make_product(id="12345678-b", name="S2A_X"),
        make_product(id="abcdefgh-c", name="S5P_Y.nc"),
        make_product(id="other", name="S2A_XY.SAFE"),
    )

    def found(text: str) -> list[str]:
        return [product.id for product in select.find(connection, text)]

    assert found("12345678-a") == ["12345678-a"]
    assert found(" S2A_X ") == found("S2A_X.SAFE.zip") == ["12345678-a", "12345678-b"]
    assert found("S5P_Y") == found("abcdefgh") == ["abcdefgh-c"]
    assert found("S2A_") == found("abcdefg") == found("") == found(".SAFE") == found("%" * 9) == []
    with pytest.raises(FilterError, match="12345678-a, 12345678-b"):
        found("12345678")


# How SQLite goes about it


def plan(connection: Connection, use: Callable[[], Any]) -> str:
    """How SQLite goes about all that this runs."""
    ran: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, values: Any, *___: Any) -> None:
        ran.append((statement, values))

    sa.event.listen(connection, "before_cursor_execute", note)
    try:
        use()
    finally:
        sa.event.remove(connection, "before_cursor_execute", note)
    plans = [
        connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values) for text, values in ran
    ]
    return "\n".join(row.detail for rows in plans for row in rows)


@pytest.fixture(scope="module")
def crowded(
    catalogues: Catalogues, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connection]:
    """A catalogue of 4,000 products, most of one collection, as planners see it who know nothing of tiles."""
    address = catalogues.new(tmp_path_factory.mktemp("crowded") / "satcat.db")
    with Database.open(address) as database, database.engine.connect() as connection:
        ids_ = tiles.intersecting(footprints.from_bbox(-5, 38, 5, 48))[:100]
        shapes = {tile: outlined(footprints.of(tiles.footprint(tile))) for tile in ids_}
        images = [
            SatelliteImage(
                id=f"p{n}", source="cdse", name=f"S2A_{n}", collection="SENTINEL-2" if n % 10 else "SENTINEL-3",
                product_type="S2MSI2A", sensing_start=START + timedelta(hours=n),
                tile_id=ids_[n % 100] if n % 10 else None, **shapes[ids_[n % 100]],
            )
            for n in range(4000)
        ]  # fmt: skip
        with connection.begin():
            keep(connection, *images)
        yield connection


MONTH = {"start_date": "2024-07-01", "end_date": "2024-07-31"}
#: Boxes first, and all six bounds given to the R*Tree.
RTREE = "SCAN box VIRTUAL TABLE INDEX 1:\nSCAN entry VIRTUAL TABLE INDEX 2:B0D1B2D3D5B4\n"
USES = [
    ({"tile_id": "30TXM"}, "ix_products_tile"),
    ({"collection": "SENTINEL-2", "tile_id": "30TXM", "product_type": "S2MSI2A"}, "ix_products_tile"),
    ({"collection": "SENTINEL-2", "tile_id": ["30TXM", "30TYM"], **MONTH}, "ix_products_tile"),
    ({"collection": "SENTINEL-2", "point": (-2.0, 42.0), **MONTH}, RTREE),
    ({"collection": "SENTINEL-2", "product_type": "S2MSI2A", "bbox": (-3.0, 40.0, -2.0, 41.0)}, RTREE),
    ({"collection": "SENTINEL-3", "tile_id": "30TXM", **MONTH}, RTREE),
    ({"tile_id": "30TXM", **MONTH}, RTREE),
    ({"collection": "SENTINEL-2", **MONTH}, "ix_products_collection"),
    ({"name": "S2A_7*"}, "ix_products_name"),
]  # fmt: skip


@PLAN
@pytest.mark.parametrize("analysed", [False, True], ids=["fresh", "analysed"])
@pytest.mark.parametrize(("chosen", "index"), USES)
def test_the_index_that_fits_is_used(
    crowded: Connection, chosen: dict[str, Any], index: str, analysed: bool
) -> None:
    with crowded.begin() as transaction:
        if analysed:
            crowded.exec_driver_sql("ANALYZE")
        seen = plan(crowded, lambda: ids(crowded, SearchFilters(**chosen)))
        transaction.rollback()
    assert index in seen
    if index == RTREE or "tile_id" in chosen:
        assert "SEARCH products USING INTEGER PRIMARY KEY (rowid=?)" in seen
    assert "SCAN products\n" not in f"{seen}\n"
