"""Rows that people made unreadable are in nobody's way, are named, and are mended."""

from __future__ import annotations

import dataclasses

import pytest

from satcat.sync import scopes
from satcat.sync.engine import sync
from satcat.sync.verify import verify
from tests.engines import ANY_VALUE, plainly

from .conftest import ALL, fill, mirrored, truth
from .test_verify import named

CHANGES = [
    "id = 'a/b c'", "id = 'made-up'", "collection = 'yesterday'",
    "modification_date = NULL", "attributes = '[1]'",
    *(
        pytest.param(change, marks=ANY_VALUE)
        for change in (
            "name = x'ff00'", "cloud_cover = 1e400", "sensing_start = 'yesterday'", "publication_date = 'yesterday'",
            "modification_date = 'yesterday'", "changed_at = 'yesterday'", "first_seen_at = 7",
            "footprint = x'ff00'", "attributes = 'no json'",
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize("is_deleted", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_a_row_that_cannot_be_read_is_followed_and_mended(
    database, address, sandbox, api, change, is_deleted
):
    ids = fill(sandbox, 5)
    sync(database, api, ALL)
    sandbox.clock.advance(3 * 3600)
    plainly(address, f"UPDATE products SET {change} WHERE id = '{ids[3]}'")
    if is_deleted:
        sandbox.catalogue.delete(ids[3])
        sandbox.clock.advance(60)
    assert sync(database, api).exit_code == 0
    assert verify(database, api, repair=True).exit_code == 0
    assert verify(database, api).exit_code == 0
    assert mirrored(database) == truth(sandbox)


@ANY_VALUE
def test_an_unreadable_time_does_not_stop_the_sync_of_a_scope_without_an_end(
    database, address, sandbox, api
):
    ids = fill(sandbox, 5)
    sync(database, api, dataclasses.replace(ALL, end_date=None))
    plainly(address, f"UPDATE products SET sensing_start = 'later' WHERE id = '{ids[3]}'")
    assert sync(database, api).exit_code == 0
    assert verify(database, api, repair=True).exit_code == 0
    assert mirrored(database) == truth(sandbox)


def test_a_damaged_row_that_only_a_download_needs_is_mended(database, address, sandbox, api):
    ids = fill(sandbox, 10)
    sync(database, api, ALL, scope="june")
    with database.write() as connection:
        connection.exec_driver_sql(f"INSERT INTO downloads (product_id) VALUES ('{ids[0]}')")
        scopes.remove(connection, "june")
    july = dataclasses.replace(ALL, start_date="2024-07-01", end_date="2024-07-31")
    sync(database, api, july)
    plainly(address, f"UPDATE products SET cloud_cover = 1.5 WHERE id = '{ids[0]}'")
    assert named(verify(database, api)) == {("altered", ids[0])}
    assert verify(database, api, repair=True).exit_code == 0
    assert mirrored(database)[ids[0]] == truth(sandbox)[ids[0]]
