"""What is in a package, by its listings, and the bytes of one of its files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from satcat.api.base import Node, SatelliteAPI
from satcat.api.http import HttpClient, Retries
from satcat.api.odata import ODataAPI
from satcat.api.odata_nodes import address
from satcat.errors import (
    FilterError,
    MalformedResponseError,
    ProductGoneError,
    ProductOfflineError,
    RateLimitedError,
    SourceUnavailableError,
)
from satcat.filters import SearchFilters
from satcat.products import SatelliteImage
from satcat.sandbox import Sandbox, packages


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(products=60, seed=5) as running:
        yield running


@pytest.fixture
def api(sandbox: Sandbox) -> ODataAPI:
    return ODataAPI(
        "sandbox", "sandbox",
        catalogue_url=sandbox.catalogue_url, download_url=sandbox.download_url, token_url=sandbox.token_url,
        http=HttpClient(4, retries=Retries(attempts=3, first_wait=0.01)),
    )  # fmt: skip


@pytest.fixture
def image(api: ODataAPI) -> SatelliteImage:
    return next(iter(api.search(SearchFilters(collection="SENTINEL-2")).values()))


def walked(api: ODataAPI, image: SatelliteImage) -> list[Node]:
    files, left = [], api.nodes(image)
    while left:
        node = left.pop()
        if node.is_folder:
            left += api.nodes(image, node)
        else:
            files.append(node)
    return files


def test_the_listings_lead_to_every_file_and_its_bytes(
    api: ODataAPI, image: SatelliteImage, sandbox: Sandbox
) -> None:
    there = {f.path.partition("/")[2]: f for f in packages.files(sandbox.catalogue.products[image.id])}  # fmt: skip
    files = walked(api, image)
    assert {f.path: f.size_bytes for f in files} == {path: f.size for path, f in there.items()}
    assert not any(request.authorised for request in sandbox.log)  # listing needs no account
    for node in files:
        with api.open(image, node=node) as answer:
            assert b"".join(answer.chunks(10_000)) == b"".join(there[node.path].pieces)
            assert answer.filename == node.steps[-1]


def test_a_file_is_gone_on_with_where_the_source_allows_it(
    api: ODataAPI, image: SatelliteImage, sandbox: Sandbox
) -> None:
    sandbox.settings.ranges = "honour"
    node = walked(api, image)[0]
    with api.open(image, node=node) as answer:
        whole, etag = b"".join(answer.chunks(10_000)), answer.etag
    with api.open(image, node=node, start=10, etag=etag) as answer:
        assert answer.start == 10 and b"".join(answer.chunks(10_000)) == whole[10:]


def test_names_stay_inside_their_parentheses() -> None:
    assert address(Node(("a b", "ü%/)?#'..", "x"))) == (
        "/Nodes(a%20b)/Nodes(%C3%BC%25%2F%29%3F%23%27..)/Nodes(x)"
    )
    assert address(None) == ""


def test_an_address_that_a_listing_offers_is_not_followed(
    api: ODataAPI, image: SatelliteImage, sandbox: Sandbox
) -> None:
    def elsewhere(answer: dict[str, Any]) -> dict[str, Any]:
        return {"result": [{**e, "Nodes": {"uri": "http://192.0.2.1/steal"}} for e in answer["result"]]}  # fmt: skip

    sandbox.faults.next("edited", n=99, edit=elsewhere, match="/Nodes")
    assert len(walked(api, image)) == 6


def test_a_listing_is_asked_for_once_and_its_refusal_says_what_it_means(
    api: ODataAPI, image: SatelliteImage, sandbox: Sandbox
) -> None:
    def refused(kind: type[Exception], **fault: Any) -> None:
        sandbox.log.clear()
        sandbox.faults.next("status", match="/Nodes", **fault)
        with pytest.raises(kind):
            api.nodes(image)
        assert len(sandbox.log) == 1

    refused(RateLimitedError, status=429, retry_after=5)
    refused(SourceUnavailableError, status=503)
    refused(MalformedResponseError, status=404)  # a web page says that: something in between
    sandbox.catalogue.take_offline(image.id)
    with pytest.raises(ProductOfflineError, match=image.name):
        api.nodes(image)
    sandbox.catalogue.delete(image.id)
    with pytest.raises(ProductGoneError, match=image.name):
        api.nodes(image)


def test_what_has_neither_bytes_nor_children_is_a_folder_without_a_dot(
    api: ODataAPI, image: SatelliteImage, sandbox: Sandbox
) -> None:
    empty = {"ContentLength": 0, "ChildrenNumber": 0}
    answer = {"result": [{"Name": "AUX_DATA", **empty}, {"Name": "note.txt", **empty}]}
    sandbox.faults.next("edited", edit=lambda true: answer, match="/Nodes")
    assert api.nodes(image) == [Node(("note.txt",))]


def test_a_listing_of_more_bytes_than_any_is_given_up(
    api: ODataAPI, image: SatelliteImage, sandbox: Sandbox
) -> None:
    entry = {"Name": "x" * 200, "ContentLength": 1, "ChildrenNumber": 0}
    sandbox.faults.next("edited", edit=lambda true: {"result": [entry] * 80_000}, match="/Nodes")
    with pytest.raises(MalformedResponseError, match="more than"):
        api.nodes(image)


def test_a_source_without_listings_says_so(image: SatelliteImage, api: ODataAPI) -> None:
    with pytest.raises(FilterError, match="whole products only"):
        SatelliteAPI.nodes(api, image)
