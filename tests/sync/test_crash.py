"""Kill a sync at any instant: nothing stored is lost, nothing half-done is believed, the same command finishes it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from satcat.database import Database
from satcat.models import sync_windows
from satcat.sync.engine import sync
from satcat.sync.verify import verify

from .conftest import ALL, fill, mirrored, truth
from .crashing import sync_and_die


def urls(sandbox):
    return {
        "catalogue_url": sandbox.catalogue_url,
        "download_url": sandbox.download_url,
        "token_url": sandbox.token_url,
    }


@pytest.mark.parametrize("before_commit", [True, False], ids=["before", "after"])
def test_a_sync_killed_at_any_transaction_is_finished_by_the_same_command(
    new_catalogue, sandbox, api, before_commit
):
    fill(sandbox, 1050)
    died = 0
    for transaction in range(1, 40):
        address = new_catalogue()
        code = sync_and_die(
            address, urls(sandbox), ALL, transaction=transaction, before_commit=before_commit
        )
        with Database.open(address) as database:
            held = mirrored(database)
            expected = truth(sandbox)
            assert all(expected[i] == row for i, row in held.items())
            with database.read() as connection:
                complete = connection.scalars(sa.select(sync_windows.c.status)).all() == [
                    "complete"
                ]
            assert not complete or held == expected
            if code == 0:
                assert died > 5
                return
            assert code == -9
            died += 1
            assert sync(database, api, ALL).exit_code == 0
            assert mirrored(database) == expected
            if transaction in (2, 5, died):
                assert verify(database, api).exit_code == 0
    pytest.fail("the sync never came to its end")


def test_a_killed_sync_goes_on_where_it_was(database, address, sandbox, api):
    fill(sandbox, 2500)
    code = sync_and_die(address, urls(sandbox), ALL, transaction=5, before_commit=False)
    assert code == -9
    held = len(mirrored(database))
    assert 1000 <= held < 2500
    sandbox.log.clear()
    sync(database, api, ALL)
    assert mirrored(database) == truth(sandbox)
    (first, *_) = [r for r in sandbox.log if "$expand" in r.query]
    assert "ContentDate/Start ge 2024-06-01T00:00:00" not in first.query["$filter"]


def test_the_lock_of_a_killed_sync_blocks_nobody(database, address, sandbox, api):
    fill(sandbox, 5)
    assert sync_and_die(address, urls(sandbox), ALL, transaction=3, before_commit=True) == -9
    assert sync(database, api, ALL).exit_code == 0


def test_following_killed_at_any_transaction_loses_nothing(new_catalogue, sandbox, api):
    ids = fill(sandbox, 40)
    base = new_catalogue()
    with Database.open(base) as database:
        sync(database, api, ALL)
    sandbox.clock.advance(7200)
    sandbox.catalogue.publish_random(3, sensing_start="2024-06-15T10:00:00Z")
    for product_id in ids[:4]:
        sandbox.catalogue.modify(product_id, cloud_cover=55.0)
    for product_id in ids[4:8]:
        sandbox.catalogue.delete(product_id)
    sandbox.catalogue.delete(ids[8], record=False)
    sandbox.clock.advance(60)
    for transaction in range(1, 40):
        address = new_catalogue(like=base)
        code = sync_and_die(
            address, urls(sandbox), None, transaction=transaction, before_commit=True
        )
        with Database.open(address) as database:
            sync(database, api)
            assert mirrored(database) == truth(sandbox)
        if code == 0:
            assert transaction > 5
            return
    pytest.fail("the sync never came to its end")


def test_a_short_listing_is_at_no_instant_taken_for_the_whole(new_catalogue, sandbox):
    fill(sandbox, 20)
    for transaction in range(1, 20):
        address = new_catalogue()
        sandbox.faults.clear()
        sandbox.faults.next("short", rows=5, next_link=False, match="$expand")
        code = sync_and_die(
            address, urls(sandbox), ALL, transaction=transaction, before_commit=False
        )
        with Database.open(address) as database, database.read() as connection:
            complete = "complete" in connection.scalars(sa.select(sync_windows.c.status)).all()
        with Database.open(address) as database:
            assert not complete or mirrored(database) == truth(sandbox)
        if code == 0:
            return
    pytest.fail("no sync came to its end")
