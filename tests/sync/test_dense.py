"""Catalogues as bulk processing leaves them: thousands of products in one instant."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest
import sqlalchemy as sa

from satcat.errors import ListingTooDenseError
from satcat.models import sync_windows
from satcat.sandbox import Sandbox
from satcat.sync import windows
from satcat.sync.engine import sync
from satcat.sync.report import SyncOptions

from .conftest import ALL, fill, mirrored, truth

INSTANT = "2024-06-15T10:00:00Z"


def check_polite(sandbox: Sandbox) -> None:
    """What the source must never see, from its own log."""
    assert all(int(r.query.get("$skip", 0)) <= 10_000 for r in sandbox.log)
    listings = [r for r in sandbox.log if r.path.endswith("Products")]
    assert listings
    for request in listings:
        assert request.query.get("$orderby"), request
        assert request.query.get("$top") == "1000", request
        assert "Collection/Name eq '" in request.query["$filter"], request
    assert sandbox.log.max_concurrent <= 4
    assert {r.status for r in sandbox.log} <= {200, 404}


def test_five_thousand_products_with_one_publication_and_one_sensing_start(database, sandbox, api):
    fill(sandbox, 5000, sensing_start=INSTANT, sensing_end=INSTANT)
    assert sync(database, api, ALL).exit_code == 0
    assert mirrored(database) == truth(sandbox)
    assert len(mirrored(database)) == 5000
    check_polite(sandbox)
    sandbox.clock.advance(60)
    sandbox.log.clear()
    assert sync(database, api).exit_code == 0
    assert len(sandbox.log) <= 10
    check_polite(sandbox)


def test_five_thousand_products_modified_in_one_instant_are_followed(database, sandbox, api):
    ids = fill(sandbox, 5000, sensing_start=INSTANT, sensing_end=INSTANT)
    sync(database, api, ALL)
    sandbox.clock.advance(60)
    at = sandbox.clock.now()
    for n, product_id in enumerate(ids):
        sandbox.catalogue.modify(product_id, cloud_cover=n / 50, modification_date=at)
    sandbox.clock.advance(60)
    assert sync(database, api).exit_code == 0
    assert mirrored(database) == truth(sandbox)
    check_polite(sandbox)


def test_an_instant_too_large_to_skip_through_is_cut_by_publication_date(database, sandbox, api):
    for k in range(12):
        day = f"2024-06-{16 + k}T00:00:00Z"
        dates = {"publication_date": day, "modification_date": day}
        fill(sandbox, 1000, sensing_start=INSTANT, sensing_end=INSTANT, **dates)
    assert sync(database, api, ALL).exit_code == 0
    assert set(mirrored(database)) == set(truth(sandbox))
    assert len(mirrored(database)) == 12_000
    check_polite(sandbox)


def test_an_instant_that_cannot_be_listed_by_either_date_is_named(database, sandbox, api):
    fill(sandbox, 12_000, sensing_start=INSTANT, sensing_end=INSTANT)
    report = sync(database, api, ALL).scopes[0]
    assert isinstance(report.error, ListingTooDenseError)
    assert "2024-06-15T10:00:00" in str(report.error)
    assert report.exit_code == 6
    check_polite(sandbox)


def test_thirty_thousand_products_in_one_day_come_in_windows(database, sandbox, api):
    publish = [
        {"sensing_start": f"2024-06-15T{s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}Z"}
        for s in range(0, 86_400, 288)
    ]
    for fields in publish:
        fill(sandbox, 100, **fields, sensing_end=fields["sensing_start"])
    open_ended = dataclasses.replace(ALL, start_date=None, end_date=None)
    assert sync(database, api, open_ended).exit_code == 0
    assert set(mirrored(database)) == set(truth(sandbox, open_ended))
    with database.read() as connection:
        rows = connection.execute(
            sa.select(sync_windows).order_by(
                sync_windows.c.window_start.is_not(None), sync_windows.c.window_start
            )
        ).all()
    assert all(row.server_count <= windows.MOST for row in rows)
    assert rows[0].window_start is None
    assert rows[-1].window_end is None
    assert all(a.window_end == b.window_start for a, b in pairwise(rows))
    check_polite(sandbox)


def test_a_page_that_shrinks_while_it_is_read_loses_nothing(database, sandbox, api):
    """Products that were listed are deleted between two pages: what follows moves up, and is listed all the same."""
    ids = fill(sandbox, 3000)
    in_order = sorted(ids, key=lambda i: (sandbox.catalogue.products[i].sensing_start, i))

    def shrink(_):
        for product_id in in_order[:200]:
            sandbox.catalogue.delete(product_id)

    second = lambda r: "$expand" in r.query and "$count" not in r.query  # noqa: E731
    sandbox.faults.on_request(shrink, match=second)
    sync(database, api, ALL, options=SyncOptions(connections=1))
    assert set(mirrored(database)) >= set(truth(sandbox))
    sandbox.clock.advance(60)
    sync(database, api)
    assert mirrored(database) == truth(sandbox)


def test_a_tie_that_changes_while_it_is_read_loses_nothing(database, sandbox, api):
    ids = fill(sandbox, 3500, sensing_start=INSTANT, sensing_end=INSTANT)

    def shrink(_):
        for product_id in sorted(ids)[:150]:
            sandbox.catalogue.delete(product_id)

    sandbox.faults.on_request(shrink, match="$skip=1998")
    sync(database, api, ALL)
    sandbox.clock.advance(60)
    assert sync(database, api).exit_code == 0
    assert mirrored(database) == truth(sandbox)
    check_polite(sandbox)


@pytest.mark.parametrize("field", ["cloud_cover", "footprint", "sensing_start"])
def test_a_product_may_change_between_two_pages(database, sandbox, api, field):
    ids = fill(sandbox, 2500)
    in_order = sorted(ids, key=lambda i: (sandbox.catalogue.products[i].sensing_start, i))
    values = {
        "cloud_cover": 99.5,
        "footprint": "POLYGON ((1 1, 2 1, 2 2, 1 2, 1 1))",
        "sensing_start": "2024-06-30T12:00:00Z",
    }

    def change(_):
        sandbox.clock.advance(30)
        for product_id in (in_order[10], in_order[-10]):
            fields = {field: values[field]}
            if field == "sensing_start":
                fields["sensing_end"] = values[field]
            sandbox.catalogue.modify(product_id, **fields)

    second = lambda r: "$expand" in r.query and "$count" not in r.query  # noqa: E731
    sandbox.faults.on_request(change, match=second)
    sync(database, api, ALL)
    sandbox.clock.advance(60)
    assert sync(database, api).exit_code == 0
    assert mirrored(database) == truth(sandbox)


def test_a_window_that_outgrew_its_size_is_cut_when_its_turn_comes(database, sandbox, api):
    open_ended = dataclasses.replace(ALL, end_date=None)
    fill(sandbox, 10)
    sync(database, api, open_ended)
    dates = {"publication_date": sandbox.clock.now(), "modification_date": sandbox.clock.now()}
    fill(sandbox, windows.MOST + 100, **dates)
    sandbox.clock.advance(60)
    assert sync(database, api).exit_code == 0
    assert set(mirrored(database)) == set(truth(sandbox))
    with database.read() as connection:
        counts = list(connection.scalars(sa.select(sync_windows.c.server_count)))
    assert sum(counts) == windows.MOST + 110
    assert max(counts) <= windows.MOST
    sandbox.clock.advance(3 * 3600)
    sync(database, api)  # the last whose overlap reaches back to them
    sandbox.log.clear()
    sync(database, api)
    assert len(sandbox.log) <= 10
    check_polite(sandbox)


def test_a_window_of_one_instant_that_outgrew_its_size_stays(database, sandbox, api):
    fill(sandbox, 10, sensing_start=INSTANT, sensing_end=INSTANT)
    sync(database, api, ALL)
    dates = {"publication_date": sandbox.clock.now(), "modification_date": sandbox.clock.now()}
    fill(sandbox, windows.MOST + 100, sensing_start=INSTANT, sensing_end=INSTANT, **dates)
    sandbox.clock.advance(60)
    for _ in range(2):
        assert sync(database, api).exit_code == 0
    with database.read() as connection:
        (window,) = connection.execute(sa.select(sync_windows)).all()
    assert (window.status, window.server_count) == ("complete", windows.MOST + 110)
