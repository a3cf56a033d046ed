"""ODataAPI against the sandbox: searching, mirroring's operations, and what the requests look like."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from satcat import times
from satcat.api.base import Deletion, Feed, Listed, Page, Reject
from satcat.api.http import HttpClient, Retries
from satcat.api.odata import ODataAPI
from satcat.errors import (
    FilterError,
    MalformedResponseError,
    ProductGoneError,
    RequestRejectedError,
    SourceUnavailableError,
    StaleResponseError,
)
from satcat.filters import SearchFilters
from satcat.products import SatelliteImage, SearchResults
from satcat.sandbox import Sandbox
from satcat.tiles import exists
from satcat.times import Interval

S2 = SearchFilters(collection="SENTINEL-2")
EVER = Interval()
LONG_AGO, FAR_AHEAD = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
ONE_START = datetime(2024, 7, 1, 10, tzinfo=UTC)


def connect(sandbox: Sandbox) -> ODataAPI:
    return ODataAPI(
        "sandbox", "sandbox",
        catalogue_url=sandbox.catalogue_url, download_url=sandbox.download_url, token_url=sandbox.token_url,
        http=HttpClient(retries=Retries(attempts=4, first_wait=0.01)),
    )  # fmt: skip


@pytest.fixture(scope="module")
def full() -> Iterator[Sandbox]:
    """A sandbox that no test changes."""
    with Sandbox(products=1300, seed=3) as running:
        yield running


@pytest.fixture(scope="module")
def everything(full: Sandbox) -> SearchResults:
    """All Sentinel-2 products of the full sandbox."""
    return connect(full).search(S2)


@pytest.fixture(autouse=True)
def no_faults_left(full: Sandbox) -> Iterator[None]:
    yield
    full.faults.clear()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(products=60, seed=5) as running:
        yield running


@pytest.fixture
def api(sandbox: Sandbox) -> ODataAPI:
    return connect(sandbox)


def of(sandbox: Sandbox, collection: str = "SENTINEL-2") -> set[str]:
    return {
        id for id, record in sandbox.catalogue.products.items() if record.collection == collection
    }


def rows(pages: Iterator[Page[Any]] | None) -> list[Any]:
    assert pages is not None
    return [row for page in pages for row in page.rows]


def queries(sandbox: Sandbox, entity: str = "Products") -> list[dict[str, str]]:
    return [dict(request.query) for request in sandbox.log if request.path.endswith(f"/{entity}")]


def test_a_search_gives_every_product_newest_first(
    full: Sandbox, everything: SearchResults
) -> None:
    found = everything
    assert len(found) > 1000
    assert found.keys() == of(full)
    order = [(-image.sensing_start.timestamp(), image.id) for image in found.values()]
    assert order == sorted(order)
    assert all(id == image.id for id, image in found.items())


@pytest.mark.parametrize("collection", ["SENTINEL-1", "SENTINEL-3", "SENTINEL-5P"])
def test_every_collection_is_read_without_a_warning(full: Sandbox, collection: str) -> None:
    pages = list(connect(full).pages(SearchFilters(collection=collection), EVER))
    assert {row.id for page in pages for row in page.rows} == of(full, collection) != set()
    assert not any(page.warnings or page.rejects for page in pages)


@pytest.mark.parametrize(
    ("fields", "holds"),
    [
        ({"processing_level": "L2A"}, lambda image: image.processing_level == "L2A"),
        ({"product_type": "S2MSI1C"}, lambda image: image.product_type == "S2MSI1C"),
        ({"tile_id": ["30TWM", "31TCG"]}, lambda image: image.tile_id in ("30TWM", "31TCG")),
        (
            {"cloud_cover": 20},
            lambda image: image.cloud_cover is not None and image.cloud_cover <= 20,
        ),
        ({"platform": "S2B"}, lambda image: image.platform == "S2B"),
        ({"relative_orbit": 137}, lambda image: image.relative_orbit == 137),
        (
            {"contains": ["N0510", "_T30"]},
            lambda image: "N0510" in image.name and "_T30" in image.name,
        ),
        ({"name": "S2A_MSIL2A*.SAFE"}, lambda image: image.name.startswith("S2A_MSIL2A")),
        (
            {"start_date": "2024-03-01", "end_date": "2024-06-30"},
            lambda image: "20240301" <= image.date <= "20240630",
        ),
        (
            {"published_since": "2024-06-01"},
            lambda image: image.publication_date >= datetime(2024, 6, 1, tzinfo=UTC),
        ),
    ],
)
def test_a_filter_gives_exactly_what_it_says(
    full: Sandbox, everything: SearchResults, fields: dict[str, Any], holds: Any
) -> None:
    found = connect(full).search(SearchFilters(collection="SENTINEL-2", **fields))
    assert found == {id: image for id, image in everything.items() if holds(image)}
    assert 0 < len(found) < len(everything)


def test_pages_are_ascending_complete_and_counted(full: Sandbox) -> None:
    window = Interval(datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 9, 1, tzinfo=UTC))
    pages = list(connect(full).pages(S2, window))
    starts = [image.sensing_start for page in pages for image in page.rows]
    assert starts == sorted(starts) and all(start in window for start in starts)
    assert pages[0].count == len(starts) == connect(full).count(S2, window)
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]
    assert all(page.server_time is not None for page in pages)


def test_a_walk_goes_on_where_it_stopped_and_counts_the_whole_window(
    full: Sandbox, everything: SearchResults
) -> None:
    api = connect(full)
    middle = datetime(2024, 7, 1, tzinfo=UTC)
    pages = list(api.pages(S2, EVER, resume_at=middle))
    assert {row.id for page in pages for row in page.rows} == {
        id for id, image in everything.items() if image.sensing_start >= middle
    }
    assert [page.count for page in pages] == [len(everything)] + [None] * (len(pages) - 1)
    [page] = api.pages(S2, Interval(end=middle), resume_at=middle)
    assert (page.rows, page.last, page.count) == ([], True, api.count(S2, Interval(end=middle)))


def test_a_window_outside_of_the_filters_is_empty_and_asks_nothing(full: Sandbox) -> None:
    api = connect(full)
    filters = S2.within(Interval(end=datetime(2024, 2, 1, tzinfo=UTC)))
    window = Interval(datetime(2024, 3, 1, tzinfo=UTC))
    assert list(api.pages(filters, window)) == [Page([], last=True, count=0)]
    assert list(api.ids(filters, window)) == [Page([], last=True, count=0)]
    assert api.count(filters, window) == 0
    assert api.requests_sent == 0


def test_late_publications_are_left_out_of_list_and_count(
    full: Sandbox, everything: SearchResults
) -> None:
    api = connect(full)
    before = datetime(2024, 6, 1, tzinfo=UTC)
    expected = {id for id, image in everything.items() if image.publication_date < before}  # type: ignore[operator]
    assert {image.id for image in rows(api.pages(S2, EVER, published_before=before))} == expected
    assert {listed.id for listed in rows(api.ids(S2, EVER, published_before=before))} == expected
    assert api.count(S2, EVER, published_before=before) == len(expected)


def test_ids_are_those_of_the_products_with_their_modification_dates(
    full: Sandbox, everything: SearchResults
) -> None:
    assert {listed.id: listed for listed in rows(connect(full).ids(S2, EVER))} == {
        id: Listed(id, image.modification_date) for id, image in everything.items()
    }


def test_bounds_span_the_first_and_the_last_product(
    full: Sandbox, everything: SearchResults
) -> None:
    api = connect(full)
    starts = [image.sensing_start for image in everything.values()]
    assert api.bounds(S2) == Interval(min(starts), max(starts) + times.MICROSECOND)
    assert api.bounds(SearchFilters(collection="SENTINEL-2", contains="nothing")) is None


def test_the_clock_is_the_services_clock(sandbox: Sandbox, api: ODataAPI) -> None:
    sandbox.clock.advance(86_400)
    told = api.clock(S2)
    assert told is not None and abs(told - sandbox.clock.now()) < timedelta(seconds=5)
    sandbox.faults.next("no_date")
    assert api.clock(S2) is None


@pytest.mark.parametrize("feed", list(Feed))
def test_changes_come_by_their_date(sandbox: Sandbox, api: ODataAPI, feed: Feed) -> None:
    since = sandbox.clock.now()
    sandbox.clock.advance(10)
    [new] = sandbox.catalogue.publish_random(1)
    old = next(id for id in of(sandbox) if id != new)
    sandbox.catalogue.modify(old, cloud_cover=3.25)
    found = {
        image.id: image for image in rows(api.changes(S2, feed, since, since + timedelta(hours=1)))
    }
    assert found.keys() == ({new} if feed is Feed.PUBLICATION else {new, old})
    if feed is Feed.MODIFICATION:
        assert found[old].cloud_cover == 3.25
    assert rows(api.changes(S2, feed, since, since)) == []


def test_deletions_come_with_their_cause(sandbox: Sandbox, api: ODataAPI) -> None:
    since = sandbox.clock.now()
    sandbox.clock.advance(10)
    gone = min(of(sandbox))
    name = sandbox.catalogue.products[gone].name
    sandbox.catalogue.delete(gone, "Corrupted product")
    [deletion] = rows(api.deletions(S2, since, since + timedelta(hours=1)))
    assert isinstance(deletion, Deletion)
    assert (deletion.id, deletion.name, deletion.cause) == (gone, name, "Corrupted product")
    assert since < deletion.deletion_date


def test_deletions_are_asked_for_by_name_and_place_only(sandbox: Sandbox, api: ODataAPI) -> None:
    filters = SearchFilters(
        collection="SENTINEL-2",
        product_type="S2MSI2A",
        tile_id="30TWM",
        start_date="2024-01-01",
        cloud_cover=5,
    )
    rows(api.deletions(filters, LONG_AGO, FAR_AHEAD))
    [query] = queries(sandbox, "DeletedProducts")
    assert "Attributes" not in query["$filter"] and "$expand" not in query
    assert query["$filter"].startswith(
        "Collection/Name eq 'SENTINEL-2' and contains(Name,'_T30TWM_')"
    )
    assert "ContentDate/Start ge 2024-01-01T00:00:00.000000Z" in query["$filter"]
    assert query["$orderby"] == "DeletionDate asc"


def test_products_are_asked_for_at_their_own_address(sandbox: Sandbox, api: ODataAPI) -> None:
    here, gone = sorted(of(sandbox))[:2]
    sandbox.catalogue.delete(gone)
    found = dict(api.get([here, gone], "SENTINEL-2"))
    assert found[gone] is None
    image = found[here]
    assert isinstance(image, SatelliteImage) and image == api.search(S2)[here]


def test_a_gateways_404_is_not_the_end_of_a_product(sandbox: Sandbox, api: ODataAPI) -> None:
    here = min(of(sandbox))
    sandbox.faults.next("html", n=99, match="Products(")
    with pytest.raises(MalformedResponseError):
        dict(api.get([here], "SENTINEL-2"))


@pytest.mark.parametrize("id", ["", "a/b", "../Products", "a b", "x" * 200])
def test_what_is_no_id_never_reaches_a_url(api: ODataAPI, id: str) -> None:
    assert dict(api.get([id], "SENTINEL-2")) == {id: None}
    with pytest.raises(FilterError):
        api.download(id, "never")
    assert api.requests_sent == 0


def test_a_record_that_is_no_product_comes_as_a_reject(sandbox: Sandbox, api: ODataAPI) -> None:
    odd = sandbox.catalogue.publish_random(1, wire={"Name": None})[0]
    pages = list(api.pages(S2, EVER))
    assert [reject.id for page in pages for reject in page.rejects] == [odd]
    assert pages[0].count == len(rows(iter(pages))) + 1
    [(_, row)] = api.get([odd], "SENTINEL-2")
    assert isinstance(row, Reject)


def test_a_product_whose_record_is_unreadable_is_not_said_to_be_gone(
    sandbox: Sandbox, api: ODataAPI, tmp_path: Path
) -> None:
    odd = sandbox.catalogue.publish_random(1, wire={"Name": 7})[0]
    with pytest.raises(MalformedResponseError, match=f"no usable record of {odd}: .*Name: 7"):
        api.download(odd, tmp_path / "x")


def test_a_search_of_many_tiles_takes_several_listings(
    full: Sandbox, everything: SearchResults
) -> None:
    held = {image.tile_id for image in everything.values()}
    letters = "ABCDEFGHJKLMNPQRSTUV"
    others = [f"30{band}{column}{row}" for band in "STU" for column in "TUVWXY" for row in letters]
    tiles = [tile for tile in {*others, *held} if tile is not None and exists(tile)]
    assert len(tiles) > 100
    found = connect(full).search(SearchFilters(collection="SENTINEL-2", tile_id=tiles))
    assert list(found.items()) == list(everything.items())


# --- what requests look like


def test_every_listing_is_ordered_of_one_collection_and_of_full_pages(
    sandbox: Sandbox, api: ODataAPI
) -> None:
    api.search(S2)
    rows(api.ids(S2, EVER))
    api.count(S2, EVER)
    api.bounds(S2)
    api.clock(S2)
    rows(api.changes(S2, Feed.MODIFICATION, LONG_AGO, FAR_AHEAD))
    rows(api.deletions(S2, LONG_AGO, FAR_AHEAD))
    asked = queries(sandbox) + queries(sandbox, "DeletedProducts")
    assert len(asked) == 8
    for query in asked:
        assert query["$filter"].startswith("Collection/Name eq 'SENTINEL-2'")
        assert query["$orderby"].endswith((" asc", " desc"))
        assert query["$top"] == "1000"
    assert not any(request.authorised for request in sandbox.log)


def test_the_users_first_line_becomes_the_right_request(sandbox: Sandbox, api: ODataAPI) -> None:
    filters = SearchFilters(
        collection="SENTINEL-2", processing_level="L2A", tile_id="30TWM", start_date="2024-06-01",
        end_date="2024-06-30",
    )  # fmt: skip
    rows(api.pages(filters, filters.interval))
    [query] = queries(sandbox)
    assert query == {
        "$filter": "Collection/Name eq 'SENTINEL-2' and contains(Name,'MSIL2A') and contains(Name,'_T30TWM_') and "
        "ContentDate/Start ge 2024-06-01T00:00:00.000000Z and ContentDate/Start lt 2024-07-01T00:00:00.000000Z",
        "$orderby": "ContentDate/Start asc",
        "$top": "1000",
        "$count": "True",
        "$expand": "Attributes",
    }


def test_ids_are_asked_for_without_what_is_not_needed(sandbox: Sandbox, api: ODataAPI) -> None:
    rows(api.ids(S2, EVER))
    [query] = queries(sandbox)
    assert query["$select"] == "Id,ModificationDate,ContentDate"
    assert "$expand" not in query and query["$count"] == "True"


def test_no_collection_is_refused_before_anything_is_sent(api: ODataAPI) -> None:
    for use in (api.check, api.search, api.bounds, api.clock, api.slices):
        with pytest.raises(FilterError, match="--collection"):
            use(SearchFilters())
    assert api.requests_sent == 0


# --- dense instants


def test_more_products_of_one_instant_than_can_be_skipped_are_all_listed() -> None:
    with Sandbox(products=0) as running:
        at = datetime(2024, 8, 1, tzinfo=UTC)
        for n in range(11_100):
            running.catalogue.publish(
                collection="SENTINEL-2", sensing_start=ONE_START,
                publication_date=at + timedelta(seconds=max(n, 2500)), modification_date=at,
            )  # fmt: skip
        found = [row.id for row in rows(connect(running).ids(S2, EVER))]
        assert len(found) == len(set(found)) == 11_100
        assert max(int(query.get("$skip", 0)) for query in queries(running)) == 9990


# --- when things go wrong


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("status", {"status": 503}), ("status", {"status": 429, "retry_after": 0}), ("reset", {}), ("html", {}),
        ("cut", {"after": 5000}), ("truncated", {}), ("shuffled", {}), ("empty", {}), ("count", {"by": 5}),
        ("duplicated", {}), ("short", {"rows": 7}),
    ],
)  # fmt: skip
def test_a_passing_fault_leaves_a_search_complete(
    full: Sandbox, kind: Any, options: dict[str, Any]
) -> None:
    full.faults.next(kind, n=1 if kind == "empty" else 2, **options)
    filters = SearchFilters(collection="SENTINEL-2", tile_id="30TWM")
    found = connect(full).search(filters)
    assert not full.faults.pending
    assert found.keys() == {id for id in of(full) if "_T30TWM_" in full.catalogue.products[id].name}


def test_a_list_that_stays_too_short_is_an_error(sandbox: Sandbox, api: ODataAPI) -> None:
    sandbox.faults.next("short", n=99, rows=3, next_link=False, match="$expand")
    with pytest.raises(MalformedResponseError, match="that it counts"):
        api.search(S2)


def test_a_reply_from_an_old_cache_is_not_believed(sandbox: Sandbox, api: ODataAPI) -> None:
    old = sandbox.catalogue.snapshot()
    sandbox.clock.advance(3600)
    [new] = sandbox.catalogue.publish_random(1)
    api.clock(S2)
    sandbox.faults.next("stale", n=2, snapshot=old)
    assert new in api.search(S2)
    sandbox.faults.next("stale", n=9, snapshot=old)
    with pytest.raises(StaleResponseError):
        api.search(S2)


def test_a_catalogue_that_is_down_is_unavailable(sandbox: Sandbox, api: ODataAPI) -> None:
    sandbox.stop()
    with pytest.raises(SourceUnavailableError, match="stays usable offline"):
        api.search(S2)


def test_what_the_service_calls_no_id_is_no_product_of_it(api: ODataAPI) -> None:
    unknown = "00000000-0000-4000-8000-00000000000g"
    assert dict(api.get([unknown], "SENTINEL-2")) == {unknown: None}


def test_a_refusal_gives_the_services_reason(sandbox: Sandbox, api: ODataAPI) -> None:
    [known] = sandbox.catalogue.publish_random(1)
    sandbox.faults.next("status", status=422, match=f"Products({known})")
    with pytest.raises(RequestRejectedError) as caught:
        dict(api.get([known], "SENTINEL-2"))
    assert caught.value.status == 422


def test_products_deleted_and_published_during_a_walk_disturb_no_other(
    sandbox: Sandbox, api: ODataAPI
) -> None:
    sandbox.catalogue.publish_random(2400, sensing_start=ONE_START)
    doomed = sorted(of(sandbox))[::50]
    steps = iter(doomed)

    def disturb(request: object) -> None:
        sandbox.catalogue.delete(next(steps))
        sandbox.catalogue.publish_random(1, sensing_start=ONE_START)

    before = of(sandbox)
    sandbox.faults.on_request(disturb, match="Products", n=10)
    found = [row.id for row in rows(api.pages(S2, EVER))]
    assert len(found) == len(set(found))
    assert before - set(doomed) <= set(found)


# --- construction and downloads


def test_a_new_api_is_that_of_the_real_service_and_asks_nothing() -> None:
    api = ODataAPI()
    assert api.SEARCH_URL == "https://catalogue.dataspace.copernicus.eu/odata/v1/Products"
    assert api.DOWNLOAD_URL == "https://download.dataspace.copernicus.eu/odata/v1/Products"
    assert api.TOKEN_URL.startswith("https://identity.dataspace.copernicus.eu/auth/realms/CDSE/")
    assert api.url == "https://catalogue.dataspace.copernicus.eu/odata/v1"
    assert api.requests_sent == 0


def test_urls_come_from_arguments_then_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CDSE_CATALOGUE_URL", "http://127.0.0.1:1/odata/v1/")
    monkeypatch.setenv("CDSE_DOWNLOAD_URL", "http://127.0.0.1:2/odata/v1/Products")
    api = ODataAPI()
    assert api.SEARCH_URL == "http://127.0.0.1:1/odata/v1/Products"
    assert api.DOWNLOAD_URL == "http://127.0.0.1:2/odata/v1/Products"
    assert ODataAPI(catalogue_url="http://127.0.0.1:3/x").url == "http://127.0.0.1:3/x"
    assert ODataAPI.SEARCH_URL.startswith("https://catalogue.dataspace")


@pytest.mark.parametrize(
    "url",
    [
        "catalogue",
        "ftp://x/y",
        "https://user:secret@x/y",
        "https://x/y?token=secret",
        "https://",
        "http://x:y/",
    ],
)
def test_what_is_no_plain_url_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(FilterError, match="CDSE_CATALOGUE_URL") as caught:
        ODataAPI(catalogue_url=url)
    assert "secret" not in str(caught.value)


def test_a_download_writes_exactly_the_name_that_was_given(
    sandbox: Sandbox, api: ODataAPI, tmp_path: Path
) -> None:
    image = next(iter(api.search(S2).values()))
    target = tmp_path / "my product"
    assert api.download(image.id, target) == target
    assert target.stat().st_size == image.size_bytes
    assert [path.name for path in tmp_path.iterdir()] == ["my product"]


def test_downloading_an_unknown_product_says_so(api: ODataAPI, tmp_path: Path) -> None:
    with pytest.raises(ProductGoneError, match="no such product"):
        api.download("00000000-0000-4000-8000-000000000000", tmp_path / "x")


def test_slices_of_an_api_are_those_of_its_filters(api: ODataAPI) -> None:
    assert api.slices(S2) == [S2]
