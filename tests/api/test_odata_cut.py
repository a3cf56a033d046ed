"""Pages that are no JSON as a whole: each record stands for itself, and nothing without an end is taken for whole."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from satcat.api import odata_cut, odata_parse, odata_records
from satcat.api.base import Reject
from satcat.errors import MalformedResponseError
from satcat.products import SatelliteImage

GOOD = b'"Id":"a","Name":"n","ContentDate":{"Start":"2024-06-01T00:00:00Z"}'
NEIGHBOUR = GOOD.replace(b'"a"', b'"b"')

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(alphabet='"\\[]{},:a\n\u00e9 ', max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=9) | st.just("value"), inner, max_size=3)
    ),
    max_leaves=9,
)


def page(*records: bytes) -> bytes:
    return b'{"@odata.count":2,"value":[' + b",".join(records) + b"]}"


def read(body: bytes) -> list[SatelliteImage | Reject]:
    return [one.row for one in odata_parse.products(odata_records.answer("w", body)["value"], "X")]


@settings(max_examples=400, deadline=None)
@given(
    st.lists(values, max_size=5),
    st.dictionaries(st.text(max_size=5).filter(lambda key: key != "value"), values, max_size=3),
    st.sampled_from([None, 1]),
)
def test_a_page_is_cut_where_json_cuts_it(
    records: list[Any], others: dict[str, Any], indent: int | None
) -> None:
    body = json.dumps(others | {"value": records} | {"z": [1, 2]}, indent=indent).encode()
    cut = odata_cut.records(body)
    assert cut is not None
    found, rest = cut
    assert [json.loads(each) for each in found] == records
    assert json.loads(rest) == others | {"value": [], "z": [1, 2]}


@settings(max_examples=100, deadline=None)
@given(st.lists(values, max_size=4), st.data())
def test_a_page_that_was_cut_short_is_never_whole(records: list[Any], data: st.DataObject) -> None:
    body = json.dumps({"value": records, "n": 1}).encode()
    short = body[: data.draw(st.integers(0, len(body) - 1))]
    assert odata_cut.records(short) is None
    assert not odata_cut.is_object(short)
    with pytest.raises(MalformedResponseError):
        odata_records.answer("w", short)
    with pytest.raises(MalformedResponseError):
        odata_records.single("w", short)


@given(st.binary(max_size=60) | st.text(alphabet='{}[],":\\ value', max_size=40).map(str.encode))
def test_any_bytes_are_cut_or_refused(body: bytes) -> None:
    cut = odata_cut.records(body)
    assert cut is None or (odata_cut.is_object(body) and all(cut[0]))
    odata_cut.id_of(body)


@pytest.mark.parametrize(
    "body",
    [b'{"value":[{},]}', b'{"value":[{}]} x', b'{"value":[{}]}{}', b'[{"value":[]}]', b'{"x":{"value":[1]}}',
     b'{"value":[\xff],"value":[2]}', b'{"value":{"value":[1]}}', b'x{"value":[]}', b'{"value":[{"a":[}]}'],
)  # fmt: skip
def test_what_is_no_one_list_of_records_is_not_cut(body: bytes) -> None:
    assert odata_cut.records(body) is None


ODD = {
    "bytes that are no UTF-8": (b'"S3Path":"/a\xff"', "/a\ufffd"),
    "Latin-1": (b'"S3Path":"S\xe3o"', "S\ufffdo"),
    "halves of characters": (b'"S3Path":"a\\udc00"', "a\ufffd"),
    "a line break": (b'"S3Path":"a\nb"', "a\nb"),
    "NUL": (b'"S3Path":"a\x00b"', "a\ufffdb"),
    "NaN": (b'"ContentLength":NaN', None),
    "infinity": (b'"Attributes":[{"Name":"a","Value":-Infinity}]', None),
    "endless digits": (b'"ContentLength":' + b"9" * 5000, None),
    "an escaped key": (b'"S3\\u0050ath":"x"', "x"),
}


@pytest.mark.parametrize("name", ODD)
def test_a_record_with_odd_text_or_numbers_is_read_and_so_are_its_neighbours(name: str) -> None:
    said, path = ODD[name]
    rows = read(page(b"{" + GOOD + b"," + said + b"}", b"{" + NEIGHBOUR + b"}"))
    assert [row.id for row in rows] == ["a", "b"]
    assert isinstance(rows[0], SatelliteImage) and isinstance(rows[1], SatelliteImage)
    assert rows[0].s3_path == path


BROKEN = {
    "a wrong escape": b'"X":"\\x"',
    "a word of another language": b'"Online":True',
    "a comma too many": b'"Online":true,',
    "zeros in front": b'"ContentLength":007',
    "a hundred thousand brackets": b'"X":' + b"[" * 100_000 + b"]" * 100_000,
    "more than anyone reads": b'"X":"' + b"x" * odata_records.MAX_RECORD + b'"',
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_record_that_cannot_be_read_is_a_reject_with_its_id_and_costs_no_neighbour(
    name: str,
) -> None:
    broken = b"{" + GOOD + b"," + BROKEN[name] + b"}"
    for order in ([0, 1], [1, 0]):
        rows = read(page(*[(broken, b"{" + NEIGHBOUR + b"}")[n] for n in order]))
        rejected, kept = (rows[n] for n in order)
        assert isinstance(kept, SatelliteImage) and kept.id == "b"
        assert isinstance(rejected, Reject) and rejected.id == "a"
        assert rejected.error.startswith(("it cannot be read as a JSON object", "it has 4,000,"))
        assert json.loads(rejected.raw + ('"' if len(rejected.raw) == 100_000 else "")).startswith(
            '{"Id":"a"'
        )
    row = odata_parse.asked_for("a", odata_records.single("w", broken), "X")
    assert (row, row.id) == (rejected, "a")


def test_the_answer_for_one_product_that_says_nothing_of_it_is_a_reject_of_that_product() -> None:
    nameless = odata_parse.asked_for("a", {"Name": "n"}, "X")
    assert isinstance(nameless, Reject) and nameless.id == "a"
    other = odata_parse.asked_for("a", json.loads(b"{" + NEIGHBOUR + b"}"), "X")
    assert isinstance(other, Reject)
    assert (other.id, other.error) == ("a", "at its address is the record of b")
    assert json.loads(other.raw)["Id"] == "b"


def test_an_odd_page_keeps_its_count_and_its_link() -> None:
    body = b'\xef\xbb\xbf{"value" : [{"Id":"\xff"}, 1 ],"@odata.nextLink":"x","@odata.count":7}\r\n'
    found = odata_records.answer("w", body)
    assert (found["@odata.count"], found["@odata.nextLink"], len(found["value"])) == (7, "x", 2)


def test_a_reason_names_the_value_that_was_there() -> None:
    cases = [
        ({"Id": 5}, "it has no usable Id: 5"),
        ({"Id": "a b"}, "it has no usable Id: 'a b'"),
        ({}, "it has no usable Id"),
        ({"Id": "a", "Name": " "}, "it has no usable Name: ' '"),
        (
            {"Id": "a", "Name": "n", "ContentDate": {"Start": "2016-12-31T23:59:60Z"}},
            "its ContentDate/Start is no instant: '2016-12-31T23:59:60Z'",
        ),
        ([1], "it cannot be read as a JSON object"),
    ]
    for record, reason in cases:
        row = odata_parse.product(record, "X").row
        assert isinstance(row, Reject) and row.error == reason
    errors = [odata_parse.product({"Id": "\x1b[31m" * n}, "X").row for n in (1, 1000)]
    assert all(len(row.error) < 120 and row.error.isprintable() for row in errors)  # type: ignore[union-attr]
    assert all(before.id is after.id is None for before, after in pairwise(errors))
