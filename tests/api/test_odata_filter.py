"""SearchFilters as OData: what is asked for, and what is refused."""

from __future__ import annotations

import fnmatch
from itertools import product as combinations
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satcat import times
from satcat.api import odata_filter
from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.sandbox import odata as grammar
from satcat.times import Interval


def clauses(**fields: Any) -> list[str]:
    return odata_filter.product_clauses(SearchFilters(**{"collection": "SENTINEL-2"} | fields))


def test_the_collection_comes_first() -> None:
    found = clauses(product_type="S2MSI2A", processing_level="L2A", tile_id="30TWM")
    assert found == [
        "Collection/Name eq 'SENTINEL-2'",
        "contains(Name,'MSIL2A')",
        "contains(Name,'_T30TWM_')",
        "Attributes/OData.CSC.StringAttribute/any(att:att/Name eq 'productType' and "
        "att/OData.CSC.StringAttribute/Value eq 'S2MSI2A')",
    ]


@pytest.mark.parametrize(
    ("fields", "clause"),
    [
        ({"platform": "S2B"}, "startswith(Name,'S2B_')"),
        ({"relative_orbit": 51}, "contains(Name,'_R051_')"),
        (
            {"tile_id": ["31TCG", "30TWM"]},
            "(contains(Name,'_T30TWM_') or contains(Name,'_T31TCG_'))",
        ),
        ({"online": True}, "Online eq true"),
        ({"online": False}, "Online eq false"),
        ({"published_since": "2024-06-01"}, "PublicationDate ge 2024-06-01T00:00:00.000000Z"),
        ({"contains": "N05'10"}, "contains(Name,'N05''10')"),
        (
            {"cloud_cover": 20},
            "Attributes/OData.CSC.DoubleAttribute/any(att:att/Name eq 'cloudCover' and "
            "att/OData.CSC.DoubleAttribute/Value le 20.00)",
        ),
        (
            {"collection": "SENTINEL-1", "relative_orbit": 51},
            "Attributes/OData.CSC.IntegerAttribute/any(att:att/Name eq 'relativeOrbitNumber' and "
            "att/OData.CSC.IntegerAttribute/Value eq 51)",
        ),
        (
            {"collection": "SENTINEL-1", "orbit_direction": "asc"},
            "Attributes/OData.CSC.StringAttribute/any(att:att/Name eq 'orbitDirection' and "
            "att/OData.CSC.StringAttribute/Value eq 'ASCENDING')",
        ),
        (
            {"bbox": (1, 2, 3, 4)},
            "OData.CSC.Intersects(area=geography'SRID=4326;POLYGON((3 2,3 4,1 4,1 2,3 2))')",
        ),
    ],
)
def test_each_filter_has_its_clause(fields: dict[str, Any], clause: str) -> None:
    assert clauses(**fields)[1:] == [clause]


def test_an_area_across_180_degrees_is_asked_for_in_two_parts() -> None:
    [clause] = clauses(bbox=(170, -10, -170, 10))[1:]
    assert (
        clause.startswith("(OData.CSC.Intersects(")
        and clause.count(" or OData.CSC.Intersects(") == 1
    )


def test_a_tile_means_its_footprint_where_names_have_none() -> None:
    [clause] = clauses(collection="SENTINEL-3", tile_id="30TWM")[1:]
    assert clause.startswith("OData.CSC.Intersects(area=geography'SRID=4326;POLYGON((")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"collection": None}, "--collection"),
        ({"where": "cloud_cover < 5"}, "--where"),
        ({"orbit_direction": "ASCENDING"}, "--orbit-direction"),
        ({"collection": "SENTINEL-1", "cloud_cover": 20}, "--cloud"),
        ({"collection": "SENTINEL-5P", "relative_orbit": 5}, "--relative-orbit"),
        ({"collection": "COP-DEM", "processing_level": "L2"}, "--level"),
        ({"platform": "S3A"}, "--platform"),
        ({"tile_id": "203033"}, "--tile"),
        ({"name": "S2?_*"}, "--name"),
        ({"name": "S2*T30*SAFE"}, "--name"),
        ({"name": "*S2*T30*"}, "--name"),
        ({"name": "ab*ba"}, "--name"),
    ],
)
def test_what_cannot_be_said_is_refused_by_its_option(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(FilterError, match=words):
        clauses(**fields)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("S2A_X.SAFE", ["Name eq 'S2A_X.SAFE'"]),
        ("S2A*", ["startswith(Name,'S2A')"]),
        ("*.SAFE", ["endswith(Name,'.SAFE')"]),
        ("*T30TWM*", ["contains(Name,'T30TWM')"]),
        ("**T30TWM**", ["contains(Name,'T30TWM')"]),
        ("S2A*.SAFE", ["startswith(Name,'S2A')", "endswith(Name,'.SAFE')"]),
        ("*", []),
    ],
)
def test_simple_patterns_are_said_exactly(pattern: str, expected: list[str]) -> None:
    assert clauses(name=pattern)[1:] == expected


def test_every_pattern_that_is_said_means_the_same_as_the_pattern() -> None:
    texts = ["".join(letters) for n in range(5) for letters in combinations("ab", repeat=n)]
    checks = {"startswith": str.startswith, "endswith": str.endswith, "contains": str.__contains__}
    said = 0
    for letters in (p for n in range(1, 5) for p in combinations("ab*", repeat=n)):
        pattern = "".join(letters)
        try:
            found = clauses(name=pattern)[1:]
        except FilterError:
            continue
        said += 1
        for text in texts:
            meant = all(
                text == clause[9:-1]
                if clause.startswith("Name eq")
                else checks[clause.partition("(")[0]](text, clause.split("'")[1])
                for clause in found
            )
            assert meant == fnmatch.fnmatchcase(text, pattern), (pattern, text, found)
    assert said > 60


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0.00"),
        (20, "20.00"),
        (20.005, "20.005"),
        (0.00001, "0.00001"),
        (99.999999, "99.999999"),
    ],
)
def test_no_digit_of_the_cloud_cover_is_lost(number: float, text: str) -> None:
    assert clauses(cloud_cover=number)[1].endswith(f"Value le {text})")


def test_deletions_are_not_asked_for_by_attributes() -> None:
    filters = SearchFilters(
        collection="SENTINEL-2", product_type="S2MSI2A", cloud_cover=5, processing_level="L2A", platform="S2A",
        online=True, published_since="2024-01-01", relative_orbit=51, contains="N0510",
    )  # fmt: skip
    assert odata_filter.name_clauses(filters) == [
        "Collection/Name eq 'SENTINEL-2'", "startswith(Name,'S2A_')", "contains(Name,'MSIL2A')",
        "contains(Name,'_R051_')", "contains(Name,'N0510')",
    ]  # fmt: skip


def test_an_interval_is_half_open() -> None:
    interval = Interval(times.parse("2024-06-01T00:00:00Z"), times.parse("2024-07-01T00:00:00.5Z"))
    assert odata_filter.interval_clauses("ContentDate/Start", interval) == [
        "ContentDate/Start ge 2024-06-01T00:00:00.000000Z",
        "ContentDate/Start lt 2024-07-01T00:00:00.500000Z",
    ]
    assert odata_filter.interval_clauses("ContentDate/Start", Interval()) == []


_TILES = [
    f"{zone:02d}{band}{column}{row}"
    for zone in (30, 31)
    for band in "TU"
    for column in "UVW"
    for row in "KLMNPQRS"
]


def test_many_tiles_are_cut_into_parts_that_fit_into_a_request() -> None:
    from satcat.tiles import exists

    tiles = [tile for tile in _TILES if exists(tile)]
    filters = SearchFilters(collection="SENTINEL-2", tile_id=tiles, processing_level="L2A")
    parts = odata_filter.slices(filters)
    assert [tile for part in parts for tile in part.tiles] == sorted(tiles)
    for part in parts:
        assert len(part.tiles) <= 50
        assert len(quote_plus(" and ".join(odata_filter.product_clauses(part)))) <= 3600
        assert part.processing_level == "L2A"
    assert odata_filter.slices(filters) == parts


def test_footprints_of_tiles_are_cut_as_well() -> None:
    tiles = ["30TWM", "30TWN", "30TVM", "30TVN", "30TXM", "30TXN", "31TCG", "31TCH"]
    parts = odata_filter.slices(SearchFilters(collection="SENTINEL-3", tile_id=tiles))
    assert [tile for part in parts for tile in part.tiles] == sorted(tiles)
    for part in parts:
        assert len(quote_plus(" and ".join(odata_filter.product_clauses(part)))) <= 3600


def test_an_area_too_long_for_a_request_is_refused() -> None:
    ring = [(i / 10, (i % 7) / 1000 + (0 if i < 900 else 5)) for i in range(900)]
    corners = ", ".join(f"{x} {y}" for x, y in [*ring, (89.9, 5), (0, 5), ring[0]])
    with pytest.raises(FilterError, match="ask for --bbox"):
        clauses(geometry=f"POLYGON (({corners}))")


def test_filters_without_tiles_are_one_part() -> None:
    filters = SearchFilters(collection="SENTINEL-2")
    assert odata_filter.slices(filters) == [filters]


@given(
    st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1).filter(lambda t: t.strip())
)
def test_any_text_stays_one_literal(text: str) -> None:
    [clause] = clauses(contains=text)[1:]
    parsed = grammar.parse(clause, {"Name": "text"})
    assert isinstance(parsed, grammar.Text)
    assert parsed.text == text.strip()
