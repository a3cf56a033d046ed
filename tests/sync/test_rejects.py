"""Records that cannot be stored hold nothing up, and are not forgotten."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from satcat import times
from satcat.api.base import Page
from satcat.models import products, sync_rejects
from satcat.sandbox import REMOVED
from satcat.sync import rejects
from satcat.sync.engine import sync
from satcat.sync.report import SyncOptions

from .conftest import ALL, fill, mirrored, truth


def open_rejects(database):
    with database.read() as connection:
        rows = connection.execute(
            sa.select(sync_rejects).where(sync_rejects.c.resolved_at.is_(None))
        )
        return [row for row in rows if row.kind == "reject"]


@pytest.mark.parametrize(
    "wire", [{"Name": REMOVED}, {"Name": 7}, {"Name": ""}, {"ContentDate": "soon"}]
)
def test_a_record_without_what_it_needs_is_kept_and_asked_for_again_by_id(
    database, sandbox, api, wire
):
    ids = fill(sandbox, 12)
    sandbox.catalogue.modify(ids[5], wire=wire, touch=False)
    report = sync(database, api, ALL).scopes[0]
    assert set(mirrored(database)) == set(ids) - {ids[5]}
    assert report.exit_code == 6
    (reject,) = open_rejects(database)
    assert reject.product_id == ids[5]
    assert ids[5] in reject.raw
    assert sync(database, api).exit_code == 6
    assert len(open_rejects(database)) == 1
    sandbox.catalogue.modify(ids[5], wire=None, touch=False)
    assert sync(database, api).exit_code == 0
    assert mirrored(database) == truth(sandbox)
    assert open_rejects(database) == []


def test_a_rejected_record_is_listed_with_what_is_wrong_with_it_now(database, sandbox, api):
    ids = fill(sandbox, 3)
    sandbox.catalogue.modify(ids[0], wire={"Name": 7}, touch=False)
    sync(database, api, ALL)
    (before,) = open_rejects(database)
    assert before.error == "it has no usable Name: 7"
    sandbox.catalogue.modify(ids[0], wire={"ContentDate": {"Start": "soon"}}, touch=False)
    sync(database, api)
    (after,) = open_rejects(database)
    assert after.error == "its ContentDate/Start is no instant: 'soon'"
    assert (after.id, after.first_at) == (before.id, before.first_at) and "soon" in after.raw


def test_a_rejected_record_that_is_gone_is_settled(database, sandbox, api):
    ids = fill(sandbox, 3)
    sandbox.catalogue.modify(ids[0], wire={"Name": REMOVED}, touch=False)
    sync(database, api, ALL)
    sandbox.catalogue.delete(ids[0], record=False)
    assert sync(database, api).exit_code == 0
    assert open_rejects(database) == []


def test_a_record_without_an_id_keeps_its_window_open_until_it_is_right(database, sandbox, api):
    ids = fill(sandbox, 8)
    sandbox.catalogue.modify(ids[2], wire={"Id": REMOVED}, touch=False)
    report = sync(database, api, ALL).scopes[0]
    assert report.exit_code == 6
    assert (report.open_windows, report.open_rejects) == (1, 1)
    assert len(mirrored(database)) == 7
    assert sync(database, api).exit_code == 6
    sandbox.catalogue.modify(ids[2], wire=None, touch=False)
    assert sync(database, api).exit_code == 0
    assert mirrored(database) == truth(sandbox)


def test_cursors_go_on_past_a_record_without_an_id_and_its_listing_is_repeated(
    database, sandbox, api
):
    fill(sandbox, 5)
    sync(database, api, ALL)
    sandbox.clock.advance(60)
    (broken,) = sandbox.catalogue.publish_random(
        1, sensing_start="2024-06-15T10:00:00Z", wire={"Id": REMOVED}
    )
    sandbox.clock.advance(60)
    assert sync(database, api).exit_code == 6
    sandbox.clock.advance(3600 * 48)  # far beyond the overlap
    (new,) = sandbox.catalogue.publish_random(1, sensing_start="2024-06-16T10:00:00Z")
    sandbox.clock.advance(60)
    assert sync(database, api).exit_code == 6
    assert new in mirrored(database)
    sandbox.catalogue.modify(broken, wire=None, touch=False)
    assert sync(database, api).exit_code == 0
    assert mirrored(database) == truth(sandbox)


def test_any_other_bad_field_becomes_null_its_raw_value_stays_and_a_warning_is_kept(
    database, sandbox, api
):
    (odd,) = fill(sandbox, 1)
    sandbox.catalogue.modify(
        odd, wire={"ContentLength": "large", "OriginDate": "yesterday"}, touch=False
    )
    assert sync(database, api, ALL).exit_code == 0
    with database.read() as connection:
        row = connection.execute(sa.select(products)).one()
        warnings = list(connection.scalars(sa.select(sync_rejects.c.error)))
    assert (row.size_bytes, row.origin_date) == (None, None)
    assert row.attributes["ContentLength"] == "large"
    assert row.attributes["OriginDate"] == "yesterday"
    assert len(warnings) == 2
    assert all(odd in warning for warning in warnings)
    sync(database, api)
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(sync_rejects)) == 2


@pytest.mark.parametrize(
    "wire",
    [{"Id": REMOVED}, {"Id": REMOVED, "PublicationDate": "soon", "ModificationDate": "soon"}],
)
def test_a_record_without_an_id_is_looked_for_from_where_its_page_began(
    database, sandbox, api, wire
):
    """The last row of its page is far later than the record itself, which may not even say when it was published."""
    fill(sandbox, 5)
    sync(database, api, ALL)
    sandbox.clock.advance(60)
    sandbox.catalogue.publish_random(1, sensing_start="2024-06-15T10:00:00Z", wire=wire)
    sandbox.clock.advance(3 * 3600)
    if len(wire) == 1:
        sandbox.catalogue.publish_random(1, sensing_start="2024-06-16T10:00:00Z")
    sandbox.clock.advance(60)
    options = SyncOptions(recheck=0)
    assert sync(database, api, options=options).exit_code == 6
    for _ in range(2):
        sandbox.clock.advance(48 * 3600)
        assert sync(database, api, options=options).exit_code == 6


def test_warnings_on_every_product_do_not_slow_a_sync_down(database):
    """Each is looked for among those that are kept already: not one by one, for there may be a million."""
    with database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO scopes (name, source, url, collection, filters, slices) VALUES ('a', 'b', 'c', 'd', 'e', 'f')"
        )
    at = times.parse("2024-07-01T00:00:00Z")
    ran = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *args: ran.append(args[2]))
    for page in (0, 1, 1):
        warnings = [f"{page}-{n}: its OriginDate is no instant" for n in range(1000)]
        with database.write() as connection:
            rejects.keep(connection, 1, 0, "window", Page([], warnings=warnings), at, None)
    assert len(ran) <= 3 * 3
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(sync_rejects)) == 2000
