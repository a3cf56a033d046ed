"""Scripted faults, as a client on a real socket meets them."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
import requests

from satcat.sandbox import Request, Sandbox

ORDERED = {"orderby": "PublicationDate", "count": "true"}


@pytest.fixture
def ids(sandbox: Sandbox) -> list[str]:
    """Six products, a second apart."""
    return [
        sandbox.catalogue.publish(publication_date=f"2024-06-01T00:00:0{n}Z", size_bytes=20_000)
        for n in range(6)
    ]


def listed(client: Any, **options: object) -> list[str]:
    return [row["Id"] for row in client.products(**(ORDERED | options)).json()["value"]]


def test_a_status_strikes_so_many_times(sandbox: Sandbox, client: Any) -> None:
    sandbox.faults.next("status", n=2, status=503)
    assert [client.products().status_code for _ in range(3)] == [503, 503, 200]
    assert [request.status for request in sandbox.log] == [503, 503, 200]
    assert sandbox.faults.pending == []


@pytest.mark.parametrize(
    ("retry_after", "header"),
    [
        (2, "2"),
        (0.5, "0.5"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "Fri, 02 Jan 2026 03:04:05 GMT"),
        (None, None),
    ],
)
def test_retry_after_is_given_in_seconds_or_as_a_date(
    sandbox: Sandbox, client: Any, retry_after: Any, header: str | None
) -> None:
    sandbox.faults.next("status", status=429, retry_after=retry_after)
    answer = client.products()
    assert (answer.status_code, answer.headers.get("Retry-After")) == (429, header)


def test_a_fault_strikes_only_what_matches(sandbox: Sandbox, client: Any) -> None:
    sandbox.faults.next("status", status=500, match="DeletedProducts")
    sandbox.faults.next("status", status=502, match="$skip=20")
    sandbox.faults.next("status", status=504, match=lambda request: request.method == "POST")
    assert client.products().status_code == 200
    assert client.products(skip=20).status_code == 502
    assert client.catalogue("DeletedProducts").status_code == 500
    assert client.token().status_code == 504
    assert client.token().status_code == 200


def test_one_fault_strikes_at_a_time_the_oldest_first(sandbox: Sandbox, client: Any) -> None:
    sandbox.faults.next("status", status=500)
    sandbox.faults.next("status", status=503)
    assert [client.products().status_code for _ in range(3)] == [500, 503, 200]


def test_what_has_not_struck_can_be_dropped(sandbox: Sandbox, client: Any) -> None:
    sandbox.faults.next("status", n=5)
    assert [fault.n for fault in sandbox.faults.pending] == [5]
    sandbox.faults.clear()
    assert client.products().status_code == 200


def test_an_unknown_fault_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="earthquake"):
        sandbox.faults.next("earthquake")
    with pytest.raises(TypeError):
        sandbox.faults.next("status", colour="red")
    with pytest.raises(ValueError, match="snapshot"):
        sandbox.faults.next("stale")


def test_a_reset_gives_no_answer(sandbox: Sandbox, client: Any) -> None:
    sandbox.faults.next("reset")
    with pytest.raises(requests.ConnectionError, match="reset"):
        client.products()
    assert sandbox.log[0].status == 0
    assert client.products().status_code == 200


def test_a_reset_may_come_after_so_many_bytes(
    sandbox: Sandbox, client: Any, ids: list[str]
) -> None:
    sandbox.faults.next("reset", after=5000, match="$value")
    answer = client.download(f"Products({ids[0]})/$value", stream=True)
    assert answer.status_code == 200
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        assert len(answer.content) <= 5000
    assert client.download(f"Products({ids[0]})/$value").status_code == 200


def test_a_message_may_come_with_200(sandbox: Sandbox, client: Any, ids: list[str]) -> None:
    sandbox.faults.next("json", match="$value")
    answer = client.download(f"Products({ids[0]})/$value")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json()["code"].startswith("DAT-ZIP-")


def test_the_json_of_an_answer_may_be_edited(sandbox: Sandbox, client: Any, ids: list[str]) -> None:
    def rename(answer: Any) -> Any:
        return {"result": [{**node, "Name": "../x"} for node in answer["result"]]}

    sandbox.faults.next("edited", match="/Nodes", edit=rename)
    path = f"Products({ids[0]})/Nodes"
    names = [client.download(path).json()["result"][0]["Name"] for _ in range(2)]
    assert names == ["../x", sandbox.catalogue.products[ids[0]].name]
    with pytest.raises(ValueError, match="needs an edit"):
        sandbox.faults.next("edited")


def test_a_cut_ends_the_body_early(sandbox: Sandbox, client: Any, ids: list[str]) -> None:
    sandbox.faults.next("cut", after=5000, match="$value")
    answer = client.download(f"Products({ids[0]})/$value", stream=True)
    received: list[bytes] = []
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        received.extend(answer.iter_content(100))
    assert int(answer.headers["Content-Length"]) == 20_000
    assert 4000 < len(b"".join(received)) <= 5000
    sandbox.faults.next("cut", match="/Products")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.products()


def test_a_truncated_answer_is_no_json_but_complete_http(
    sandbox: Sandbox, client: Any, ids: list[str]
) -> None:
    sandbox.faults.next("truncated")
    answer = client.products()
    assert answer.status_code == 200
    assert len(answer.content) == int(answer.headers["Content-Length"]) > 100
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.content)


def test_a_web_page_comes_with_200(sandbox: Sandbox, client: Any) -> None:
    sandbox.faults.next("html")
    answer = client.products()
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html")
    assert answer.text.startswith("<!DOCTYPE html>")


def test_an_answer_without_length_may_end_anywhere(
    sandbox: Sandbox, client: Any, ids: list[str]
) -> None:
    path, token = f"Products({ids[0]})/$value", client.token().json()["access_token"]
    sandbox.faults.next("unsized", match="$value")
    sandbox.faults.next("unsized", match="$value", after=7000)
    whole, part = client.download(path, token), client.download(path, token)
    assert "Content-Length" not in whole.headers
    assert (len(whole.content), len(part.content)) == (20_000, 7000)


def test_a_length_may_be_wrong(sandbox: Sandbox, client: Any, ids: list[str]) -> None:
    path, token = f"Products({ids[0]})/$value", client.token().json()["access_token"]
    sandbox.faults.next("length", match="$value", by=-100)
    assert len(client.download(path, token).content) == 19_900
    sandbox.faults.next("length", match="$value", by=100)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.download(path, token)


def test_a_corrupt_answer_has_its_length(sandbox: Sandbox, client: Any, ids: list[str]) -> None:
    path, token = f"Products({ids[0]})/$value", client.token().json()["access_token"]
    good = client.download(path, token).content
    sandbox.faults.next("corrupt", match="$value", after=123)
    bad = client.download(path, token).content
    assert [n for n in range(len(good)) if good[n] != bad[n]] == [123]


@pytest.mark.parametrize(("kind", "options"), [("slow", {"seconds": 0.2}), ("drip", {"rate": 500})])
def test_an_answer_may_be_slow(sandbox: Sandbox, client: Any, kind: Any, options: Any) -> None:
    sandbox.faults.next(kind, **options)
    started = time.monotonic()
    assert client.products().json()["value"] == []
    assert time.monotonic() - started > 0.1


def test_a_redirect_leads_to_another_host(sandbox: Sandbox, client: Any) -> None:
    sandbox.faults.next("redirect")
    answer = client.products(top=3)
    assert answer.history[0].status_code == 302
    assert answer.url.startswith("http://localhost:")
    assert answer.url.endswith("/odata/v1/Products?%24top=3")
    sandbox.faults.next("redirect", location="http://127.0.0.1:1/elsewhere")
    with pytest.raises(requests.ConnectionError):
        client.products()


def test_a_count_may_be_wrong(sandbox: Sandbox, client: Any, ids: list[str]) -> None:
    sandbox.faults.next("count", by=-2)
    sandbox.faults.next("count", by=3)
    assert [client.products(**ORDERED).json()["@odata.count"] for _ in range(3)] == [4, 9, 6]


def test_a_list_may_be_short_with_or_without_its_link(
    sandbox: Sandbox, client: Any, ids: list[str]
) -> None:
    sandbox.faults.next("short", rows=2)
    sandbox.faults.next("short", next_link=False)
    first, second = (client.products(**ORDERED, top=4).json() for _ in range(2))
    assert [row["Id"] for row in first["value"]] == ids[:2]
    assert "%24skip=4&" in first["@odata.nextLink"]
    assert [row["Id"] for row in second["value"]] == ids[:3]
    assert "@odata.nextLink" not in second


def test_a_list_may_be_empty(sandbox: Sandbox, client: Any, ids: list[str]) -> None:
    sandbox.faults.next("empty")
    page = client.products(**ORDERED, top=4).json()
    assert (page["value"], page["@odata.count"]) == ([], 0)
    assert "@odata.nextLink" not in page


def test_rows_may_come_out_of_order_or_twice(sandbox: Sandbox, client: Any, ids: list[str]) -> None:
    sandbox.faults.next("shuffled")
    sandbox.faults.next("duplicated")
    assert listed(client) == [*ids[1:], ids[0]]
    assert listed(client) == [*ids[:-1], ids[0]]
    assert listed(client) == ids


def test_a_stale_answer_is_the_catalogue_of_then(
    sandbox: Sandbox, client: Any, ids: list[str]
) -> None:
    before = sandbox.catalogue.snapshot()
    sandbox.clock.advance(5000)
    late = sandbox.catalogue.publish()
    sandbox.catalogue.delete(ids[0])
    sandbox.faults.next("stale", snapshot=before, n=3)
    stale = client.products(**ORDERED)
    assert [row["Id"] for row in stale.json()["value"]] == ids
    assert client.catalogue("DeletedProducts").json()["value"] == []
    assert client.catalogue(f"Products({late})").status_code == 404
    fresh = client.products(**ORDERED)
    assert [row["Id"] for row in fresh.json()["value"]] == [*ids[1:], late]
    age = date(fresh) - date(stale)
    assert 4990 <= age <= 5010


def date(answer: Any) -> float:
    return parsedate_to_datetime(answer.headers["Date"]).timestamp()


def test_the_date_header_follows_the_clock(sandbox: Sandbox, client: Any) -> None:
    now = date(client.products())
    sandbox.clock.advance(1000)
    assert 998 <= date(client.products()) - now <= 1030
    sandbox.clock.skew = -3600
    assert -2605 <= date(client.products()) - now <= -2570
    sandbox.clock.send_date = False
    assert "Date" not in client.products().headers


def test_the_date_header_of_one_answer_may_be_wrong_or_missing(
    sandbox: Sandbox, client: Any
) -> None:
    sandbox.faults.next("no_date")
    sandbox.faults.next("skew", seconds=86_400)
    assert "Date" not in client.products().headers
    skewed, right = date(client.products()), date(client.products())
    assert 86_300 < skewed - right <= 86_400


def test_tokens_may_expire_at_once(sandbox: Sandbox, client: Any, ids: list[str]) -> None:
    tokens = client.token().json()
    path = f"Products({ids[0]})/$value"
    sandbox.faults.next("expired", match="$value")
    answer = client.download(path, tokens["access_token"])
    assert (answer.status_code, answer.json()["code"]) == (401, "DAT-ZIP-109")
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    again = client.token(**refresh).json()["access_token"]
    assert client.download(path, again).status_code == 200


def test_a_callback_can_change_the_catalogue_between_two_pages(
    sandbox: Sandbox, client: Any, ids: list[str]
) -> None:
    seen: list[str] = []

    def delete_first(request: Request) -> None:
        seen.append(request.query["$skip"])
        sandbox.catalogue.delete(ids[0])

    sandbox.faults.on_request(delete_first, match="$skip=3")
    assert listed(client, top=3) == ids[:3]
    assert listed(client, top=3, skip=3) == ids[4:]  # the fourth has slipped onto the first page
    assert listed(client, top=3, skip=3) == ids[4:]
    assert seen == ["3"]


def test_a_callback_may_run_for_every_request(sandbox: Sandbox, client: Any) -> None:
    paths: list[str] = []
    sandbox.faults.on_request(lambda request: paths.append(request.path), n=None)
    sandbox.faults.next("status", n=1)
    assert [client.products().status_code, client.token().status_code] == [503, 200]
    assert [path.rpartition("/")[2] for path in paths] == ["Products", "token"]
