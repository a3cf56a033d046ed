"""What a sync promises while all is well: everything mirrored, nothing asked twice, changes followed."""

from __future__ import annotations

import dataclasses
import itertools
import os

import pytest
import sqlalchemy as sa

from satcat import tiles
from satcat.database import Database
from satcat.errors import CatalogueLockedError, FilterError
from satcat.filters import SearchFilters
from satcat.models import deleted_products, products, sync_cursors, sync_windows
from satcat.sync import scopes
from satcat.sync.engine import plan, sync
from satcat.sync.report import SyncOptions

from .conftest import ALL, fill, mirrored, source_of, truth


def tombstones(database):
    with database.read() as connection:
        return {row.id: row for row in connection.execute(sa.select(deleted_products))}


def test_a_sync_mirrors_what_the_source_lists_field_by_field(database, sandbox, api):
    fill(sandbox, 300)
    fill(sandbox, 5, sensing_start="2024-07-02T00:00:00Z", sensing_end="2024-07-02T00:00:00Z")
    report = sync(database, api, ALL)
    assert report.exit_code == 0
    assert mirrored(database) == truth(sandbox)
    assert len(mirrored(database)) == 300
    assert report.scopes[0].added == 300


def test_a_users_first_line_asks_for_just_what_it_says(database, sandbox, api):
    filters = SearchFilters(
        collection="SENTINEL-2", processing_level="L2A", tile_id="30TWM",
        start_date="2024-06-01", end_date="2024-06-30",
    )  # fmt: skip
    sync(database, api, filters)
    walk = next(r for r in sandbox.log if r.query.get("$expand") == "Attributes")
    assert walk.path.endswith("/Products")
    clauses = walk.query["$filter"].split(" and ")
    assert clauses[0] == "Collection/Name eq 'SENTINEL-2'"
    assert "contains(Name,'MSIL2A')" in walk.query["$filter"]
    assert "contains(Name,'_T30TWM_')" in walk.query["$filter"]
    assert "ContentDate/Start ge 2024-06-01T00:00:00.000000Z" in clauses
    assert "ContentDate/Start lt 2024-07-01T00:00:00.000000Z" in clauses
    assert any(clause.startswith("PublicationDate lt 2024-0") for clause in clauses)
    assert walk.query["$orderby"] == "ContentDate/Start asc"
    assert walk.query["$top"] == "1000"


def test_a_second_sync_with_nothing_new_writes_no_product_and_asks_little(database, sandbox, api):
    fill(sandbox, 300)
    sync(database, api, ALL)
    with database.read() as connection:
        before = connection.execute(sa.select(products)).all()
    sandbox.log.clear()
    report = sync(database, api)
    with database.read() as connection:
        assert connection.execute(sa.select(products)).all() == before
    assert (report.scopes[0].added, report.scopes[0].changed) == (0, 0)
    assert len(sandbox.log) <= 10


def test_each_further_slice_costs_three_requests_more(database, sandbox, api):
    wanted = _some_tiles(120)
    sync(database, api, dataclasses.replace(ALL, tile_id=wanted))
    with database.read() as connection:
        (scope,) = scopes.listing(connection)
    assert len(scope.slices) == 3
    sandbox.log.clear()
    sync(database, api)
    assert len(sandbox.log) <= 10 + 3 * 2


def _some_tiles(n):
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    names = (f"{z}T{a}{b}" for z in range(30, 34) for a in letters for b in letters)
    return list(itertools.islice(filter(tiles.exists, names), n))


def test_publications_modifications_and_deletions_are_followed(database, sandbox, api):
    ids = fill(sandbox, 50)
    sync(database, api, ALL)
    sandbox.clock.advance(3600 * 5)
    (new,) = sandbox.catalogue.publish_random(1, sensing_start="2024-06-15T10:00:00Z")
    sandbox.catalogue.modify(ids[3], cloud_cover=77.5)
    sandbox.catalogue.delete(ids[4], cause="Corrupted product")
    sandbox.clock.advance(10)
    report = sync(database, api).scopes[0]
    assert mirrored(database) == truth(sandbox)
    assert new in mirrored(database)
    assert mirrored(database)[ids[3]]["cloud_cover"] == 77.5
    grave = tombstones(database)[ids[4]]
    assert (grave.kind, grave.deletion_cause) == ("deleted", "Corrupted product")
    assert grave.record["id"] == ids[4]
    assert grave.record["footprint"].startswith(("POLYGON", "MULTIPOLYGON"))
    assert (report.added, report.changed, report.deleted) == (1, 1, 1)


def test_a_deleted_product_that_was_never_held_has_a_tombstone_too(database, sandbox, api):
    sync(database, api, ALL)
    sandbox.clock.advance(60)
    (brief,) = sandbox.catalogue.publish_random(1, sensing_start="2024-06-15T10:00:00Z")
    sandbox.catalogue.delete(brief)
    sandbox.clock.advance(60)
    sync(database, api)
    assert tombstones(database)[brief].record is None
    assert tombstones(database)[brief].name


def test_a_product_that_returns_moves_back_and_its_old_tombstone_does_not_kill_it(
    database, sandbox, api
):
    (back, *_) = fill(sandbox, 5)
    sync(database, api, ALL)
    seen = _row(database, back).first_seen_at
    sandbox.clock.advance(7200)
    sandbox.catalogue.delete(back)
    sandbox.clock.advance(60)
    sync(database, api)
    assert back in tombstones(database)
    sandbox.clock.advance(60)
    sandbox.catalogue.restore(back)
    for _ in range(3):
        sandbox.clock.advance(60)  # the deletion is still within the overlap
        sync(database, api)
        assert back not in tombstones(database)
        assert mirrored(database) == truth(sandbox)
    assert _row(database, back).first_seen_at == seen


def _row(database, product_id):
    with database.read() as connection:
        return connection.execute(sa.select(products).where(products.c.id == product_id)).one()


def test_a_product_that_vanishes_without_a_word_is_found_by_listing_again(database, sandbox, api):
    ids = fill(sandbox, 20)
    sync(database, api, ALL)
    sandbox.catalogue.delete(ids[0], record=False)
    sandbox.clock.advance(60)
    sync(database, api)
    assert ids[0] not in mirrored(database)
    assert tombstones(database)[ids[0]].kind == "vanished"


def test_a_product_that_appears_late_is_found_by_listing_again_and_its_lateness_kept(
    database, sandbox, api
):
    fill(sandbox, 20)
    sync(database, api, ALL)
    sandbox.clock.advance(60)
    (late,) = fill(sandbox, 1)  # published a day ago, says its date
    sandbox.clock.advance(60)
    report = sync(database, api).scopes[0]
    assert late in mirrored(database)
    assert report.late == 1
    with database.read() as connection:
        seconds = connection.exec_driver_sql("SELECT late_seconds FROM sync_lateness").scalar_one()
    assert 86_000 < seconds < 87_000


def test_a_product_whose_sensing_time_leaves_the_scope_leaves_without_a_tombstone(
    database, sandbox, api
):
    ids = fill(sandbox, 20)
    sync(database, api, ALL)
    sandbox.clock.advance(60)
    sandbox.catalogue.modify(
        ids[0], sensing_start="2023-01-01T00:00:00Z", sensing_end="2023-01-01T00:00:00Z"
    )
    sandbox.clock.advance(60)
    report = sync(database, api).scopes[0]
    assert ids[0] not in mirrored(database)
    assert ids[0] not in tombstones(database)
    assert report.left == 1


def test_a_product_whose_time_moves_to_another_window_stays(database, sandbox, api):
    ids = fill(sandbox, 20)
    sync(database, api, ALL)
    sandbox.clock.advance(60)
    sandbox.catalogue.modify(
        ids[0], sensing_start="2024-06-29T00:00:00Z", sensing_end="2024-06-29T00:00:00Z"
    )
    sandbox.clock.advance(60)
    sync(database, api)
    assert mirrored(database) == truth(sandbox)


def test_the_cursors_start_before_the_first_listing(database, sandbox, api):
    """What is published while the first listing is on its way is found by the cursors."""
    fill(sandbox, 30)
    published = []

    def publish(_):
        sandbox.clock.advance(5)
        published.extend(sandbox.catalogue.publish_random(1, sensing_start="2024-06-01T00:00:01Z"))

    sandbox.faults.on_request(publish, match="$expand=Attributes")
    sync(database, api, ALL)
    sandbox.clock.advance(5)
    sync(database, api)
    assert len(published) == 1
    assert mirrored(database) == truth(sandbox)


def test_two_scopes_may_share_products_and_one_of_them_be_removed(database, sandbox, api):
    fill(sandbox, 40)
    first = dataclasses.replace(ALL, end_date="2024-06-20")
    second = dataclasses.replace(ALL, start_date="2024-06-10")
    sync(database, api, first, scope="first")
    sync(database, api, second, scope="second")
    assert mirrored(database) == truth(sandbox)
    with database.write() as connection:
        scopes.remove(connection, "first")
    assert mirrored(database) == truth(sandbox, second)


def test_a_product_that_a_download_refers_to_outlives_its_scope(database, sandbox, api):
    ids = fill(sandbox, 10)
    sync(database, api, ALL, scope="june")
    with database.write() as connection:
        connection.exec_driver_sql(f"INSERT INTO downloads (product_id) VALUES ('{ids[0]}')")
        scopes.remove(connection, "june")
    assert set(mirrored(database)) == {ids[0]}
    sandbox.catalogue.modify(ids[0], cloud_cover=3.25)
    other = dataclasses.replace(ALL, start_date="2023-01-01", end_date="2023-01-31")
    sync(database, api, other)
    assert mirrored(database)[ids[0]]["cloud_cover"] == 3.25
    with database.write() as connection:
        connection.exec_driver_sql("DELETE FROM downloads")
    sync(database, api)
    assert mirrored(database) == {}


def test_equal_filters_are_the_same_scope_and_others_a_new_one(database, sandbox, api):
    for filters in (ALL, ALL, dataclasses.replace(ALL, end_date="2024-06-10"), ALL):
        sync(database, api, filters)
    with database.read() as connection:
        names = [scope.name for scope in scopes.listing(connection)]
    assert names == ["sentinel-2", "sentinel-2-2"]


def test_a_scope_is_widened_by_listing_only_what_is_new(database, sandbox, api):
    fill(sandbox, 60)
    narrow = dataclasses.replace(ALL, start_date="2024-06-10", end_date="2024-06-19")
    sync(database, api, narrow, scope="mine")
    sandbox.log.clear()
    sync(database, api, ALL, scope="mine")
    assert mirrored(database) == truth(sandbox)
    walked = [
        r.query["$filter"] for r in sandbox.log if "Products" in r.path and "$count" in r.query
    ]
    inner = "ContentDate/Start ge 2024-06-10T00:00:00.000000Z"
    walks = [w for w in walked if "PublicationDate lt" in w and inner in w]
    assert all("$select" in r.query for r in sandbox.log if r.query.get("$filter") in walks)
    with database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(sync_windows)) == 3


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        (dataclasses.replace(ALL, processing_level="L1C"), "another name"),
        (dataclasses.replace(ALL, start_date="2024-06-05"), "only be widened"),
    ],
)
def test_a_name_is_not_given_to_other_filters(database, sandbox, api, filters, words):
    sync(database, api, ALL, scope="mine")
    with pytest.raises(FilterError, match=words):
        sync(database, api, filters, scope="mine")


@pytest.mark.parametrize(
    "change",
    [{"cloud_cover": 20}, {"online": True}, {"name": "S2A*"}, {"published_since": "2024-01-01"}],
)
def test_what_changes_in_a_products_life_makes_no_scope(database, api, sandbox, change):
    with pytest.raises(FilterError, match="mirror without it, filter offline"):
        sync(database, api, dataclasses.replace(ALL, **change))
    assert len(sandbox.log) == 0


def test_another_catalogue_is_refused_unless_it_moved(database, sandbox, api):
    from satcat.sandbox import Sandbox

    fill(sandbox, 3)
    sync(database, api, ALL)
    with Sandbox(products=0, now="2024-07-01T00:00:00Z") as other:
        elsewhere = source_of(other)
        with pytest.raises(FilterError, match="--moved"):
            sync(database, elsewhere)
        for record in sandbox.catalogue.products.values():
            other.catalogue.publish(record)
        report = sync(database, elsewhere, options=SyncOptions(moved=True))
        assert report.exit_code == 0
        assert sync(database, elsewhere).exit_code == 0
        elsewhere.close()


def test_one_sync_at_a_time_and_the_second_says_who_holds_it(database, api):
    with (
        database.syncing("satcat sync"),
        pytest.raises(CatalogueLockedError, match="process") as held,
    ):
        sync(database, api, ALL)
    assert str(os.getpid()) in str(held.value)


def test_a_plan_says_how_many_products_and_requests(sandbox, api):
    fill(sandbox, 30)
    planned = plan(api, ALL)
    assert planned.products == 30
    assert planned.windows == 1
    assert 1 <= planned.requests <= 10


def test_more_than_a_million_products_are_not_mirrored_unasked(database, sandbox, api):
    sandbox.faults.next("count", by=1_000_001, match="$count")
    with pytest.raises(FilterError, match="--yes"):
        sync(database, api, ALL)
    with database.read() as connection:
        assert scopes.listing(connection) == []
    asked = []
    sandbox.faults.next("count", by=1_000_001, match="$count")
    sync(database, api, ALL, confirm=lambda n: asked.append(n) or True)
    assert asked == [1_000_001]


def test_the_cursors_never_go_beyond_the_sources_clock(database, sandbox, api):
    fill(sandbox, 3)
    for _ in range(3):
        sync(database, api, ALL)
        with database.read() as connection:
            positions = list(connection.scalars(sa.select(sync_cursors.c.position)))
        assert len(positions) == 3
        assert all(position <= sandbox.clock.now() for position in positions)
        sandbox.clock.advance(100)


def test_a_product_that_moves_into_another_scope_leaves_the_first(database, sandbox, api):
    ids = fill(sandbox, 10)
    sync(database, api, ALL, scope="june")
    july = dataclasses.replace(ALL, start_date="2024-07-01", end_date="2024-07-31")
    sync(database, api, july, scope="july")
    sandbox.clock.advance(60)
    later = "2024-07-15T00:00:00Z"
    sandbox.catalogue.modify(ids[0], sensing_start=later, sensing_end=later)
    sandbox.clock.advance(60)
    sync(database, api, scope="july")
    assert sync(database, api).exit_code == 0
    with database.read() as connection:
        june, other = scopes.listing(connection)
    assert mirrored(database, june.id) == truth(sandbox)
    assert set(mirrored(database, other.id)) == {ids[0]}


def test_a_product_kept_for_a_download_is_not_asked_for_elsewhere(database, sandbox, api):
    from satcat.sandbox import Sandbox

    ids = fill(sandbox, 3)
    sync(database, api, ALL, scope="june")
    sync(database, api, dataclasses.replace(ALL, end_date="2024-06-02"), scope="here")
    with database.write() as connection:
        connection.exec_driver_sql(f"INSERT INTO downloads (product_id) VALUES ('{ids[2]}')")
        scopes.remove(connection, "june")
    with Sandbox(products=0, now="2024-07-01T00:00:00Z") as other:
        elsewhere = source_of(other)
        empty = dataclasses.replace(ALL, start_date="2023-05-01", end_date="2023-05-02")
        sync(database, elsewhere, empty, scope="there")
        elsewhere.close()
    assert ids[2] in mirrored(database)


def test_the_lock_is_one_by_whatever_path_the_catalogue_is_reached(
    database, catalogue_path, tmp_path
):
    link = tmp_path / "elsewhere"
    link.mkdir()
    (link / "link.db").symlink_to(catalogue_path)
    with (
        database.syncing("one"),
        Database.open(link / "link.db") as second,
        pytest.raises(CatalogueLockedError),
        second.syncing("two"),
    ):
        pass
