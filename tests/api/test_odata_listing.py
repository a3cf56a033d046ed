"""Listings: whatever the far end answers is a checked page or an error of the source, and several may run at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from satcat.api import odata_parse, odata_records
from satcat.api.http import HttpClient, Reply, Retries
from satcat.api.listing import Batch, Request
from satcat.api.odata import ODataAPI
from satcat.api.odata_cut import MAX_RECORDS
from satcat.api.odata_listing import Listing
from satcat.errors import MalformedResponseError
from satcat.filters import SearchFilters
from satcat.sandbox import Sandbox
from satcat.sync import windows
from satcat.times import Interval

START = datetime(2024, 6, 1, tzinfo=UTC)


class Canned(HttpClient):
    """Answers everything with one body, and opens no socket."""

    def __init__(self, body: object) -> None:
        super().__init__()
        self.body = body
        self.asked: list[tuple[str, str]] = []

    def get(
        self, url: str, params: Sequence[tuple[str, str]], read: Callable[[Any], Any], **_: Any
    ) -> Reply[Any]:
        self.asked = list(params)
        return Reply(read(self.body), None)


def listing(body: object) -> Listing[Any]:
    return Listing(
        Canned(body), "http://here/Products", ["x eq 1"], partial(map, odata_parse.listed), ("Id",)
    )


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)
records = st.fixed_dictionaries(
    {},
    optional={
        "Id": st.sampled_from(["a", "b", "c"]) | values,
        "ContentDate": st.fixed_dictionaries(
            {"Start": st.sampled_from(["2024-06-01T00:00:00Z", "2024-06-02T00:00:00Z"]) | values}
        )
        | values,
        "ModificationDate": values,
    },
)
bodies = values | st.fixed_dictionaries(
    {"value": st.lists(records | values, max_size=5) | values},
    optional={
        "@odata.count": st.integers() | values,
        "@odata.nextLink": st.text(max_size=5) | values,
    },
)


@settings(max_examples=400)
@given(bodies, st.booleans(), st.booleans())
def test_any_answer_is_a_checked_page_or_malformed(body: object, count: bool, tied: bool) -> None:
    key = "ContentDate/Start"
    request = Request(
        key, Interval(START), (("PublicationDate", START),) if tied else (), count=count
    )
    try:
        batch = listing(body).fetch(request)
    except MalformedResponseError:
        return
    assert isinstance(batch, Batch)
    assert batch.keys == sorted(batch.keys)
    assert all(moment >= START for moment in batch.keys)
    assert batch.count is None or (count and batch.count >= 0)
    assert batch.keys or not batch.more


@settings(max_examples=400)
@given(bodies, st.booleans())
def test_an_answer_cut_into_records_says_what_it_says_as_a_whole(body: object, count: bool) -> None:
    text = json.dumps(body).encode()
    request = Request("ContentDate/Start", Interval(START), count=count)

    def outcome(made: object) -> object:
        try:
            return listing(made).fetch(request)
        except MalformedResponseError as error:
            return str(error)

    assert outcome(odata_records.answer("here", text)) == outcome(json.loads(text))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b'{"value":[',
        b'{"value":["\xff"',
        b'{"value":[],"\xff":NaN,}',
        b'{"value":' + b"[" * 200_000,
    ],
)
def test_an_answer_that_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedResponseError):
        odata_records.answer("here", body)


@pytest.mark.parametrize("record", [b"{}", b"NaN"])
def test_a_page_of_far_more_records_than_were_asked_for_is_refused(record: bytes) -> None:
    body = b'{"value":[' + b",".join([record] * (MAX_RECORDS + 1)) + b"]}"
    with pytest.raises(MalformedResponseError, match="10001 records in one page"):
        listing(odata_records.answer("here", body)).fetch(Request("ContentDate/Start"))


@pytest.mark.parametrize("count", [10**12, -1, True, 3.0, "3", None])
def test_a_count_that_is_none_is_malformed(count: object) -> None:
    body = {"value": [], "@odata.count": count}
    with pytest.raises(MalformedResponseError, match="no count of records"):
        listing(body).count(Request("ContentDate/Start"))


@given(bodies)
def test_any_count_is_a_number_or_malformed(body: object) -> None:
    with suppress(MalformedResponseError):
        assert listing(body).count(Request("ContentDate/Start")) >= 0


def test_a_request_says_everything_it_asks_for() -> None:
    asked = listing({"value": [], "@odata.count": 0})
    asked.fetch(
        Request(
            "PublicationDate",
            Interval(START, START + timedelta(days=1)),
            (("ContentDate/Start", START),),
            skip=999,
            count=True,
        )
    )
    assert isinstance(asked.http, Canned)
    assert asked.http.asked == [
        (
            "$filter",
            "x eq 1 and ContentDate/Start eq 2024-06-01T00:00:00.000000Z and "
            "PublicationDate ge 2024-06-01T00:00:00.000000Z and PublicationDate lt 2024-06-02T00:00:00.000000Z",
        ),
        ("$orderby", "PublicationDate asc"),
        ("$top", "1000"),
        ("$skip", "999"),
        ("$count", "True"),
        ("$select", "Id,PublicationDate"),
    ]


def test_the_bounds_of_a_listing_whose_last_row_is_at_the_end_of_time_are_open() -> None:
    last = "9999-12-31T23:59:59.999999Z"
    rows = [
        {"Id": "a", "ContentDate": {"Start": start}} for start in ("2024-06-01T00:00:00Z", last)
    ]
    held = listing({"value": rows}).ends(Request("ContentDate/Start"))
    assert held == Interval(START)
    parts = windows.cut(Interval(), held, 9000)
    assert len(parts) > 1 and parts[-1].end is None


@pytest.mark.parametrize("link", ["@odata.nextLink", "@OData.nextLink"])
def test_only_the_presence_of_the_next_link_counts(link: str) -> None:
    record = {"Id": "a", "ContentDate": {"Start": "2024-06-01T00:00:00Z"}}
    assert (
        listing({"value": [record], link: "http://evil/"}).fetch(Request("ContentDate/Start")).more
    )
    assert not listing({"value": [record]}).fetch(Request("ContentDate/Start")).more


def test_four_windows_are_listed_at_once_by_one_api() -> None:
    with Sandbox(products=300, seed=2) as sandbox:
        api = ODataAPI(
            catalogue_url=sandbox.catalogue_url, http=HttpClient(retries=Retries(first_wait=0.01))
        )
        filters = SearchFilters(collection="SENTINEL-2")
        sandbox.faults.next("slow", n=12, seconds=0.05)
        edges = [datetime(2024, month, 1, tzinfo=UTC) for month in range(1, 13)]
        windows = [Interval(None, edges[0]), *map(Interval, edges, [*edges[1:], None])]

        def walk(window: Interval) -> set[str]:
            return {row.id for page in api.pages(filters, window) for row in page.rows}

        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(walk, windows))
        held = {
            id
            for id, record in sandbox.catalogue.products.items()
            if record.collection == "SENTINEL-2"
        }
        assert set().union(*found) == held
        assert sum(map(len, found)) == len(held)
        assert 1 < sandbox.log.max_concurrent <= 4
