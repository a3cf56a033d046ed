"""Listings: limits, paging, order and options, over a socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from satcat.sandbox import REMOVED, Sandbox
from satcat.sandbox.listings import listing

S2 = "Collection/Name eq 'SENTINEL-2'"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def every_page(client: Any, url: str) -> Iterator[dict[str, Any]]:
    """Follow next links to the end."""
    while url:
        page = client.session.get(url, timeout=30).json()
        yield page
        url = page.get("@odata.nextLink", "")


def test_a_page_has_20_rows_unless_asked_otherwise(sandbox: Sandbox, client: Any) -> None:
    sandbox.catalogue.publish_random(25)
    assert len(client.names()) == 20
    assert len(client.names(top=25)) == 25
    assert client.names(top=0) == []


@pytest.mark.parametrize("page", [{"top": 1001}, {"skip": 10001}, {"top": -1}, {"skip": "x"}])
def test_a_page_beyond_the_limits_is_refused(client: Any, page: dict[str, object]) -> None:
    assert client.products(**page).status_code == 422


def test_the_largest_page_and_the_deepest_skip_are_answered(client: Any) -> None:
    assert client.products(top=1000, skip=10_000).status_code == 200


def test_too_deep_a_skip_is_refused_in_the_recorded_words(client: Any, recorded: Path) -> None:
    errors = json.loads((recorded / "errors" / "catalogue_errors.json").read_text())
    answer = client.products(skip=10001)
    assert (answer.status_code, answer.json()) == (errors[0]["http"], errors[0]["body"])


def test_next_links_lead_through_every_row_once(sandbox: Sandbox, client: Any) -> None:
    ids = sandbox.catalogue.publish_random(45)
    first = client.products(filter=S2, orderby="ContentDate/Start", top=20, count="true").url
    pages = list(every_page(client, first))
    assert [len(page["value"]) for page in pages] == [20, 20, 5]
    assert {page["@odata.count"] for page in pages} == {45}
    assert sorted(row["Id"] for page in pages for row in page["value"]) == sorted(ids)


def test_a_next_link_repeats_the_request_further_on(sandbox: Sandbox, client: Any) -> None:
    sandbox.catalogue.publish_random(5)
    page = client.products(
        filter=S2, orderby="PublicationDate desc", top=2, skip=1, count="1", expand="Attributes,Assets"
    ).json()  # fmt: skip
    link = page["@odata.nextLink"]
    assert "%24filter=Collection%2FName+eq+%27SENTINEL-2%27&" in link
    assert parse_qs(urlsplit(link).query) == {
        "$filter": [S2], "$orderby": ["PublicationDate desc"], "$top": ["2"], "$skip": ["3"],
        "$count": ["true"], "$expand": ["Attributes", "Assets"],
    }  # fmt: skip


def test_the_next_link_vanishes_where_skip_would_exceed_10000() -> None:
    sandbox = Sandbox(products=0)
    sandbox.catalogue.publish_random(12_000, publication_date="2024-06-01")

    def has_link(skip: int) -> bool:
        query = {"$orderby": ["PublicationDate"], "$top": ["1000"], "$skip": [str(skip)]}
        page = json.loads(listing(sandbox.catalogue, query, "", products=True).body)
        assert len(page["value"]) == 1000
        return "@odata.nextLink" in page

    assert has_link(9000)
    assert not has_link(9001)
    assert not has_link(10_000)


def test_a_last_page_that_is_full_has_no_next_link(sandbox: Sandbox, client: Any) -> None:
    sandbox.catalogue.publish_random(4)
    assert "@odata.nextLink" not in client.products(top=2, skip=2, orderby="PublicationDate").json()


@pytest.mark.parametrize(
    ("key", "field"),
    [
        ("ContentDate/Start", "sensing_start"),
        ("ContentDate/End", "sensing_end"),
        ("PublicationDate", "publication_date"),
        ("ModificationDate", "modification_date"),
    ],
)
def test_each_key_orders_both_ways(sandbox: Sandbox, client: Any, key: str, field: str) -> None:
    for day in ("03", "01", "02"):
        sandbox.catalogue.publish(name=day, **{field: f"2024-05-{day}"})
    assert client.names(orderby=key) == ["01", "02", "03"]
    assert client.names(orderby=f"{key} desc") == ["03", "02", "01"]


@pytest.mark.parametrize(
    "options",
    [
        {"orderby": "Name"},
        {"orderby": "PublicationDate,ContentDate/Start"},
        {"orderby": "PublicationDate down"},
        {"expand": "Everything"},
        {"select": "GeoFootprint"},
        {"filter": "Nonsense eq 5"},
    ],
)
def test_an_unknown_option_is_refused(client: Any, options: dict[str, object]) -> None:
    answer = client.products(**options)
    assert answer.status_code == 400
    assert set(answer.json()["detail"]) == {"message", "request_id"}


def test_ties_come_by_id(sandbox: Sandbox, client: Any) -> None:
    ids = sandbox.catalogue.publish_random(30, sensing_start="2024-06-04T11:06:19Z")
    for order in ("ContentDate/Start", "ContentDate/Start desc"):
        rows = client.products(orderby=order, top=100).json()["value"]
        assert [row["Id"] for row in rows] == sorted(ids)


def test_without_an_order_pages_repeat_and_lose_rows(sandbox: Sandbox, client: Any) -> None:
    sandbox.catalogue.publish_random(100)
    pages = [client.names(filter=S2, top=20, skip=skip) for skip in range(0, 100, 20)]
    names = [name for page in pages for name in page]
    assert len(names) == 100
    assert len(set(names)) < 100
    assert client.names(filter=S2, top=20) == pages[0]


def test_a_count_is_exact_and_only_given_when_asked_for(sandbox: Sandbox, client: Any) -> None:
    sandbox.catalogue.publish_random(7, tile_id="30TWM")
    sandbox.catalogue.publish_random(3, tile_id="30TXM")
    counted = client.products(filter="contains(Name,'_T30TWM_')", count="True", top=1).json()
    assert counted["@odata.count"] == 7
    assert "@odata.count" not in client.products(count="0").json()
    assert client.products(count="perhaps").status_code == 422


def test_expansion_takes_lists_and_repetition(sandbox: Sandbox, client: Any) -> None:
    sandbox.catalogue.publish()
    bare = client.products().json()
    assert bare["@odata.context"] == "$metadata#Products"
    assert not {"Attributes", "Assets", "Locations"} & set(bare["value"][0])
    for expand in ("Locations,Attributes", ["Attributes", "Locations"]):
        page = client.products(expand=expand).json()
        assert page["@odata.context"] == "$metadata#Products(Attributes(),Locations())"
        assert {"Attributes", "Locations"} <= set(page["value"][0])
    assert page["value"][0]["Locations"][0]["Checksum"] == page["value"][0]["Checksum"]


def test_a_selection_leaves_the_id_and_what_was_named(sandbox: Sandbox, client: Any) -> None:
    sandbox.catalogue.publish()
    row = client.products(select="ModificationDate,Geofootprint").json()["value"][0]
    assert set(row) == {"@odata.mediaContentType", "Id", "ModificationDate", "GeoFootprint"}
    assert "Name" in client.products(select="*").json()["value"][0]


def test_one_product_comes_bare(sandbox: Sandbox, client: Any) -> None:
    id = sandbox.catalogue.publish()
    listed = client.products(expand="Attributes").json()["value"][0]
    answer = client.catalogue(f"Products({id})", expand="Attributes").json()
    assert answer.pop("@odata.context") == "$metadata#Products(Attributes())/$entity"
    assert answer == listed


def test_an_id_that_is_not_listed_is_404_and_no_id_is_422(client: Any) -> None:
    answer = client.catalogue(f"Products({UNKNOWN})")
    assert answer.status_code == 404
    assert set(answer.json()["detail"]) == {"message", "request_id"}
    assert client.catalogue("Products(nonsense)").status_code == 422
    assert client.catalogue("Nonsense").status_code == 404


def test_names_in_a_list_are_found_and_unknown_ones_are_missing(
    sandbox: Sandbox, client: Any
) -> None:
    for name in ("a.SAFE", "b.SAFE", "c.SAFE"):
        sandbox.catalogue.publish(name=name)
    url = f"{sandbox.catalogue_url}/Products/OData.CSC.FilterList"
    wanted = {"FilterProducts": [{"Name": n} for n in ("c.SAFE", "a.SAFE", "x.SAFE")]}
    rows = client.session.post(url, json=wanted, timeout=30).json()["value"]
    assert [row["Name"] for row in rows] == ["a.SAFE", "c.SAFE"]
    assert client.session.post(url, json=[1], timeout=30).status_code == 400


def test_deletions_are_listed_by_their_date(sandbox: Sandbox, client: Any) -> None:
    ids = sandbox.catalogue.publish_random(3)
    for day, id in enumerate(ids, start=1):
        sandbox.catalogue.delete(id, "Corrupted product", deletion_date=f"2024-07-0{day}")
    page = client.catalogue(
        "DeletedProducts", filter=f"{S2} and DeletionDate ge 2024-07-02", orderby="DeletionDate desc",
        count="true", expand="Attributes",
    ).json()  # fmt: skip
    assert page["@odata.count"] == 2
    assert [row["Id"] for row in page["value"]] == ids[:0:-1]
    row = page["value"][1]
    assert row["DeletionDate"] == "2024-07-02T00:00:00.000000Z"
    assert row["DeletionCause"] == "Corrupted product"
    assert client.catalogue(f"DeletedProducts({ids[0]})").json()["Id"] == ids[0]
    assert client.catalogue(f"Products({ids[0]})").status_code == 404


@pytest.mark.parametrize(
    "options",
    [
        {"orderby": "PublicationDate"},
        {"expand": "Assets"},
        {"filter": "Online eq true"},
        {"filter": "PublicationDate gt 2024-01-01"},
    ],
)
def test_deletions_know_fewer_options(client: Any, options: dict[str, str]) -> None:
    assert client.catalogue("DeletedProducts", **options).status_code == 400


def test_attribute_names_come_with_their_types(client: Any) -> None:
    listed = client.catalogue("Attributes(SENTINEL-2)").json()
    assert {"Name": "cloudCover", "ValueType": "Double"} in listed
    assert len(listed) == 25
    assert {"Name": "swathIdentifier", "ValueType": "String"} in client.catalogue(
        "Attributes"
    ).json()
    assert client.catalogue("Attributes(NONSENSE)").status_code == 404


def test_wire_values_are_sent_as_they_are(sandbox: Sandbox, client: Any) -> None:
    sandbox.catalogue.publish(
        wire={"Id": REMOVED, "Checksum": [{}], "EvictionDate": "", "Footprint": None, "Attributes": [1]}
    )  # fmt: skip
    row = client.products(expand="Attributes").json()["value"][0]
    assert "Id" not in row
    assert (row["Checksum"], row["EvictionDate"], row["Footprint"]) == ([{}], "", None)
    assert row["Attributes"] == [1]


def test_the_style_of_2023_is_coarse_and_spelt_otherwise(sandbox: Sandbox, client: Any) -> None:
    sandbox.catalogue.publish(style="2023", publication_date="2023-02-09T14:11:35.218999Z")
    row = client.products(
        expand="Attributes", filter="PublicationDate eq 2023-02-09T14:11:35.218Z"
    ).json()["value"][0]  # fmt: skip
    assert (row["PublicationDate"], row["EvictionDate"]) == ("2023-02-09T14:11:35.218Z", "")
    attributes = {a["Name"]: a["Value"] for a in row["Attributes"]}
    assert {"granuleidentifier", "datastripidentifier"} <= set(attributes)
    assert attributes["processingDate"].endswith("+00:00")


def test_nothing_but_get_is_answered_elsewhere(sandbox: Sandbox, client: Any) -> None:
    url = f"{sandbox.catalogue_url}/Products"
    assert client.session.post(url, data="x", timeout=30).status_code == 405
    assert client.session.get(sandbox.url, timeout=30).status_code == 404
