"""That a product is missing from a listing is not believed lightly."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sqlalchemy as sa

from satcat.errors import DeleteLimitError
from satcat.models import sync_windows
from satcat.sync.engine import sync
from satcat.sync.report import SyncOptions

from .conftest import ALL, fill, mirrored, truth


def statuses(database):
    with database.read() as connection:
        return list(connection.scalars(sa.select(sync_windows.c.status)))


def test_an_empty_answer_does_not_wipe_a_scope(database, sandbox, api):
    fill(sandbox, 30)
    sync(database, api, ALL)
    listed = lambda r: "$select" in r.query and "$count" in r.query  # noqa: E731
    sandbox.faults.next("empty", n=2, match=listed)
    sandbox.faults.next("count", n=1, by=-30, match=listed)
    report = sync(database, api).scopes[0]
    assert mirrored(database) == truth(sandbox)
    assert report.deleted == 0


def test_a_consistently_empty_listing_is_confirmed_product_by_product(database, sandbox, api):
    """Count and list agree that nothing is there; each product says otherwise: the window is a mismatch."""
    empty = sandbox.catalogue.snapshot()  # some seconds old: its date gives nothing away
    ids = fill(sandbox, 30)
    sync(database, api, ALL)
    listed = lambda r: "$select" in r.query and "$count" in r.query  # noqa: E731
    sandbox.faults.next("stale", n=1, match=listed, snapshot=empty)
    sandbox.log.clear()
    report = sync(database, api).scopes[0]
    assert mirrored(database) == truth(sandbox)
    assert len([r for r in sandbox.log if any(i in r.path for i in ids)]) == 30
    assert statuses(database) == ["mismatch"]
    assert report.exit_code == 6
    assert sync(database, api).exit_code == 0
    assert statuses(database) == ["complete"]


def test_more_missing_products_than_allowed_stop_the_run_and_nothing_is_asked_or_removed(
    database, sandbox, api
):
    ids = fill(sandbox, 30)
    sync(database, api, ALL)
    for product_id in ids[:10]:
        sandbox.catalogue.delete(product_id, record=False)
    sandbox.log.clear()
    report = sync(database, api, options=SyncOptions(max_delete=5)).scopes[0]
    assert isinstance(report.error, DeleteLimitError)
    assert report.exit_code == 6
    assert "--max-delete" in str(report.error)
    assert len(mirrored(database)) == 30
    assert not [r for r in sandbox.log if "Products(" in r.path]
    assert sync(database, api, options=SyncOptions(max_delete=10)).exit_code == 0
    assert mirrored(database) == truth(sandbox)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_any_other_answer_than_404_keeps_the_product(database, sandbox, api, status):
    ids = fill(sandbox, 10)
    sync(database, api, ALL)
    sandbox.catalogue.delete(ids[0], record=False)
    sandbox.faults.next("status", n=50, status=status, retry_after=0, match=f"Products({ids[0]})")
    report = sync(database, api).scopes[0]
    assert ids[0] in mirrored(database)
    assert report.exit_code == 4
    sandbox.faults.clear()
    assert sync(database, api).exit_code == 0
    assert ids[0] not in mirrored(database)


def test_the_ledger_keeps_the_sources_count_until_a_new_listing(database, sandbox, api):
    ids = fill(sandbox, 10)
    sync(database, api, ALL, options=SyncOptions(recheck=0))
    before = _ledger(database)
    assert before.server_count == 10
    sandbox.clock.advance(60)
    sandbox.catalogue.delete(ids[0])
    sandbox.clock.advance(60)
    sync(database, api, options=SyncOptions(recheck=0))
    assert _ledger(database) == before
    sandbox.clock.advance(60)
    sync(database, api)
    assert _ledger(database).server_count == 9
    assert _ledger(database).listed_at > before.listed_at


def _ledger(database):
    with database.read() as connection:
        return connection.execute(
            sa.select(
                sync_windows.c.server_count, sync_windows.c.id_digest, sync_windows.c.listed_at
            )
        ).one()


def test_the_windows_proven_longest_ago_are_listed_again_first(database, sandbox, api):
    fill(sandbox, 30)
    halves = [
        ("2024-06-01", "2024-06-10"),
        ("2024-06-11", "2024-06-20"),
        ("2024-06-21", "2024-06-30"),
    ]
    for start, end in halves:
        sync(database, api, replace(ALL, start_date=start, end_date=end), scope=start)
        sandbox.clock.advance(60)
    with database.read() as connection:
        listed = dict(
            connection.execute(sa.select(sync_windows.c.scope_id, sync_windows.c.listed_at)).all()
        )
    sync(database, api, scope=halves[0][0])
    with database.read() as connection:
        later = dict(
            connection.execute(sa.select(sync_windows.c.scope_id, sync_windows.c.listed_at)).all()
        )
    assert later[1] > listed[1]
    assert (later[2], later[3]) == (listed[2], listed[3])


def test_missing_products_are_counted_over_all_windows_of_a_run(database, sandbox, api):
    ids = fill(sandbox, 28)
    sync(database, api, replace(ALL, end_date="2024-06-14"), scope="june")
    sync(database, api, ALL, scope="june")
    for product_id in ids:
        sandbox.catalogue.delete(product_id, record=False)
    report = sync(database, api, options=SyncOptions(max_delete=20, recheck=50)).scopes[0]
    assert isinstance(report.error, DeleteLimitError)
    assert len(mirrored(database)) == 14


def test_a_window_that_is_listed_again_and_does_not_come_to_its_count_is_a_mismatch(
    database, sandbox, api
):
    fill(sandbox, 10)
    sync(database, api, ALL)
    sandbox.faults.next("count", n=99, by=1, match="$count")
    assert sync(database, api).exit_code == 6
    assert statuses(database) == ["mismatch"]
    sandbox.faults.clear()
    assert sync(database, api).exit_code == 0
    assert statuses(database) == ["complete"]


def test_a_product_without_a_readable_publication_date_is_not_taken_for_missing(
    database, sandbox, api
):
    (odd, *_) = fill(sandbox, 10)
    sandbox.catalogue.modify(odd, wire={"PublicationDate": "soon"}, touch=False)
    sync(database, api, ALL)
    sandbox.log.clear()
    assert sync(database, api).exit_code == 0
    assert not [r for r in sandbox.log if odd in r.path]


def test_products_that_are_listed_and_cannot_be_had_make_their_window_a_mismatch(
    database, sandbox, api
):
    fill(sandbox, 30)
    sync(database, api, ALL)
    sandbox.clock.advance(3 * 3600)
    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM products")
    walked = lambda r: "$expand" in r.query and "ContentDate" in r.query["$orderby"]  # noqa: E731
    sandbox.faults.next("short", rows=10, next_link=False, match=walked)
    assert sync(database, api).exit_code == 6
    assert statuses(database) == ["mismatch"]
    assert sync(database, api).exit_code == 0
    assert mirrored(database) == truth(sandbox)
