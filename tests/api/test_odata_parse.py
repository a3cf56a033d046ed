"""Records of CDSE: real ones lose nothing, hostile ones break nothing."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from satcat import times
from satcat.api import odata_fields, odata_parse
from satcat.api.base import Deletion, Listed, Reject
from satcat.products import SatelliteImage

ID = "05edf2bb-d103-49f1-a677-9e474138d84f"
NAME = "S2A_MSIL1C_20200808T010311_N0500_R045_T54PXA_20230413T212505.SAFE"
MD5 = "a7443f2e7186a5c114c951c9a24979ea"
BLAKE3 = "62768a5a51dd61ad4f3f92d3c9926b66fafb1ee945f0e30b0e6ecd0c1590822d"


def attribute(name: str, value: object, kind: str = "String") -> dict[str, object]:
    return {
        "@odata.type": f"#OData.CSC.{kind}Attribute",
        "Name": name,
        "Value": value,
        "ValueType": kind,
    }


def record(**overrides: object) -> dict[str, object]:
    return {
        "Id": ID,
        "Name": NAME,
        "ContentLength": 224105657,
        "OriginDate": "2023-08-22T13:50:20.043000Z",
        "PublicationDate": "2023-08-23T09:26:23.105134Z",
        "ModificationDate": "2024-05-08T14:55:49.434177Z",
        "Online": True,
        "EvictionDate": "9999-12-31T23:59:59.999999Z",
        "S3Path": "/eodata/Sentinel-2/x.SAFE",
        "Checksum": [
            {"Value": MD5, "Algorithm": "MD5", "ChecksumDate": "2024-03-13T10:47:45.298465Z"},
            {"Value": BLAKE3, "Algorithm": "BLAKE3", "ChecksumDate": "2024-03-13T10:47:57.259964Z"},
        ],
        "ContentDate": {"Start": "2020-08-08T01:03:11.024Z", "End": "2020-08-08T01:03:11.024Z"},
        "Footprint": "geography'SRID=4326;POLYGON ((1 2, 3 2, 3 4, 1 4, 1 2))'",
        "GeoFootprint": {
            "type": "Polygon",
            "coordinates": [[[1, 2], [3, 2], [3, 4], [1, 4], [1, 2]]],
        },
        "Attributes": [attribute("cloudCover", 95.13, "Double")],
    } | overrides


def read(**overrides: object) -> SatelliteImage:
    row = odata_parse.product(record(**overrides), "SENTINEL-2").row
    assert isinstance(row, SatelliteImage)
    return row


def warnings(**overrides: object) -> list[str]:
    return odata_parse.product(record(**overrides), "SENTINEL-2").warnings


def with_attributes(*attributes: dict[str, object], **overrides: object) -> SatelliteImage:
    return read(Attributes=list(attributes), **overrides)


# --- real records


def _records(value: Any) -> Iterator[dict[str, Any]]:
    """Every product or deletion in a recorded file, at whatever depth."""
    if isinstance(value, dict):
        if {"Id", "Name", "ContentDate"} <= value.keys():
            yield value
        for item in value.values():
            yield from _records(item)
    elif isinstance(value, list):
        for item in value:
            yield from _records(item)


@pytest.fixture(scope="session")
def real_records(recorded: Path) -> list[dict[str, Any]]:
    found = [
        item
        for path in sorted((recorded / "odata").glob("*.json"))
        for item in _records(json.loads(path.read_text()))
    ]
    assert len(found) > 30
    return found


def _collection(name: str) -> str:
    return {"S1": "SENTINEL-1", "S2": "SENTINEL-2", "S3": "SENTINEL-3", "S5": "SENTINEL-5P"}.get(
        name[:2], "CCM"
    )


#: Attributes that a column holds, if it holds exactly their value. Platforms and levels have their own ways.
COLUMNS = {
    "productType": "product_type", "processingLevel": "processing_level", "processing:level": "processing_level",
    "processingBaseline": "processing_baseline", "instrumentShortName": "instrument", "tileId": "tile_id",
    "relativeOrbitNumber": "relative_orbit", "orbitNumber": "absolute_orbit", "orbitDirection": "orbit_direction",
    "polarisationChannels": "polarisation", "cloudCover": "cloud_cover", "beginningDateTime": "sensing_start",
    "endingDateTime": "sensing_end",
}  # fmt: skip


def _assert_found_again(image: SatelliteImage, name: str, value: object) -> None:
    if name in image.attributes:
        kept = image.attributes[name]
        assert kept == value and type(kept) is type(value)
        return
    if name in ("platformShortName", "platformSerialIdentifier"):
        platform = str(image.platform)
        assert value in (f"SENTINEL-{platform[1]}", platform[2:])
        return
    held = getattr(image, COLUMNS[name])
    if name == "processingLevel" and held != value:
        held = image.product_type
    if name.endswith("DateTime"):
        value = times.parse(str(value))
    else:
        assert isinstance(held, str) == isinstance(value, str)
    assert held == value


def test_every_recorded_record_is_read_and_each_attribute_found_again(
    real_records: list[dict[str, Any]],
) -> None:
    for item in real_records:
        parsed = odata_parse.product(item, _collection(item["Name"]))
        image = parsed.row
        assert isinstance(image, SatelliteImage), parsed
        assert (image.id, image.name) == (item["Id"], item["Name"])
        assert image.size_bytes == (item["ContentLength"] or None)
        for attribute_ in item.get("Attributes") or []:
            if attribute_:
                _assert_found_again(image, attribute_["Name"], attribute_["Value"])


def test_recorded_dates_are_read_as_instants(real_records: list[dict[str, Any]]) -> None:
    columns = {"OriginDate": "origin_date", "PublicationDate": "publication_date",
               "ModificationDate": "modification_date"}  # fmt: skip
    for item in real_records:
        image = odata_parse.product(item, "SENTINEL-2").row
        assert isinstance(image, SatelliteImage)
        assert image.sensing_start == times.parse(item["ContentDate"]["Start"])
        for key, column in columns.items():
            if key in item:
                assert getattr(image, column) == times.parse(item[key])
        if item.get("EvictionDate", "")[:4] in ("", "9999"):
            assert image.eviction_date is None


def test_every_recorded_attribute_map_is_found_again(recorded: Path) -> None:
    with (recorded / "odata" / "phidown_sentinel2_attributes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 100
    for row in rows:
        attributes = json.loads(row["attributes_json"])
        image = with_attributes(
            *(attribute(name, value) for name, value in attributes.items()),
            Id=row["id"],
            Name=row["name"],
            ContentDate={"Start": row["content_start"], "End": row["content_end"]},
        )
        for name, value in attributes.items():
            _assert_found_again(image, name, value)
        assert image.tile_id == row["tile_id"]
        assert str(image.relative_orbit) == row["relative_orbit_number"]
        assert image.cloud_cover == float(row["cloud_cover"])


def test_a_deletion_is_read() -> None:
    item = {
        "@odata.mediaContentType": "application/image-tiff", "Id": ID, "Name": NAME, "ContentLength": 999999,
        "OriginDate": "2025-02-10T08:28:16.409494Z", "Checksum": [], "Footprint": None, "GeoFootprint": None,
        "ContentDate": {"Start": "2024-11-11T04:49:07.072000Z", "End": "2024-11-11T04:49:31.945000Z"},
        "DeletionDate": "2025-02-10T08:30:03.907283Z", "DeletionCause": "Duplicated product",
    }  # fmt: skip
    assert odata_parse.deletion(item).row == Deletion(
        ID,
        NAME,
        times.parse("2025-02-10T08:30:03.907283Z"),
        "Duplicated product",
        times.parse("2024-11-11T04:49:07.072Z"),
    )


def test_what_columns_say_in_other_words_is_not_kept_twice() -> None:
    said = [
        attribute("platformShortName", "SENTINEL-2"),
        attribute("platformSerialIdentifier", "A"),
    ]
    image = with_attributes(*said, attribute("processingLevel", "S2MSI1C"))
    assert (image.platform, image.product_type, image.attributes) == ("S2A", "S2MSI1C", {})


def test_what_columns_do_not_say_is_kept() -> None:
    said = {
        "platformShortName": "SENTINEL-2",
        "platformSerialIdentifier": "B",
        "processingLevel": "S2MSI2A",
    }
    image = with_attributes(*(attribute(*each) for each in said.items()))
    assert (image.platform, image.product_type, image.attributes) == ("S2A", "S2MSI1C", said)


# --- the traps, one by one


def test_size_zero_means_unknown() -> None:
    assert read(ContentLength=0).size_bytes is None
    assert not warnings(ContentLength=0)


@pytest.mark.parametrize("value", [[], [{}], None, [{"Algorithm": "MD5", "Value": "N/A"}],
                                   [{"Algorithm": "MD5", "Value": "0" * 32}, None, {}], "", {}])  # fmt: skip
def test_no_checksum_is_none(value: object) -> None:
    image = read(Checksum=value)
    assert (image.md5, image.blake3) == (None, None)
    assert not warnings(Checksum=value)


def test_checksums_are_lower_case_and_of_the_right_length() -> None:
    image = read(
        Checksum=[{"Algorithm": "MD5", "Value": MD5.upper()}, {"Algorithm": "BLAKE3", "Value": MD5}]
    )
    assert (image.md5, image.blake3) == (MD5, None)
    assert "Checksum" in image.attributes


@pytest.mark.parametrize(
    "value", ["", None, "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999999Z"]
)
def test_no_eviction_is_none(value: object) -> None:
    assert read(EvictionDate=value).eviction_date is None
    assert not warnings(EvictionDate=value)


def test_a_real_eviction_is_kept() -> None:
    assert read(EvictionDate="2024-09-01T00:00:00.000Z").eviction_date == times.parse(
        "2024-09-01T00:00:00Z"
    )


@pytest.mark.parametrize(
    "value",
    [MD5, {"Algorithm": "MD5", "Value": MD5}, ["x"], [7], [{"Algorithm": "MD5", "Value": 5}],
     [{"Algorithm": 5, "Value": MD5}], [{"Value": MD5}], [{"Algorithm": "MD5", "Value": " " + MD5}],
     [{"Algorithm": "MD5", "Value": "p0Q/LnGGpcEUyVHJokl56g=="}]],
)  # fmt: skip
def test_a_checksum_that_is_none_stays_raw_with_a_warning(value: object) -> None:
    image = read(Checksum=value)
    assert (image.md5, image.blake3) == (None, None)
    assert image.attributes["Checksum"] == (value if value == MD5 else json.dumps(value))
    [line] = warnings(Checksum=value)
    assert line.startswith(f"{ID}: Checksum is unreadable")


def test_a_hundred_thousand_checksums_are_one_warning_and_read_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept: list[object] = []
    monkeypatch.setattr(odata_fields.Reader, "keep", lambda _, key, value: kept.append(key))
    image = read(Checksum=[{"Algorithm": "MD5", "Value": MD5}, *[[]] * 100_000])
    assert (image.md5, kept) == (MD5, ["Checksum"])


def test_a_checksum_without_a_column_stays_raw() -> None:
    said = [{"Algorithm": "SHA256", "Value": BLAKE3}, {"Algorithm": "md5", "Value": MD5}]
    image = read(Checksum=said)
    assert (image.md5, image.blake3) == (MD5, None)
    assert image.attributes["Checksum"] == json.dumps(said)
    assert not warnings(Checksum=said)


def test_of_two_checksums_that_differ_the_later_is_taken_in_whatever_order_they_come() -> None:
    old = {"Algorithm": "MD5", "Value": "f" * 32, "ChecksumDate": "2024-03-13T10:47:45Z"}
    new = {"Algorithm": "MD5", "Value": MD5, "ChecksumDate": "2025-03-13T10:47:45Z"}
    for said in ([old, new], [new, old], [old, new, old], [{**old, "ChecksumDate": None}, new]):
        assert read(Checksum=said).md5 == MD5
        assert len(set(warnings(Checksum=said))) == 1
    assert not warnings(Checksum=[new, new])


@pytest.mark.parametrize(
    "number", [224105657, 224105657.0, "2.24105657E8", "224105657e0", "22410565700.0e-2"]
)
def test_one_product_has_one_hash_however_its_numbers_are_spelt(number: object) -> None:
    said = [attribute("a", "?", "Integer"), attribute("b", True, "Boolean")]
    text = json.dumps(record(ContentLength="?", Attributes=said)).replace('"?"', str(number))
    row = odata_parse.product(msgspec.Raw(text.encode()), "SENTINEL-2").row
    assert isinstance(row, SatelliteImage)
    same = read(ContentLength=224105657, Attributes=[said[1], attribute("a", 224105657)])
    assert (row.size_bytes, row.content_hash) == (224105657, same.content_hash)


def test_a_wrong_text_of_where_it_is_stays_raw_and_geojson_says_it() -> None:
    for wrong in ("POLYGON ((1 2, 3", 7, "geography'SRID=3857;POINT (1 2)'"):
        image = read(Footprint=wrong)
        assert (image.west, image.south, image.east, image.north) == (1, 2, 3, 4)
        assert image.footprint == read().footprint
        assert image.attributes["Footprint"] == wrong
        assert len(warnings(Footprint=wrong)) == 1
    for nothing in (None, "", []):
        assert read(Footprint=nothing).content_hash == read().content_hash
        assert not warnings(Footprint=nothing)


def test_a_missing_footprint_is_no_box() -> None:
    image = read(Footprint=None, GeoFootprint=None)
    assert (image.footprint, image.west, image.north) == (None, None, None)
    assert not warnings(Footprint=None, GeoFootprint=None)


def test_a_footprint_that_is_none_is_kept_raw() -> None:
    said = {"Footprint": "geography'SRID=4326;POLYGON ((1 2, 3'", "GeoFootprint": None}
    image = read(**said)
    assert image.footprint is None
    assert image.attributes["Footprint"] == "geography'SRID=4326;POLYGON ((1 2, 3'"
    [line] = warnings(**said)
    assert line.startswith(f"{ID}: Footprint is unreadable")


@pytest.mark.parametrize(
    ("key", "value", "column"),
    [
        ("ContentLength", -1, "size_bytes"), ("ContentLength", "12", "size_bytes"),
        ("ContentLength", 2**70, "size_bytes"), ("ContentLength", 2**62, "size_bytes"), ("ContentLength", True, "size_bytes"),
        ("Online", "true", "online"), ("PublicationDate", "yesterday", "publication_date"),
        ("ModificationDate", 5, "modification_date"), ("OriginDate", "2024-13-01T00:00:00Z", "origin_date"),
        ("EvictionDate", "never", "eviction_date"), ("S3Path", ["x"], "s3_path"),
    ],
)  # fmt: skip
def test_an_unreadable_field_is_none_and_kept_raw(key: str, value: object, column: str) -> None:
    image = read(**{key: value})
    assert getattr(image, column) is None
    kept = image.attributes[key]
    assert kept == value or str(kept) == json.dumps(value)
    [line] = warnings(**{key: value})
    assert line.startswith(f"{ID}: {key} is unreadable")


@pytest.mark.parametrize("text", ["2020-08-08T01:03:11.024Z", "2020-08-08T01:03:11.024000+00:00",
                                  "2020-08-08T01:03:11.024000"])  # fmt: skip
def test_every_spelling_of_an_instant_is_the_same_instant(text: str) -> None:
    assert read(ContentDate={"Start": text}).sensing_start == times.parse(
        "2020-08-08T01:03:11.024Z"
    )


@pytest.mark.parametrize(
    "overrides",
    [
        {"Id": None}, {"Id": 5}, {"Id": ""}, {"Id": "a/b"}, {"Id": "a\x00b"}, {"Id": "x" * 129}, {"Id": ".."},
        {"Id": "a b"}, {"Name": None}, {"Name": "  "}, {"Name": 7}, {"ContentDate": None}, {"ContentDate": {}},
        {"ContentDate": {"Start": "x"}}, {"ContentDate": "2024-01-01"},
    ],
)  # fmt: skip
def test_a_record_without_id_name_or_start_is_a_reject(overrides: dict[str, object]) -> None:
    row = odata_parse.product(record(**overrides), "SENTINEL-2").row
    assert isinstance(row, Reject)
    assert json.loads(row.raw) == json.loads(json.dumps(record(**overrides)))
    assert row.id == (None if "Id" in overrides else ID)


def test_the_name_decides_level_and_tile_of_sentinel_2() -> None:
    image = with_attributes(attribute("tileId", "30TWM"), attribute("processingLevel", "S2MSI2A"))
    assert (image.tile_id, image.processing_level) == ("54PXA", "L1C")
    assert image.attributes == {"tileId": "30TWM", "processingLevel": "S2MSI2A"}


def test_attributes_go_before_the_name_where_the_name_does_not_decide() -> None:
    image = with_attributes(
        attribute("productType", "OTHER"), attribute("processingBaseline", "05.11")
    )
    assert (image.product_type, image.processing_baseline) == ("OTHER", "05.11")
    assert image.attributes == {}


def test_the_name_helps_where_attributes_are_missing() -> None:
    image = with_attributes()
    assert (image.platform, image.product_type, image.processing_baseline) == (
        "S2A",
        "S2MSI1C",
        "05.00",
    )


@pytest.mark.parametrize(
    ("value", "level"),
    [("LEVEL1", "L1"), ("1", "L1"), (1, "L1"), ("L2A", "L2A"), ("Level-2", "L2"), ("GTC", "GTC")],
)
def test_levels_are_spelt_one_way(value: object, level: str) -> None:
    for key in ("processingLevel", "processing:level"):
        row = odata_parse.product(
            record(Name="X", Attributes=[attribute(key, value)]), "ENVISAT"
        ).row
        assert isinstance(row, SatelliteImage)
        assert row.processing_level == level


@pytest.mark.parametrize(
    ("short", "serial", "platform"),
    [
        ("SENTINEL-1", "A", "S1A"),
        ("LANDSAT-8", None, "L8"),
        ("ENVISAT", None, "ENVISAT"),
        ("SENTINEL-5P", None, "S5"),
    ],
)
def test_the_platform_comes_from_attributes_where_names_have_none(
    short: str, serial: str, platform: str
) -> None:
    attributes = [
        attribute("platformShortName", short),
        attribute("platformSerialIdentifier", serial),
    ]
    row = odata_parse.product(record(Name="X", Attributes=attributes), "CCM").row
    assert isinstance(row, SatelliteImage)
    assert row.platform == platform
    told_by_the_column = {} if platform == "S1A" else {"platformShortName": short}
    assert {k: v for k, v in row.attributes.items() if v is not None} == told_by_the_column


@pytest.mark.parametrize(
    ("value", "orbit", "kept"),
    [(45, 45, False), ("45", 45, True), (45.0, 45, False), ("2.3", None, True), (0, None, True), (True, None, True),
     (2**40, None, True)],
)  # fmt: skip
def test_a_number_of_another_type_is_read_and_kept(
    value: object, orbit: int | None, kept: bool
) -> None:
    image = with_attributes(attribute("orbitNumber", value))
    assert image.absolute_orbit == orbit
    assert ("orbitNumber" in image.attributes) == kept


@pytest.mark.parametrize(
    ("value", "cover"), [(0, 0.0), ("12.5", 12.5), (math.nan, None), (math.inf, None), ("x", None)]
)
def test_cloud_cover_is_finite(value: object, cover: float | None) -> None:
    assert with_attributes(attribute("cloudCover", value)).cloud_cover == cover


def test_what_json_cannot_hold_becomes_text() -> None:
    image = with_attributes(
        attribute("a", 2**64), attribute("b", math.inf), attribute("c", {"d": [1]})
    )
    assert image.attributes == {"a": str(2**64), "b": "Infinity", "c": '{"d": [1]}'}


def test_an_attribute_that_comes_twice_is_kept_twice() -> None:
    image = with_attributes(
        attribute("a", 1), attribute("a", 1), attribute("a", 2), attribute("a", "1")
    )
    assert image.attributes == {"a": "1", "a#2": 1, "a#3": 2}


def test_text_that_databases_refuse_is_replaced() -> None:
    image = with_attributes(attribute("a\x00", "b\ud800c"), Name="S2A_\x00")
    assert image.name == "S2A_\ufffd"
    assert image.attributes == {"a\ufffd": "b\ufffdc"}
    said = warnings(Attributes=[attribute("a\x00", "b\ud800c")], Name="S2A_\x00", S3Path="x\x00")
    assert [line.partition(" has characters that no text can hold")[0] for line in said] == [
        f"{ID}: Name", f"{ID}: the name of a\ufffd", f"{ID}: a\ufffd", f"{ID}: S3Path"
    ]  # fmt: skip


def test_attributes_are_kept_alike_in_whatever_order_they_come() -> None:
    said = [attribute(f"a{n}", n) for n in range(600)]
    said += [
        attribute("b", 1),
        attribute("b", 2),
        attribute("cloudCover", 10),
        attribute("cloudCover", 90),
    ]
    for several in (said, said[-4:]):
        one, other = with_attributes(*several), with_attributes(*reversed(several))
        assert one == other and one.content_hash == other.content_hash


def test_many_attributes_without_a_name_are_one_warning() -> None:
    [line] = warnings(Attributes=[{}, None, {"Name": 5}] * 100)
    assert line == f"{ID}: attributes without a name: 300, such as '{{}}'"


@pytest.mark.parametrize(
    "text", ["1_0", " 10", "10\n", "\uff11\uff10", "1e", "0x10", "nan", "+5", ".5"]
)
def test_a_number_as_text_is_one_that_json_could_hold(text: str) -> None:
    image = with_attributes(attribute("cloudCover", text))
    assert (image.cloud_cover, image.attributes["cloudCover"]) == (None, text)


def test_a_huge_text_in_place_of_an_instant_is_not_held_in_memory() -> None:
    odata_fields._instant.cache_clear()
    assert read(OriginDate="2" * 1_000_000).origin_date is None
    assert odata_fields._instant.cache_info().currsize <= 5
    assert isinstance(
        odata_parse.product(record(ContentDate={"Start": "2" * 10**6}), "X").row, Reject
    )


def test_what_is_too_long_is_cut_and_said() -> None:
    many = [attribute(f"a{n}", "x" * 20_000 if n == 0 else n) for n in range(600)]
    parsed = odata_parse.product(record(Name="N" * 600, Attributes=many), "CCM")
    image = parsed.row
    assert isinstance(image, SatelliteImage)
    assert (len(image.name), len(image.attributes), len(str(image.attributes["a0"]))) == (
        512,
        500,
        10_000,
    )
    assert len(parsed.warnings) == 3


def test_a_huge_reject_is_cut() -> None:
    row = odata_parse.product({"x": "y" * 1_000_000}, "CCM").row
    assert isinstance(row, Reject) and len(row.raw) == 100_000


def test_listed_rows_need_only_an_id() -> None:
    assert odata_parse.listed({"Id": ID}).row == Listed(ID, None)
    moment = "2024-05-08T14:55:49.434177Z"
    assert odata_parse.listed({"Id": ID, "ModificationDate": moment}).row == Listed(
        ID, times.parse(moment)
    )
    assert isinstance(odata_parse.listed({"Id": 5}).row, Reject)


def test_a_deletion_without_its_date_is_a_reject() -> None:
    assert isinstance(odata_parse.deletion({"Id": ID, "Name": NAME}).row, Reject)


# --- hostile records

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4)
    ),
    max_leaves=15,
)
hostile_attributes = st.lists(
    st.fixed_dictionaries(
        {"Name": st.sampled_from([*COLUMNS, "platformShortName", "platformSerialIdentifier"]) | json_values,
         "Value": json_values}
    )
    | json_values,
    max_size=8,
)  # fmt: skip
hostile = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(record(), json_values)
    | {"Attributes": hostile_attributes, "DeletionDate": json_values},
)


@settings(max_examples=400, deadline=None)
@given(hostile, st.sampled_from(["SENTINEL-2", "SENTINEL-1", "CCM"]))
def test_hostile_records_never_raise_and_give_what_can_be_stored(
    overrides: dict[str, Any], collection: str
) -> None:
    parsed = odata_parse.product(record(**overrides), collection)
    image = parsed.row
    for line in parsed.warnings:
        assert line.isprintable()
    if isinstance(image, Reject):
        image.raw.encode()
        return
    image.content_hash  # noqa: B018 - raises if anything cannot be written as JSON
    json.dumps(dict(image.attributes), allow_nan=False).encode()
    for value in (
        image.name,
        image.product_type,
        image.tile_id,
        image.s3_path,
        *image.attributes.values(),
    ):
        if isinstance(value, str):
            assert "\x00" not in value
            value.encode()
    if image.west is not None:
        assert image.footprint is not None and -180 <= image.west <= 180


@settings(max_examples=400, deadline=None)
@given(json_values | hostile.map(lambda overrides: record(**overrides)))
def test_a_record_is_read_alike_as_json_and_as_what_was_made_of_it(value: Any) -> None:
    text = json.dumps(value)
    made = json.loads(text)
    for how in (
        lambda one: odata_parse.product(one, "SENTINEL-2"),
        odata_parse.deletion,
        odata_parse.listed,
    ):
        from_json, from_objects = how(msgspec.Raw(text.encode())), how(made)
        assert (from_json.row, from_json.warnings) == (from_objects.row, from_objects.warnings)
        for key in ("ContentDate/Start", "PublicationDate", "ModificationDate", "DeletionDate"):
            assert from_json.date(key) == from_objects.date(key)


@pytest.mark.parametrize(
    "value", ["9" * 5000, "1e400", '"\\ud800"', "[" * 5000 + "]" * 5000, "-0.0", "1E5"]
)
def test_odd_json_in_a_record_is_read_alike(value: str) -> None:
    text = json.dumps(record(ContentLength="?", Attributes=[attribute("a", "?")])).replace(
        '"?"', value
    )
    row = odata_parse.product(msgspec.Raw(text.encode()), "SENTINEL-2").row
    assert isinstance(row, SatelliteImage) or value.startswith("[")
    assert row.id == ID


@settings(max_examples=200, deadline=None)
@given(hostile)
def test_hostile_deletions_never_raise(overrides: dict[str, Any]) -> None:
    row = odata_parse.deletion(record(DeletionDate="2024-01-01T00:00:00Z") | overrides).row
    assert isinstance(row, Deletion | Reject)


@settings(deadline=None)
@given(json_values)
def test_anything_at_all_is_a_row_or_a_reject(value: object) -> None:
    assert isinstance(odata_parse.product(value, "X").row, Reject)
    assert isinstance(odata_parse.deletion(value).row, Reject)
    assert isinstance(odata_parse.listed(value).row, Reject | Listed)
    odata_parse.date_of(value, "ContentDate/Start")


def test_a_deeply_nested_record_breaks_nothing() -> None:
    deep: Any = {}
    for _ in range(100_000):
        deep = {"a": deep}
    row = odata_parse.product({"Id": ID, "x": deep}, "X").row
    assert isinstance(row, Reject)
    assert read(ContentLength=deep).size_bytes is None
    image = with_attributes(attribute("deep", deep))
    assert image.attributes["deep"] == "(not printable as JSON)"
