"""Pages with odd or broken records, over a real socket and through a whole sync: one record costs no other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests
import sqlalchemy as sa

from satcat import times
from satcat.api.http import HttpClient, Retries
from satcat.api.odata import ODataAPI
from satcat.models import products, sync_rejects
from satcat.sandbox import REMOVED
from satcat.sync.engine import sync

from .conftest import ALL, fill, mirrored, truth

MARK = "here it breaks"


class Between:
    """Hands on the sandbox's answers, each changed by `edit` on its way."""

    def __init__(self, target: str) -> None:
        self.edit: Callable[[bytes], bytes] = lambda body: body
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with requests.get(target + self.path, timeout=30) as answer:
                    body = outer.edit(answer.content)
                    self.send_response_only(answer.status_code)
                    self.send_header("Date", answer.headers["Date"])
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def between(sandbox) -> Iterator[Between]:
    host = sandbox.catalogue_url.partition("/odata")[0]
    running = Between(host)
    yield running
    running.close()


@pytest.fixture
def through(sandbox, between) -> Iterator[ODataAPI]:
    path = sandbox.catalogue_url.partition("/odata")[2]
    retries = Retries(attempts=2, first_wait=0.01, longest_wait=0.01)
    source = ODataAPI(catalogue_url=f"{between.url}/odata{path}", http=HttpClient(retries=retries))
    yield source
    source.close()


def open_rejects(database) -> list[Any]:
    query = sa.select(sync_rejects).where(
        sync_rejects.c.resolved_at.is_(None), sync_rejects.c.kind == "reject"
    )
    with database.read() as connection:
        return list(connection.execute(query))


BROKEN = {
    "a wrong escape": b'"\\x"',
    "a word of another language": b"None",
    "deep nesting": b"[" * 100_000 + b"]" * 100_000,
    "a huge text": b'"' + b"x" * 5_000_000 + b'"',
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_record_that_is_no_json_is_listed_as_a_reject_and_the_rest_is_mirrored(
    database, sandbox, between, through, name
):
    ids = fill(sandbox, 12)
    sandbox.catalogue.modify(ids[5], wire={"S3Path": MARK}, touch=False)
    between.edit = lambda body: body.replace(f'"{MARK}"'.encode(), BROKEN[name])
    report = sync(database, through, ALL).scopes[0]
    assert (report.error, report.exit_code, report.open_windows) == (None, 6, 0)
    assert set(mirrored(database)) == set(ids) - {ids[5]}
    (reject,) = open_rejects(database)
    assert reject.product_id == ids[5]
    assert ids[5] in reject.raw and reject.error.startswith(("it cannot be read", "it has 5,0"))
    assert sync(database, through).exit_code == 6
    between.edit = lambda body: body
    assert sync(database, through).exit_code == 0
    assert mirrored(database) == truth(sandbox)


ODD = {
    "bytes that are no UTF-8": (b'"/a\xff\xfe"', "/a\ufffd\ufffd"),
    "a line break and NUL": (b'"/a\n\x00"', "/a\n\ufffd"),
    "a half of a character": (b'"/a\\ud800"', "/a\ufffd"),
    "NaN": (b"NaN", None),
    "a number beyond all": (b"1e400", None),
}


@pytest.mark.parametrize("name", ODD)
def test_a_record_with_odd_text_is_mirrored_with_a_warning_and_stays_as_it_is(
    database, sandbox, between, through, name
):
    ids = fill(sandbox, 3)
    sandbox.catalogue.modify(ids[1], wire={"S3Path": MARK}, touch=False)
    said, path = ODD[name]
    between.edit = lambda body: body.replace(f'"{MARK}"'.encode(), said)
    assert sync(database, through, ALL).exit_code == 0
    with database.read() as connection:
        row = connection.execute(sa.select(products).where(products.c.id == ids[1])).one()
        warnings = list(connection.scalars(sa.select(sync_rejects.c.error)))
    assert row.s3_path == path and mirrored(database) == truth(sandbox)
    assert len(warnings) == 1 and warnings[0].startswith(f"{ids[1]}: S3Path ")
    report = sync(database, through).scopes[0]
    assert (report.added, report.changed) == (0, 0)


@pytest.mark.parametrize(
    "wire", [{"Id": REMOVED}, {"Id": 7}, {"Id": "12345678-1234-1234-1234-123456789abc"}]
)
def test_a_held_product_whose_own_address_says_nothing_of_it_ends_no_sync(
    database, sandbox, api, wire
):
    ids = fill(sandbox, 12)
    sync(database, api, ALL)
    sandbox.catalogue.modify(ids[5], wire=wire, touch=False)
    (new,) = sandbox.catalogue.publish_random(1, sensing_start="2024-06-16T10:00:00Z")
    sandbox.clock.advance(7200)
    report = sync(database, api).scopes[0]
    assert report.error is None and report.exit_code == 6
    assert new in mirrored(database) and ids[5] in mirrored(database)
    sandbox.catalogue.modify(ids[5], wire=None, touch=False)
    sync(database, api)
    assert sync(database, api).exit_code == 0
    assert mirrored(database) == truth(sandbox)


def test_a_page_that_ends_too_early_is_asked_for_again_and_never_believed(
    database, sandbox, between, through
):
    ids = fill(sandbox, 12)
    cut = iter([200, 1000, 3000])

    def shorten(body: bytes) -> bytes:
        return body[:-1] if len(body) > 3000 and next(cut, None) else body

    between.edit = shorten
    assert sync(database, through, ALL).exit_code == 4
    between.edit = lambda body: body
    assert sync(database, through).exit_code == 0
    assert set(mirrored(database)) == set(ids)


def test_products_at_the_ends_of_time_are_mirrored(database, sandbox, api, monkeypatch):
    from satcat.sync import windows

    monkeypatch.setattr(windows, "MOST", 5)
    monkeypatch.setattr(windows, "AIM", 3)
    fill(sandbox, 12)
    some = next(iter(sandbox.catalogue.products.values()))
    for n, start in enumerate(("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z")):
        moment = times.parse(start)
        sandbox.catalogue.publish(
            replace(some, id=f"{some.id[:-1]}{n}", sensing_start=moment, sensing_end=moment)
        )
    sandbox.clock.advance(7200)
    everything = type(ALL)(collection="SENTINEL-2")
    assert sync(database, api, everything).exit_code == 0
    assert mirrored(database) == truth(sandbox, everything)
    assert sync(database, api).exit_code == 0
