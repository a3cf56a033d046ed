"""A filter means the same online and offline: whatever is asked of the source and of its mirror, both give the same."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple

import pytest
import shapely
import shapely.affinity
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from satcat import footprints, tiles
from satcat.api.http import HttpClient, Retries
from satcat.api.odata import ODataAPI
from satcat.catalogue import Catalogue
from satcat.errors import FilterError, TimeError
from satcat.filters import SearchFilters
from satcat.products import SatelliteImage, SearchResults
from satcat.sandbox import Sandbox
from satcat.sandbox.records import TypedValue
from tests.engines import Catalogues

COLLECTIONS = ("SENTINEL-1", "SENTINEL-2", "SENTINEL-3", "SENTINEL-5P")
SPAIN = tiles.intersecting(footprints.from_bbox(-6, 39, 2, 45))
NOW = "2025-06-01T00:00:00Z"


class Both(NamedTuple):
    """A source and its complete mirror."""

    api: ODataAPI
    catalogue: Catalogue
    better_known: set[str]
    images: list[SatelliteImage]


@pytest.fixture(scope="module")
def both(catalogues: Catalogues, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    address = catalogues.new(tmp_path_factory.mktemp("same") / "satcat.db")
    with Sandbox(products=600, seed=11, now=NOW) as sandbox, Catalogue.open(address) as catalogue:
        better_known = set()
        for collection in COLLECTIONS:
            for fields in ODD:
                sandbox.catalogue.publish(collection=collection, **fields)
            for fields in BETTER_KNOWN:
                better_known.add(sandbox.catalogue.publish(collection=collection, **fields))
        api = ODataAPI(
            catalogue_url=sandbox.catalogue_url, download_url=sandbox.download_url, token_url=sandbox.token_url,
            http=HttpClient(retries=Retries(attempts=3, first_wait=0.01)),
        )  # fmt: skip
        for collection in COLLECTIONS:
            catalogue.sync(api, SearchFilters(collection=collection))
        images = sorted(catalogue.search(SearchFilters()).values(), key=lambda image: image.id)
        yield Both(api, catalogue, better_known, images)
        api.close()


#: Products as sources have them too.
ODD: list[dict[str, Any]] = [
    {"attributes": {}},
    {"footprint": None},
    {"online": False},
    {"cloud_cover": None},
    {"cloud_cover": 0.0},
    {"cloud_cover": 100.0},
    {"attributes": {"cloudCover": TypedValue(12, "Double")}},
    {"attributes": {"productType": TypedValue(7, "String")}, "name": "seven"},
    {"attributes": {"relativeOrbitNumber": 0}, "name": "no orbit"},
    {"attributes": {"orbitDirection": "DESCENDING"}},
    {"attributes": {"processingLevel": "L9", "tileId": "99XXX", "platformSerialIdentifier": "Z"}},
    {"style": "2023"},
    {"name": "S2A_OPER_PRD_MSIL1C_PDMC_20160101T120000_R094_V20151231T110000_20151231T110000.SAFE"},
    {"name": "S1A_OPER_AUX_POEORB_OPOD_20240601T070000_V20240511T225942_20240513T005942.EOF"},
    {"name": "it's 100%_of-[x] & more?=*.zip"},
    {"name": "nothing"},
    # split at 180°; how the service itself reads a ring that is not, nothing tells
    {"footprint": "MULTIPOLYGON (((179 40, 180 40, 180 42, 179 40)), ((-180 40, -179 40, -180 42, -180 40)))"},
    {"footprint": "POINT (-3 42)"},
]  # fmt: skip

#: What lacks or mistypes an attribute that its name, or the value itself, tells all the same: found offline alone.
BETTER_KNOWN: list[dict[str, Any]] = [
    {"attributes": {"productType": ""}},
    {"attributes": {"productType": TypedValue("S2MSI2A", "Integer")}},
    {"attributes": {"cloudCover": TypedValue("12.5", "String")}},
    {"attributes": {"relativeOrbitNumber": TypedValue("64", "String")}},
    {"attributes": {"relativeOrbitNumber": TypedValue("64", "Integer")}},
    {"attributes": {"orbitDirection": "descending"}},
]


TYPES = (
    "S2MSI1C", "S2MSI2A", "IW_GRDH_1S", "IW_SLC__1S", "AUX_POEORB", "OL_1_EFR___", "L2__NO2___", "it's none",
)  # fmt: skip
WORDS = ("N0510", "_T30", "S1A", "IW", "_R094_", "'", "it's", "%", "_", "[x]", "&", "OPER", "nrti")
NAMES = (
    "S2A*",
    "*.SAFE",
    "*NO2*",
    "S1A_IW*.SAFE",
    "nothing",
    "*",
    "*_O_NT_*",
    "it's*",
    "*[x]*",
    "S2?_*",
    "[S]2A*",
)
AREAS: list[dict[str, Any]] = [
    {"bbox": (-4, 41, -2, 43)}, {"bbox": (178, 39, -178, 43)}, {"bbox": (-180, -90, 180, 90)},
    {"point": (-3.0, 42.0)}, {"point": (0.0, 0.0)}, {"geometry": "POLYGON((-5 40,1 40,1 44,-5 40))"},
    {"geometry": "MULTIPOLYGON(((-5 40,-4 40,-4 44,-5 40)),((0 40,1 40,1 44,0 40)))"},
]  # fmt: skip
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "product_type": st.sampled_from(TYPES),
    "processing_level": st.sampled_from(["L0", "L1", "L1B", "L1C", "L2", "L2A", "l2a"]),
    "tile_id": st.lists(
        st.sampled_from(["30TWM", "30TVN", "31TCG", "T30TXM", "202030"]), min_size=1, max_size=3
    ),
    "contains": st.lists(st.sampled_from(WORDS), min_size=1, max_size=2),
    "name": st.sampled_from(NAMES),
    "cloud_cover": st.sampled_from([0, 12, 12.5, 20, 99.99, 100]),
    "relative_orbit": st.sampled_from([1, 64, 94, 137, 1000]),
    "orbit_direction": st.sampled_from(["ASCENDING", "descending"]),
    "platform": st.sampled_from(["S1A", "S1B", "Sentinel-2A", "s2b", "S3A", "S5P"]),
    "online": st.booleans(),
    "start_date": st.sampled_from(
        ["2024-03-01", "2024-06-01T10:30:00.5Z", "2024-06-01T12:30:00.123456789+02:00"]
    ),
    "end_date": st.sampled_from(["2024-06-30", "2024-10-01T00:00:00Z"]),
    "published_since": st.sampled_from(["2024-05-01", "2025-06-01"]),
}


@st.composite
def areas(draw: st.DrawFn) -> dict[str, Any]:
    """An area where products are, or across 180°: a box, a point, a polygon, with or without a hole, or two of them."""
    lon = draw(st.floats(-6, 2) | st.floats(178.5, 181.5))
    lat = draw(st.floats(39, 45))
    kind = draw(st.sampled_from(["bbox", "point", "points", "polygon", "holed", "two"]))
    if kind == "point":
        return {"point": (lon - 360 if lon > 180 else lon, lat)}
    if kind == "points":
        return {"geometry": f"MULTIPOINT ({lon!r} {lat!r}, {lon - 1!r} {lat!r})"}
    width, height = draw(st.floats(1e-6, 2)), draw(st.floats(1e-6, 3))
    if kind == "bbox":
        sides = (lon, lat, lon + width, lat + height)
        return {"bbox": tuple(side - 360 if side > 180 else side for side in sides)}
    count = draw(st.integers(3, 7))
    angles = [2 * math.pi * step / count + draw(st.floats(0, 0.5)) for step in range(count)]
    shell = [(lon + width * math.cos(angle), lat + height * math.sin(angle)) for angle in angles]
    whole: Any = shapely.Polygon(shell)
    if kind == "holed":
        whole = whole.difference(shapely.affinity.scale(whole, 0.5, 0.5))
    if kind == "two":
        whole = shapely.union_all([whole, shapely.affinity.translate(whole, -3 * width, 0.1)])
    return {"geometry": whole.wkt}


@st.composite
def filters(draw: st.DrawFn) -> SearchFilters:
    """One collection and one to three filters."""
    names = draw(st.lists(st.sampled_from([*FIELDS, "area"]), min_size=1, max_size=3, unique=True))
    chosen = {name: draw(FIELDS[name]) for name in names if name != "area"}
    area = draw(st.sampled_from(AREAS) | areas()) if "area" in names else {}
    return SearchFilters(collection=draw(st.sampled_from(COLLECTIONS)), **chosen, **area)


def instants(value: datetime) -> st.SearchStrategy[str]:
    """The very instant, or one a little off, with any number of decimals and any offset."""
    moved = st.sampled_from([0, 1, -1, 1000, -1000, 499_999, -500_001])
    near = moved.map(lambda by: value + timedelta(microseconds=by))
    return st.tuples(near, st.integers(-14, 14)).map(
        lambda at: at[0].astimezone(timezone(timedelta(hours=at[1]))).isoformat()
    )


@st.composite
def filters_near(draw: st.DrawFn, image: SatelliteImage) -> SearchFilters:
    """Filters that one product just meets, or just misses."""
    name, shape = image.name, image.footprint and footprints.load(image.footprint)
    cut = draw(st.integers(1, len(name)))
    corner = tuple(shapely.get_coordinates(shape)[0].tolist()) if shape else (0.0, 0.0)
    near: dict[str, st.SearchStrategy[Any]] = {
        "start_date": instants(image.sensing_start), "end_date": instants(image.sensing_start),
        "published_since": instants(image.publication_date or image.sensing_start),
        "name": st.sampled_from([name, f"{name[:cut]}*", f"*{name[-cut:]}", f"*{name[cut // 2 : cut]}*",
                                 f"{name[:cut]}*{name[cut + 3 :]}", f"{name[: cut // 2]}*{name[-3:]}", name.lower()]),
        "contains": st.sampled_from([name[cut - 1 : cut + 9], name[:cut], name[-cut:]]),
        "cloud_cover": st.sampled_from([image.cloud_cover or 0, round(image.cloud_cover or 0, 1)]),
        "product_type": st.just(image.product_type or "none"),
        "processing_level": st.just(image.processing_level or "L0"),
        "platform": st.just(image.platform or "S2A"),
        "relative_orbit": st.just(image.relative_orbit or 1),
        "orbit_direction": st.just(image.orbit_direction or "ASCENDING"),
        "online": st.booleans(),
        "point": st.just(corner),
    }  # fmt: skip
    if image.tile_id is not None:
        others = st.lists(st.sampled_from(SPAIN), max_size=60)
        near["tile_id"] = others.map(lambda tiles: [image.tile_id or "", *tiles])
    names = draw(st.lists(st.sampled_from(list(near)), min_size=1, max_size=4, unique=True))
    return SearchFilters(collection=image.collection, **{n: draw(near[n]) for n in names})


def plain(results: SearchResults) -> SearchResults:
    """The results less what only a catalogue knows."""
    return {
        id: replace(image, first_seen_at=None, changed_at=None) for id, image in results.items()
    }


@given(asked=filters())
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_filter_gives_the_same_products_in_the_same_order_online_and_offline(
    both: Both, asked: SearchFilters
) -> None:
    compare(both, asked)


@given(data=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_filters_that_a_product_just_meets_or_misses_say_so_online_and_offline(
    both: Both, data: st.DataObject
) -> None:
    image = data.draw(st.sampled_from(both.images), label="near")
    try:
        asked = data.draw(filters_near(image), label="asked")
    except TimeError:  # an end that is not after the start
        event("no time")
        return
    compare(both, asked)


@pytest.mark.long
@pytest.mark.timeout(3600)
@given(asked=filters())
@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck))
def test_ten_thousand_filters_give_the_same_online_and_offline(
    both: Both, asked: SearchFilters
) -> None:
    compare(both, asked)


def compare(both: Both, asked: SearchFilters) -> None:
    """Ask the source and the catalogue, and compare."""
    try:
        online = both.api.search(asked)
    except FilterError:
        event("refused")
        return
    offline = plain(both.catalogue.search(asked))
    event("some" if online else "none")
    only_here = both.better_known - online.keys()
    expected = {id: image for id, image in offline.items() if id not in only_here}
    assert expected == online
    assert list(expected) == list(online)
