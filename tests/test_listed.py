"""The source that benchmarks list speaks as CDSE does: links to next pages, down to the deepest skip and no further."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

from benchmarks import listed
from satcat.api import odata_parse

QUERY = {
    "$filter": ["Collection/Name eq 'SENTINEL-2'"],
    "$orderby": ["ContentDate/Start asc"],
    "$top": ["1000"],
    "$count": ["true"],
}


def walk(count: int) -> Iterator[dict[str, Any]]:
    query = QUERY
    while True:
        answer = json.loads(listed.page(count, query, "http://127.0.0.1/odata/v1/Products"))
        yield answer
        if "@odata.nextLink" not in answer:
            return
        query = parse_qs(urlsplit(answer["@odata.nextLink"]).query)


def test_who_follows_links_has_every_product_once_and_in_order() -> None:
    pages = list(walk(2500))
    assert [len(page["value"]) for page in pages] == [1000, 1000, 500]
    assert all(page["@odata.count"] == 2500 for page in pages)
    records = [record for page in pages for record in page["value"]]
    assert len({record["Id"] for record in records}) == 2500
    starts = [record["ContentDate"]["Start"] for record in records]
    assert starts == sorted(starts)


def test_links_end_where_more_than_10000_would_be_skipped() -> None:
    assert sum(len(page["value"]) for page in walk(20_000)) == 11_000


def test_its_records_are_as_large_as_real_ones_and_read_without_a_warning() -> None:
    records = [json.loads(listed.record(n)) for n in range(50)]
    assert all(len(record["Attributes"]) == 30 for record in records)
    assert not any(parsed.warnings for parsed in odata_parse.products(records, "SENTINEL-2"))
    assert 4900 < sum(len(listed.record(n)) for n in range(1000)) / 1000 < 5100
