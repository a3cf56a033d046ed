"""Records of CDSE read twice: as pages are, and by a slow reader of its own, which shares no code with the fast one."""

from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from satcat.api import odata_parse, odata_records
from satcat.api.base import Reject
from satcat.products import SatelliteImage
from satcat.sync import rows

from .test_odata_parse import COLUMNS, _records, attribute, record

# --- the slow reader: what a record says, by nothing but `json`, `re`, `datetime` and the words of the design


def instant(said: object) -> datetime | None:
    form = r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:Z|([+-])(\d\d):?(\d\d))?"
    match = re.fullmatch(form, said, re.ASCII) if isinstance(said, str) else None
    if match is None:
        return None
    *numbers, second, fraction, sign, hours, minutes = match.groups()
    try:
        micros = int((fraction or "0")[:6].ljust(6, "0"))
        year, month, day, hour, minute = map(int, numbers)
        moment = datetime(year, month, day, hour, minute, int(second or 0), micros, UTC)
        away = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        return moment + (away if sign == "-" else -away)
    except (ValueError, OverflowError):
        return None


def text(said: object) -> str | None:
    if not isinstance(said, str) or not said.strip():
        return None
    return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in said[:10_000])


def size(said: object) -> int | None:
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    return int(said) if 0 < said <= 10**13 and said == int(said) else None


def checksum(said: object, algorithm: str) -> set[str]:
    """All that the record gives of one algorithm."""
    digits = {"MD5": 32, "BLAKE3": 64}[algorithm]
    return {
        item["Value"].lower()
        for item in (said if isinstance(said, list) else [])
        if isinstance(item, dict) and isinstance(item.get("Value"), str)
        and str(item.get("Algorithm")).upper() == algorithm
        and re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", item["Value"]) and set(item["Value"]) != {"0"}
    }  # fmt: skip


def usable(said: Any) -> bool:
    """Whether a row can be made of it."""
    if not isinstance(said, dict) or not isinstance(id := said.get("Id"), str):
        return False
    dates = said.get("ContentDate")
    start = dates.get("Start") if isinstance(dates, dict) else None
    plain = (
        0 < len(id) <= 128 and id.isprintable() and not set(id) & set(" /\\") and set(id) != {"."}
    )
    return plain and text(said.get("Name")) is not None and instant(start) is not None


def assert_same(image: SatelliteImage, said: dict[str, Any]) -> None:
    """What was read fast is what is read slowly, and what has no column is in the attributes."""
    dates = said["ContentDate"]
    never = instant(said.get("EvictionDate"))
    assert image.id == said["Id"] and image.name == str(text(said["Name"]))[:512]
    assert image.sensing_start == instant(dates["Start"])
    assert image.eviction_date == (None if never and never.year == 9999 else never)
    read = {"sensing_end": (instant, dates, "End"), "origin_date": (instant, said, "OriginDate"),
            "publication_date": (instant, said, "PublicationDate"), "size_bytes": (size, said, "ContentLength"),
            "modification_date": (instant, said, "ModificationDate"), "s3_path": (text, said, "S3Path")}  # fmt: skip
    for column, (how, where, key) in read.items():
        assert getattr(image, column) == how(where.get(key)), key
        nothing = where.get(key) in (None, "", 0) and where.get(key) is not False
        assert nothing or how(where.get(key)) is not None or key in image.attributes
    online = said.get("Online")
    assert image.online is (online if isinstance(online, bool) else None)
    for column, algorithm in (("md5", "MD5"), ("blake3", "BLAKE3")):
        given_ = checksum(said.get("Checksum"), algorithm)
        assert getattr(image, column) in (given_ or {None})
        assert len(given_) < 2 or "Checksum" in image.attributes
    assert_same_place(image, said)
    assert_attributes_found_again(image, said.get("Attributes"))


def assert_same_place(image: SatelliteImage, said: dict[str, Any]) -> None:
    """Of plain footprints; those that have to be mended have tests of their own."""
    wkt = said.get("Footprint") or ""
    match = re.fullmatch(r"geography'SRID=4326;((?:MULTI)?POLYGON \(\([-0-9., ()]*\)\))'", str(wkt))
    if match is None:
        return
    there = shapely.from_wkt(match[1], on_invalid="ignore")
    if there is None or not there.is_valid or there.bounds[2] - there.bounds[0] > 180:
        return
    assert image.footprint is not None
    assert shapely.from_wkb(image.footprint).equals(there)
    assert (image.west, image.south, image.east, image.north) == there.bounds


def assert_attributes_found_again(image: SatelliteImage, listed: object) -> None:
    for item in listed if isinstance(listed, list) else []:
        if not isinstance(item, dict) or not isinstance(name := item.get("Name"), str) or not name:
            continue
        value = item.get("Value")
        if isinstance(value, list | dict) or (isinstance(value, int) and abs(value) >= 2**63):
            continue  # kept as text
        if isinstance(value, float) and value in (float("inf"), -float("inf")):
            continue
        key = str(text(name + "x"))[:-1][:200]
        kept: list[object] = [
            image.attributes[k]
            for k in image.attributes
            if re.fullmatch(re.escape(key) + r"(#\d+)?", k, re.DOTALL)
        ]
        kept.append(getattr(image, COLUMNS.get(name, "id")))
        if name in ("platformShortName", "platformSerialIdentifier", "processingLevel"):
            platform = image.platform or ""
            kept += [f"SENTINEL-{platform[1:2]}", platform[2:], image.product_type]
        if name.endswith("DateTime"):
            value, kept = instant(value) or value, [*kept, *map(instant, kept)]
        wanted = text(value) if isinstance(value, str) and value.strip() else value
        assert wanted in kept, (name, wanted, kept)


# --- what is read


odd = st.sampled_from(
    [None, "", " ", 0, -0.0, 1, -1, True, False, 2**63, 2**63 - 1, -(2**63), 10**30, 1e300, 5e-324, 0.1, "x\0", "\ud800",
     "\U0001f6f0", "é", [], {}, [{}], [None], {"Start": None}, "2024-06-01T00:00:00.1234567Z", "2024-06-01 10:00",
     "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00", "2016-12-31T23:59:60Z",
     "2024-06-01T00:00:00+05:30", "10000-01-01T00:00:00Z", "POLYGON EMPTY", "NaN", "1E2", [1, [2]], "a" * 600, "..", "b/c"]
) | st.text(max_size=12) | st.integers() | st.floats(allow_nan=False)  # fmt: skip
named = st.sampled_from([*COLUMNS, "platformShortName", "platformSerialIdentifier", "a", "a#2"])
attributes_ = st.lists(st.builds(attribute, named | st.text(max_size=5), odd), max_size=6) | odd
checksums = st.lists(
    st.fixed_dictionaries({}, optional={
        "Algorithm": st.sampled_from(["MD5", "md5", "BLAKE3", "SHA256", None, 5]),
        "Value": st.sampled_from(["a" * 32, "B" * 32, "c" * 64, "0" * 32, "N/A", "", 7, None]),
        "ChecksumDate": odd}) | odd, max_size=4)  # fmt: skip
dates_ = st.fixed_dictionaries({}, optional={"Start": odd, "End": odd}) | odd
changes = st.fixed_dictionaries({}, optional=dict.fromkeys(record(), odd) | {
    "Attributes": attributes_, "Checksum": checksums | odd, "ContentDate": dates_, "Extra": odd})  # fmt: skip


def spelt(value: Any, how: random.Random) -> str:
    """One of the many ways to write this as JSON."""
    blank = how.choice(["", "", " ", "\n\t"])
    if isinstance(value, dict):
        pairs = [f"{spelt(k, how)}{blank}:{blank}{spelt(v, how)}" for k, v in value.items()]
        how.shuffle(pairs)
        return "{" + blank + f",{blank}".join(pairs) + blank + "}"
    if isinstance(value, list):
        return "[" + blank + f"{blank},".join(spelt(item, how) for item in value) + blank + "]"
    if isinstance(value, str):
        units = value.encode("utf-16-be", "surrogatepass")
        if how.random() < 0.3 or not value.isprintable():
            return (
                '"'
                + "".join(f"\\u{units[n]:02x}{units[n + 1]:02X}" for n in range(0, len(units), 2))
                + '"'
            )
        return json.dumps(value, ensure_ascii=how.random() < 0.5).replace(
            "/", how.choice(["/", "\\/"])
        )
    return json.dumps(value)


def number(value: Any, how: random.Random) -> str:
    """A number that is not nested, in one of its spellings."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) >= 2**53:
        return spelt(value, how)
    forms = [json.dumps(value)]
    if value == int(value):
        forms += [f"{int(value)}.0", f"{int(value)}e0", f"{int(value)}0E-1" if value else "0E9"]
    return how.choice(forms)


def written(said: dict[str, Any], how: random.Random) -> str:
    """The record in one of its spellings: of keys, blanks, escapes, numbers, and in any order of its attributes."""
    parts = []
    for key, value in said.items():
        if key == "Attributes" and isinstance(value, list):
            items = [
                "{" + ",".join(f"{spelt(k, how)}:{number(v, how)}" for k, v in item.items()) + "}"
                if isinstance(item, dict) else spelt(item, how)
                for item in value
            ]  # fmt: skip
            how.shuffle(items)
            parts.append(f"{spelt(key, how)}:[{','.join(items)}]")
        else:
            parts.append(f"{spelt(key, how)}:{number(value, how)}")
    how.shuffle(parts)
    return "{" + " ,".join(parts) + "}"


def read_page(*texts: bytes) -> list[odata_parse.Parsed[SatelliteImage]]:
    body = b'{"@odata.context":"x","value":[' + b",".join(texts) + b"]}"
    return list(odata_parse.products(odata_records.answer("here", body)["value"], "SENTINEL-2"))


GOOD = json.dumps(record(Id="neighbour")).encode()


def assert_read_as_json_says(texts: list[bytes]) -> None:
    """The neighbours are there, and each text is the row that it says, or a reject that says it."""
    first, *parsed, last = read_page(GOOD, *texts, GOOD)
    assert first.row == last.row and first.row.id == "neighbour"
    for one, text_ in zip(parsed, texts, strict=True):
        said = json.loads(text_.decode("utf-8", "surrogateescape"), strict=False)
        if isinstance(one.row, Reject):
            assert not usable(said) and json.loads(one.row.raw) == said and one.row.error
            continue
        assert usable(said)
        assert_same(one.row, said)
        assert rows.stored(one.row)[-1] == one.row.content_hash


@settings(max_examples=200, deadline=None)
@given(st.lists(changes, min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_odd_records_are_what_a_slow_reader_makes_of_them(
    several: list[dict[str, Any]], how: random.Random
) -> None:
    texts = [written(record(**each), how).encode("utf-8", "surrogatepass") for each in several]
    assert_read_as_json_says(texts)


@settings(max_examples=150, deadline=None)
@given(changes, st.randoms(use_true_random=False))
def test_no_spelling_of_a_record_alters_what_is_stored(
    change: dict[str, Any], how: random.Random
) -> None:
    said = record(**change)
    plain, odd_ = read_page(json.dumps(said).encode(), written(said, how).encode())
    if isinstance(plain.row, Reject) or isinstance(odd_.row, Reject):
        assert (plain.row.id, type(plain.row)) == (odd_.row.id, type(odd_.row))
        return
    assert plain.row.content_hash == odd_.row.content_hash
    assert plain.row == odd_.row


@pytest.fixture(scope="session")
def recorded_records(recorded: Path) -> list[dict[str, Any]]:
    return [
        item
        for path in sorted((recorded / "odata").glob("*.json"))
        for item in _records(json.loads(path.read_text()))
    ]


def test_recorded_records_are_what_a_slow_reader_makes_of_them_however_spelt(
    recorded_records: list[dict[str, Any]],
) -> None:
    how = random.Random(7)
    for item in recorded_records:
        assert_read_as_json_says([written(item, how).encode() for _ in range(3)])
        alike = read_page(*[written(item, how).encode() for _ in range(5)])
        assert all(one.row == alike[0].row for one in alike)


damages = st.lists(
    st.tuples(st.integers(1, 10**6), st.sampled_from(list(b"\xff\x00\n:,0e-+.tNx\xe9\x1b "))),
    min_size=1,
    max_size=3,
)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), damages)
def test_a_recorded_record_that_was_damaged_is_a_row_or_a_reject_and_costs_no_neighbour(
    recorded_records: list[dict[str, Any]], which: int, several: list[tuple[int, int]]
) -> None:
    body = bytearray(json.dumps(recorded_records[which % len(recorded_records)]).encode())
    for place, byte in several:
        # what is left of brackets and quotes still shows where it ends
        if body[at := place % (len(body) - 2) + 1] not in b'{}[]"\\':
            body[at] = byte
    first, one, last = read_page(GOOD, bytes(body), GOOD)
    assert first.row.id == last.row.id == "neighbour"
    assert isinstance(first.row, SatelliteImage) and isinstance(last.row, SatelliteImage)
    try:
        said = json.loads(body.decode("utf-8", "surrogateescape"), strict=False)
    except ValueError:
        said = None
    if isinstance(one.row, Reject):
        assert one.row.error and not usable(said)
    else:
        assert usable(said)
        assert_same(one.row, said)


REAL = {
    "Name": "S2A_OTHER", "ContentLength": 1, "OriginDate": "2020-01-01T00:00:00Z", "PublicationDate": "2020-01-01T00:00:00Z",
    "ModificationDate": "2024-05-08T14:55:49.434178Z", "Online": False, "EvictionDate": "2030-01-01T00:00:00Z",
    "S3Path": "/eodata/y", "Checksum": [{"Algorithm": "MD5", "Value": "a" * 32}], "Id": "other",
    "ContentDate": {"Start": "2020-08-08T01:03:11.025Z", "End": "2020-08-08T01:03:11.024Z"},
    "Footprint": "geography'SRID=4326;POLYGON ((1 2, 3 2, 3 4.000001, 1 4, 1 2))'",
    "Attributes": [attribute("cloudCover", 95.14, "Double")],
}  # fmt: skip


@pytest.mark.parametrize("key", REAL)
def test_any_real_change_alters_the_hash(key: str) -> None:
    before, after = read_page(
        *(json.dumps(each).encode() for each in (record(), record(**{key: REAL[key]})))
    )
    assert isinstance(before.row, SatelliteImage) and isinstance(after.row, SatelliteImage)
    assert before.row.content_hash != after.row.content_hash
