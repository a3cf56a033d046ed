"""Damage plainly satcat's back is found, named, and mended with no more requests than needed."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from satcat import integrity
from satcat.mirrored import survey
from satcat.models import products, sync_windows
from satcat.sandbox import REMOVED
from satcat.sync.engine import sync
from satcat.sync.report import SyncOptions
from satcat.sync.verify import verify
from satcat.vouched import NOT_FINISHED
from tests.engines import ANY_VALUE, RTREE, plainly

from .conftest import ALL, fill, mirrored, truth


@pytest.fixture
def synced(database, sandbox, api):
    ids = fill(sandbox, 60)
    assert sync(database, api, ALL).exit_code == 0
    sandbox.clock.advance(3 * 3600)
    return ids


def named(report):
    return {(d.kind, d.id) for d in report.left} | {
        (f.kind, f.id) for f in report.findings if f.id is not None
    }


def test_a_whole_mirror_is_shown_to_be_whole(database, synced, sandbox, api):
    report = verify(database, api)
    assert report.exit_code == 0
    assert (report.windows_compared, report.products_compared) == (1, 60)
    assert report.products_sampled == 60
    assert json.loads(json.dumps(report.as_json()))["exit_code"] == 0


def test_a_deleted_row_is_named_and_mended(database, address, synced, sandbox, api):
    plainly(address, f"DELETE FROM products WHERE id = '{synced[7]}'")
    report = verify(database, api)
    assert report.exit_code == 8
    assert named(report) == {("missing", synced[7])}
    assert verify(database, api, repair=True).exit_code == 0
    assert mirrored(database) == truth(sandbox)
    assert verify(database, api).exit_code == 0


@pytest.mark.parametrize(
    "change",
    [
        "cloud_cover = 1.5", "name = 'other'", "size_bytes = NULL", "footprint = NULL", "attributes = '{}'",
        "online = false", "tile_id = '31TCG'", "west = west + 5",
        "modification_date = '2030-01-01T00:00:00.000000Z'", "content_hash = 'x'",
        *(
            pytest.param(change, marks=ANY_VALUE)
            for change in ("footprint = x'00'", "attributes = 'no json'", "sensing_start = 'yesterday'")
        ),
    ],
)  # fmt: skip
def test_an_altered_row_is_named_and_mended(database, address, synced, sandbox, api, change):
    plainly(address, f"UPDATE products SET {change} WHERE id = '{synced[3]}'")
    report = verify(database, api)
    assert report.exit_code == 8
    assert ("altered", synced[3]) in named(report)
    assert {i for _, i in named(report)} == {synced[3]}
    assert verify(database, api, repair=True).exit_code == 0
    assert mirrored(database) == truth(sandbox)
    assert verify(database, api).exit_code == 0


def test_an_added_row_is_named_and_removed(database, address, synced, sandbox, api):
    columns = ", ".join(c.name for c in products.columns if c.name not in ("pk", "id"))
    plainly(
        address,
        f"INSERT INTO products (id, {columns}) SELECT 'made-up', {columns} FROM products LIMIT 1",
    )
    report = verify(database, api)
    assert ("stranger", "made-up") in named(report)
    assert report.exit_code == 8
    assert verify(database, api, repair=True).exit_code == 0
    assert mirrored(database) == truth(sandbox)


def test_an_added_row_in_a_scope_is_asked_for_and_removed(database, address, synced, sandbox, api):
    columns = ", ".join(c.name for c in products.columns if c.name not in ("pk", "id"))
    fake = "00000000-0000-4000-8000-000000000000"
    plainly(
        address,
        f"INSERT INTO products (id, {columns}) SELECT '{fake}', {columns} FROM products LIMIT 1",
        f"INSERT INTO scope_products SELECT 1, 0, pk FROM products WHERE id = '{fake}'",
    )
    assert ("extra", fake) in named(verify(database, api))
    assert verify(database, api, repair=True).exit_code == 0
    assert mirrored(database) == truth(sandbox)


def test_all_kinds_of_damage_at_once_are_each_named(database, address, synced, sandbox, api):
    plainly(
        address,
        f"DELETE FROM products WHERE id IN ('{synced[1]}', '{synced[2]}')",
        f"UPDATE products SET cloud_cover = 3 WHERE id = '{synced[4]}'",
    )
    sandbox.catalogue.modify(
        synced[9], cloud_cover=2.0, touch=False
    )  # the source changed, and does not say so
    report = verify(database, api)
    assert named(report) == {
        ("missing", synced[1]), ("missing", synced[2]), ("altered", synced[4]), ("stale", synced[4]),
        ("stale", synced[9]),
    } - ({("stale", synced[4])} if ("stale", synced[4]) not in named(report) else set())  # fmt: skip


def test_mending_one_row_takes_one_request_more(database, address, synced, sandbox, api):
    sandbox.log.clear()
    verify(database, api)
    plain = len(sandbox.log)
    plainly(address, f"DELETE FROM products WHERE id = '{synced[7]}'")
    sandbox.log.clear()
    assert verify(database, api, repair=True).exit_code == 0
    assert len(sandbox.log) <= plain + 1


def test_mending_many_rows_lists_their_window_again_instead_of_asking_one_by_one(
    database, address, synced, sandbox, api
):
    plainly(address, "DELETE FROM products")
    sandbox.log.clear()
    assert verify(database, api, repair=True).exit_code == 0
    assert len(sandbox.log) <= 8
    assert mirrored(database) == truth(sandbox)


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        pytest.param(
            "DELETE FROM products_rtree WHERE pk IN (SELECT pk FROM products LIMIT 3)", "spatial index", marks=RTREE
        ),
        ("UPDATE tile_months SET products = products + 1", "tile_months"),
    ],
    ids=["spatial index", "counts"],
)  # fmt: skip
def test_derived_tables_are_checked_and_made_again(database, address, synced, api, damage, kind):
    plainly(address, damage)
    assert {finding.kind for finding in verify(database, api).findings} == {kind}
    assert verify(database, api, repair=True).exit_code == 0
    with database.read() as connection:
        assert list(integrity.check(connection)) == []


def test_windows_with_a_gap_or_an_overlap_are_named(database, address, synced, api):
    plainly(address, "UPDATE sync_windows SET window_end = '2024-06-20T00:00:00.000000Z'")
    report = verify(database, api)
    assert report.exit_code == 8
    assert any("no window covers 2024-06-20" in finding.detail for finding in report.findings)


def test_a_spent_budget_leaves_windows_for_the_next_run_which_goes_on_with_the_oldest(
    database, sandbox, api
):
    from dataclasses import replace

    fill(sandbox, 28)
    for day in range(1, 7):
        one = replace(ALL, start_date=f"2024-06-{day:02d}", end_date=f"2024-06-{day:02d}")
        sync(database, api, one)
        sandbox.clock.advance(60)
    options = SyncOptions(recheck=0)
    first = verify(database, api, budget=3, options=options)
    assert first.exit_code == 6
    assert (first.windows_compared, first.windows_left) == (3, 3)
    sandbox.clock.advance(60)
    second = verify(database, api, budget=3, options=options)
    assert (second.windows_compared, second.windows_left) == (3, 3)
    with database.read() as connection:
        listed = list(connection.scalars(sa.select(sync_windows.c.listed_at)))
    assert sum(moment < min(listed) + timedelta(seconds=30) for moment in listed) == 3


def test_windows_that_no_sync_walked_to_the_end_are_not_shown(database, sandbox, api):
    fill(sandbox, 5)
    sandbox.faults.next("status", n=50, status=500, match="$expand")
    assert sync(database, api, ALL).exit_code == 4
    sandbox.faults.clear()
    report = verify(database, api)
    assert (report.exit_code, report.windows_unfinished) == (6, 1)


def test_a_window_whose_walk_did_not_come_to_its_count_is_compared_all_the_same(
    database, sandbox, api
):
    fill(sandbox, 5)
    sandbox.faults.next("count", n=50, by=3, match="$count")
    assert sync(database, api, ALL).exit_code == 6
    assert verify(database, api).exit_code == 6
    sandbox.faults.clear()
    assert verify(database, api).exit_code == 0
    assert sync(database, api).scopes[0].open_windows == 0


def test_news_is_followed_first_and_is_no_difference(database, synced, sandbox, api):
    sandbox.catalogue.publish_random(2, sensing_start="2024-06-15T10:00:00Z")
    sandbox.catalogue.modify(synced[0], cloud_cover=9.0)
    sandbox.catalogue.delete(synced[1])
    sandbox.clock.advance(10)
    report = verify(database, api)
    assert (report.exit_code, report.differences) == (0, [])
    assert report.news == 3
    assert mirrored(database) == truth(sandbox)


def test_what_changes_while_windows_are_compared_is_pending_not_a_difference(
    database, synced, sandbox, api
):
    def change(_):
        sandbox.clock.advance(1)
        sandbox.catalogue.publish_random(1, sensing_start="2024-06-15T10:00:00Z")
        sandbox.catalogue.modify(synced[0], cloud_cover=9.0)
        sandbox.catalogue.delete(synced[1])

    listed = lambda r: "$select" in r.query and "$count" in r.query  # noqa: E731
    sandbox.faults.on_request(change, match=listed)
    report = verify(database, api)
    assert report.left == []
    assert report.exit_code == 0
    assert report.pending >= 2


def test_a_listing_that_does_not_come_to_its_count_shows_nothing(database, synced, sandbox, api):
    listed = lambda r: "$select" in r.query and "$count" in r.query  # noqa: E731
    sandbox.faults.next("short", n=1, rows=4, next_link=False, match=listed)
    report = verify(database, api, repair=True)
    assert report.exit_code == 6
    assert len(report.incomplete_listings) == 1
    assert mirrored(database) == truth(sandbox)


def test_what_a_difference_was_found_in_is_not_called_complete_and_the_next_sync_lists_it(
    database, address, synced, sandbox, api
):
    plainly(address, f"DELETE FROM products WHERE id = '{synced[7]}'")
    assert verify(database, api).exit_code == 8
    with database.read() as connection:
        assert [gap.reason for gap in survey(connection, ALL).gaps] == [NOT_FINISHED]
    assert sync(database, api).exit_code == 0
    assert mirrored(database) == truth(sandbox)
    with database.read() as connection:
        assert survey(connection, ALL).gaps == []


def test_a_window_with_a_difference_does_not_use_up_every_budget(database, address, sandbox, api):
    from dataclasses import replace

    fill(sandbox, 28)
    for day in range(1, 5):
        one = replace(ALL, start_date=f"2024-06-{day:02d}", end_date=f"2024-06-{day:02d}")
        sync(database, api, one)
        sandbox.clock.advance(60)
    plainly(address, "DELETE FROM products WHERE sensing_start < '2024-06-02'")
    began = sandbox.clock.now()
    for _ in range(4):
        sandbox.clock.advance(60)
        verify(database, api, budget=1)
    with database.read() as connection:
        listed = list(connection.scalars(sa.select(sync_windows.c.listed_at)))
    assert sum(moment > began for moment in listed) == 3


def test_what_a_repair_could_not_fetch_is_not_called_repaired(
    database, address, synced, sandbox, api
):
    plainly(address, "DELETE FROM products")
    walked = lambda r: "$expand" in r.query and "ContentDate" in r.query["$orderby"]  # noqa: E731
    sandbox.faults.next("short", rows=30, next_link=False, match=walked)
    report = verify(database, api, repair=True)
    assert (report.exit_code, len(report.left)) == (8, 30)
    assert verify(database, api, repair=True).exit_code == 0
    assert mirrored(database) == truth(sandbox)


def test_products_that_exist_but_are_not_listed_are_not_called_repaired(database, sandbox, api):
    empty = sandbox.catalogue.snapshot()
    fill(sandbox, 30)
    sync(database, api, ALL)
    listed = lambda r: "$select" in r.query and "$count" in r.query  # noqa: E731
    sandbox.faults.next("stale", match=listed, snapshot=empty)
    report = verify(database, api, repair=True)
    assert (report.exit_code, len(report.left)) == (8, 30)
    assert mirrored(database) == truth(sandbox)


def test_a_rejected_record_is_not_called_repaired(database, sandbox, api):
    ids = fill(sandbox, 10)
    sandbox.catalogue.modify(ids[5], wire={"Name": REMOVED}, touch=False)
    assert sync(database, api, ALL).exit_code == 6
    assert named(verify(database, api, repair=True)) == {("missing", ids[5])}
