"""SearchFilters: one form for every way of saying the same, and one line for what cannot be meant."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from satcat import times
from satcat.errors import FilterError, FootprintError, TileError, TimeError
from satcat.filters import SCOPE_FIELDS, SearchFilters, option
from satcat.times import Interval
from satcat.values import COLLECTIONS

SQUARE = "POLYGON ((0 0, 1 0, 1 1, 0 1, 0 0))"

NAMES = st.text(
    st.characters(codec="ascii", min_codepoint=33, max_codepoint=126), min_size=1, max_size=12
)
DEGREES = st.floats(-80, 80).map(lambda number: round(number, 3))
AREAS = st.one_of(
    st.builds(dict),
    st.builds(lambda w, s, e: {"bbox": (w, s, e + 90, s + 1)}, DEGREES, DEGREES, DEGREES),
    st.builds(lambda lon, lat: {"point": (lon, lat)}, DEGREES, DEGREES),
    st.just({"geometry": SQUARE}),
)
MOMENTS = st.datetimes(datetime(2015, 1, 1), datetime(2024, 1, 1), timezones=st.just(UTC))
FILTERS = st.builds(
    lambda area, **rest: SearchFilters(**rest, **area),
    AREAS,
    collection=st.none() | st.sampled_from(COLLECTIONS) | NAMES,
    start_date=st.none() | MOMENTS,
    end_date=st.none() | MOMENTS.map(lambda moment: moment.replace(year=2025)),
    processing_level=st.none() | st.sampled_from(["L1C", "l2a"]),
    tile_id=st.none() | st.lists(st.sampled_from(["30TWM", "T31TCJ", "203/033"]), min_size=1, max_size=3),
    contains=st.none() | NAMES | st.lists(NAMES, max_size=3),
    product_type=st.none() | NAMES,
    cloud_cover=st.none() | st.floats(0, 100) | st.integers(0, 100),
    name=st.none() | NAMES,
    relative_orbit=st.none() | st.integers(1, 175),
    orbit_direction=st.none() | st.sampled_from(["ascending", "DESC"]),
    platform=st.none() | st.sampled_from(["s2a", "S2B"]),
    published_since=st.none() | MOMENTS,
    online=st.none() | st.booleans(),
    where=st.none() | NAMES,
)  # fmt: skip


def test_the_order_of_arguments_is_that_of_sat_download():
    filters = SearchFilters(
        "SENTINEL-2", "2024-06-01", "2024-06-30", "L2A", SQUARE, "30TWM", "N0510"
    )
    assert filters == SearchFilters(
        collection="SENTINEL-2", start_date="2024-06-01", end_date="2024-06-30", processing_level="L2A",
        geometry=SQUARE, tile_id="30TWM", contains="N0510",
    )  # fmt: skip


@given(FILTERS)
def test_json_gives_the_same_filters_back(filters):
    text = filters.to_json()
    assert SearchFilters.from_json(text) == filters
    assert SearchFilters.from_json(text).to_json() == text


@given(FILTERS)
def test_filters_are_said_in_one_line_with_every_option(filters):
    said = str(filters)
    assert "\n" not in said
    for name in set(filters.set_names) - {"start_date", "end_date"}:
        assert option(name, getattr(filters, name)) in said.split()


@given(FILTERS)
def test_what_is_in_normal_form_stays_as_it_is(filters):
    again = SearchFilters(**{f.name: getattr(filters, f.name) for f in fields(filters) if f.init})
    assert again == filters
    assert hash(again) == hash(filters)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"tile_id": ["T31TCJ", "30twm", "30TWM"]}, {"tile_id": ("30TWM", "31TCJ")}),
        ({"tile_id": "203/33"}, {"tile_id": ["203033"]}),
        ({"collection": "sentinel-2"}, {"collection": COLLECTIONS.SENTINEL_2}),
        ({"collection": "sentinel-2"}, {"collection": COLLECTIONS.SENTINEL_2.value}),
        ({"processing_level": " l2a "}, {"processing_level": "L2A"}),
        ({"contains": "b"}, {"contains": ["b", "b"]}),
        ({"contains": ["b", "a"]}, {"contains": ("a", "b")}),
        ({"contains": []}, {}),
        ({"start_date": "2024-06-01"}, {"start_date": date(2024, 6, 1)}),
        ({"start_date": "2024-06-01"}, {"start_date": "2024-06-01T02:00:00+02:00"}),
        ({"end_date": "2024-06-30"}, {"end_date": "2024-07-01T00:00:00Z"}),
        ({"end_date": date(2024, 6, 30)}, {"end_date": datetime(2024, 7, 1, tzinfo=UTC)}),
        (
            {"end_date": datetime(2024, 7, 1)},
            {"end_date": datetime(2024, 7, 1, 2, tzinfo=timezone(timedelta(hours=2)))},
        ),
        ({"cloud_cover": "20"}, {"cloud_cover": 20.0}),
        ({"cloud_cover": "20 %"}, {"cloud_cover": 20}),
        ({"relative_orbit": "R094"}, {"relative_orbit": 94}),
        ({"collection": "Sentinel 2"}, {"collection": "SENTINEL-2"}),
        ({"collection": "sentinel5p"}, {"collection": "SENTINEL-5P"}),
        ({"processing_level": "2a"}, {"processing_level": "L2A"}),
        ({"processing_level": "Level-1C"}, {"processing_level": "L1C"}),
        ({"platform": "Sentinel-2A"}, {"platform": "S2A"}),
        ({"platform": "sentinel 5p"}, {"platform": "S5P"}),
        ({"tile_id": "30TWM,30TWN"}, {"tile_id": ["30TWN", "30TWM"]}),
        ({"bbox": "-3, 42, -2, 43"}, {"bbox": (-3, 42, -2, 43)}),
        ({"bbox": "(-3 42 -2 43)"}, {"bbox": (-3, 42, -2, 43)}),
        ({"bbox": (-3.00000000004, 42, -2, 43)}, {"bbox": (-3, 42, -2, 43)}),
        ({"point": "-3,42"}, {"point": (-3, 42)}),
        ({"relative_orbit": "137"}, {"relative_orbit": 137}),
        ({"orbit_direction": "asc"}, {"orbit_direction": "ASCENDING"}),
        ({"bbox": ["-3", "42", "-2", "43"]}, {"bbox": (-3.0, 42, -2, 43)}),
        ({"geometry": "POLYGON((0 0,1 0,1 1,0 1,0 0))"}, {"geometry": "POLYGON ((1 1, 0 1, 0 0, 1 0, 1 1))"}),
        (
            {"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]}},
            {"geometry": SQUARE},
        ),
    ],
)  # fmt: skip
def test_the_same_said_in_another_way_is_the_same_filter(one, other):
    assert SearchFilters(**one) == SearchFilters(**other)
    assert SearchFilters(**one).to_json() == SearchFilters(**other).to_json()


@pytest.mark.parametrize(
    ("field", "value", "named"),
    [
        ("collection", "", "--collection"),
        ("collection", 2, "--collection"),
        ("start_date", "June", "--start"),
        ("start_date", "2024-02-30", "--start"),
        ("start_date", 20240601, "--start"),
        ("end_date", "9999-12-31", "--end"),
        ("processing_level", "  ", "--level"),
        ("geometry", "POLYGON ((0 0, 1", "--geometry"),
        ("geometry", 5, "--geometry"),
        ("geometry", {"type": "Polygon"}, "--geometry"),
        ("tile_id", "30TIO", "--tile"),
        ("tile_id", ["30TWM", "nowhere"], "--tile"),
        ("tile_id", 30, "--tile"),
        ("tile_id", [], "--tile"),
        ("tile_id", " , ", "--tile"),
        ("contains", ["a", ""], "--contains"),
        ("contains", "a\nb", "--contains"),
        ("contains", 5, "--contains"),
        ("product_type", "S2\x00", "--product-type"),
        ("cloud_cover", 100.5, "--cloud"),
        ("cloud_cover", -1, "--cloud"),
        ("cloud_cover", float("nan"), "--cloud"),
        ("cloud_cover", "few", "--cloud"),
        ("cloud_cover", [20], "--cloud"),
        ("bbox", (1, 2, 3), "--bbox"),
        ("bbox", 5, "--bbox"),
        ("bbox", (0, 10, 1, 5), "--bbox"),
        ("bbox", (0, 0, 1, 91), "--bbox"),
        ("bbox", list("WSEN"), "--bbox"),
        ("point", (1,), "--point"),
        ("point", (42, 181), "--point"),
        ("point", (float("inf"), 0), "--point"),
        ("name", "", "--name"),
        ("relative_orbit", 0, "--relative-orbit"),
        ("relative_orbit", 1.5, "--relative-orbit"),
        ("relative_orbit", "first\nsecond", "--relative-orbit"),
        ("orbit_direction", "up", "--orbit-direction"),
        ("orbit_direction", "up\ndown", "--orbit-direction"),
        ("platform", 2, "--platform"),
        ("published_since", "recently", "--published-since"),
        ("online", "yes", "--online"),
        ("online", 1, "--online"),
        ("where", "", "--where"),
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_in_one_line_that_names_its_option(
    field, value, named
):
    with pytest.raises(FilterError) as raised:
        SearchFilters(**{field: value})
    said = str(raised.value)
    assert said.startswith(f"{named}: ")
    assert "\n" not in said


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"start_date": "June"}, TimeError),
        ({"tile_id": "30TIO"}, TileError),
        ({"geometry": "POINT (1"}, FootprintError),
    ],
)
def test_a_refusal_keeps_its_kind(given, kind):
    with pytest.raises(kind):
        SearchFilters(**given)


def test_an_interval_that_ends_before_it_starts_is_refused():
    with pytest.raises(TimeError, match="2024-06-30"):
        SearchFilters(start_date="2024-06-30", end_date="2024-06-01")
    assert SearchFilters(start_date="2024-06-30", end_date="2024-06-30").interval == Interval(
        times.parse_bound("2024-06-30"), times.parse_bound("2024-07-01")
    )


def test_two_areas_at_once_are_refused():
    with pytest.raises(FilterError, match="bbox and point"):
        SearchFilters(bbox=(0, 0, 1, 1), point=(0, 0))


def test_an_area_across_180_degrees_is_two_pieces():
    area = SearchFilters(bbox=(179, -10, -179, 10)).area
    assert area is not None
    assert sorted(piece.bounds for piece in shapely.get_parts(area)) == [
        (-180, -10, -179, 10),
        (179, -10, 180, 10),
    ]


def test_filters_left_open_narrow_nothing():
    filters = SearchFilters()
    assert filters.set_names == []
    assert (filters.tiles, filters.texts, filters.area) == ((), (), None)
    assert filters.interval == Interval()
    assert (filters.to_json(), str(filters)) == ("{}", "")


def test_a_filter_of_false_is_set():
    filters = SearchFilters(online=False, cloud_cover=0)
    assert filters.set_names == ["cloud_cover", "online"]
    assert str(filters) == "--cloud 0.0 --offline"


def test_refusing_names_the_option_and_the_reason():
    filters = SearchFilters(cloud_cover=20, collection="SENTINEL-2")
    filters.refuse(["online", "where"], "not here")
    with pytest.raises(FilterError, match="--cloud: mirror without it"):
        filters.refuse(["online", "cloud_cover"], "mirror without it")


def test_another_interval_leaves_the_rest():
    filters = SearchFilters("SENTINEL-2", "2024-01-01", tile_id="30TWM", online=True)
    june = Interval(times.parse_bound("2024-06-01"), None)
    assert filters.within(june) == SearchFilters(
        "SENTINEL-2", "2024-06-01", tile_id="30TWM", online=True
    )


def test_filters_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        SearchFilters().collection = "SENTINEL-2"  # type: ignore[misc]


def test_the_fields_of_a_scope_are_fields_of_filters():
    assert set(SCOPE_FIELDS) < {f.name for f in fields(SearchFilters)}
    assert not {"cloud_cover", "online", "start_date", "end_date"} & set(SCOPE_FIELDS)


def test_the_json_is_readable_by_others():
    text = SearchFilters("SENTINEL-2", end_date="2024-06-30", tile_id="30TWM").to_json()
    assert json.loads(text) == {
        "collection": "SENTINEL-2",
        "end_date": "2024-07-01T00:00:00.000000Z",
        "tile_id": ["30TWM"],
    }
