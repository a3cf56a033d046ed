"""A copy equals its source, and nothing else is ever written over."""

from __future__ import annotations

from pathlib import Path

import pytest

from satcat.copying import rows
from satcat.copying.comparing import COPIED, DERIVED, LEFT_OUT, compare
from satcat.database import Database
from satcat.errors import (
    CatalogueError,
    CatalogueLockedError,
    CatalogueOutdatedError,
    FilterError,
)
from satcat.models import metadata, tiles
from tests.copying.conftest import assert_equal, copied, dump, findings
from tests.engines import CATALOGUE_FILE, plainly


def test_every_table_is_copied_made_by_triggers_or_left_out_on_purpose() -> None:
    known = sorted(table.name for table in (*COPIED, *DERIVED, *LEFT_OUT))
    assert known == sorted(metadata.tables)


def test_the_catalogue_that_is_copied_holds_something_of_everything(full: str) -> None:
    held = dump(full)
    assert [table.name for table in COPIED if not held[table.name]] == []
    assert {row[1] for row in held["downloads"]} >= {"'queued'", "'running'", "'done'", "'gone'"}


def test_a_copy_holds_the_same_rows(full: str, target: str) -> None:
    report = copied(full, target)
    assert all(found.equal for found in report.tables)
    assert {found.table for found in report.tables} == {t.name for t in (*COPIED, *DERIVED)}
    assert report.running == 1
    assert_equal(full, target)
    assert not findings(target)


NEW = (
    "INSERT INTO products (id, source, name, collection, sensing_start, content_hash, first_seen_at, changed_at) "
    "VALUES ('new', 'cdse', 'n', 'c', '2024-06-01', '', '2024-06-01', '2024-06-01')",
    "INSERT INTO scopes (name, source, url, collection, filters, slices) VALUES ('new', '', '', '', '', '')",
)


def test_numbers_that_were_given_once_are_not_given_again(source: str, target: str) -> None:
    with Database.open(source) as opened, opened.write() as connection:
        connection.exec_driver_sql("DELETE FROM products WHERE pk > 30")
        connection.exec_driver_sql("DELETE FROM scopes")
    copied(source, target)
    for address in (source, target):
        plainly(address, *NEW)
    for question in ("SELECT max(pk) FROM products", "SELECT max(id) FROM scopes"):
        assert plainly(source, question) == plainly(target, question)
    assert plainly(target, "SELECT max(pk) > 60 FROM products") == [(True,)]


def test_peoples_own_tables_are_named(source: str, target: str) -> None:
    plainly(source, "CREATE TABLE own (a integer)", "CREATE VIEW own_view AS SELECT 1 AS a")
    assert copied(source, target).own == ["own", "own_view"]
    assert_equal(source, target)


def test_an_empty_catalogue_is_copied_too(small: str, target: str) -> None:
    assert copied(small, target).products == 0
    assert_equal(small, target)


@CATALOGUE_FILE
def test_a_copy_makes_its_catalogue_where_there_is_none(full: str, tmp_path: Path) -> None:
    copied(full, str(tmp_path / "new.db"))
    assert_equal(full, str(tmp_path / "new.db"))


def test_what_others_write_to_the_source_meanwhile_is_not_copied(
    source: str, full: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "PIECE_ROWS", 7)
    begin = rows.Shape.read

    def read_late(self, connection, *args):  # a context manager, as `read` is
        if str(connection.engine.url).endswith(source.rsplit("/", 1)[-1]):
            plainly(source, "UPDATE products SET cloud_cover = 50", "DELETE FROM downloads")
        return begin(self, connection, *args)

    monkeypatch.setattr(rows.Shape, "read", read_late)
    copied(source, target)
    monkeypatch.undo()
    assert plainly(source, "SELECT count(*) FROM downloads") == [(0,)]
    assert_equal(full, target)


# What is refused


def test_a_catalogue_is_not_copied_onto_itself(source: str) -> None:
    before = dump(source)
    with pytest.raises(FilterError, match="itself"):
        copied(source, source)
    assert dump(source) == before


@CATALOGUE_FILE
def test_a_catalogue_is_not_copied_onto_itself_however_it_is_spelt(source: str) -> None:
    folder = Path(source).parent
    (folder / "link.db").symlink_to(source)
    (folder / "hard.db").hardlink_to(source)
    for where in (folder / "link.db", folder / "hard.db", f"sqlite:///{source}"):
        with pytest.raises(FilterError, match="itself"):
            copied(source, str(where))


SOMETHING = {
    "products": NEW[0],
    "scopes": NEW[1],
    "downloads": "INSERT INTO downloads (product_id) VALUES ('a')",
    "deleted_products": "INSERT INTO deleted_products (id, kind, noticed_at) VALUES ('a', 'deleted', '2024-06-01')",
    "account_slots": "INSERT INTO account_slots (account, slot) VALUES ('a', 1)",
    "tile_months": "INSERT INTO tile_months VALUES ('30TWM', '', '2024-06', 'c', 1, 0, 0, 1, 0)",
}


@pytest.mark.parametrize("something", SOMETHING.values(), ids=SOMETHING)
def test_nothing_that_holds_something_is_written_over(
    full: str, target: str, something: str
) -> None:
    plainly(target, something)
    before = dump(target)
    with pytest.raises(FilterError, match="something in it"):
        copied(full, target)
    assert dump(target) == before
    Database.open(target).close()


def test_a_catalogue_of_another_schema_version_is_refused(
    full: str, source: str, target: str
) -> None:
    plainly(source, "UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(CatalogueOutdatedError):
        copied(full, source)
    with pytest.raises(CatalogueOutdatedError):
        copied(source, target)


@CATALOGUE_FILE
def test_what_is_no_catalogue_is_refused(full: str, tmp_path: Path) -> None:
    plainly(tmp_path / "foreign.db", "CREATE TABLE t (a)")
    (tmp_path / "text.db").write_text(
        "no database at all, and long enough to be seen as none " * 99
    )
    for where in ("foreign.db", "text.db", "none/new.db", "."):
        with pytest.raises(CatalogueError):
            copied(full, str(tmp_path / where))
    with pytest.raises(CatalogueError, match="no catalogue at"):
        copied(str(tmp_path / "missing.db"), str(tmp_path / "new.db"))
    assert sorted(path.name for path in tmp_path.glob("*.db")) == ["foreign.db", "text.db"]


def test_two_copies_to_one_place_do_not_meet(full: str, target: str) -> None:
    with (
        Database.connect(target) as other,
        other.syncing("satcat copy"),
        pytest.raises(CatalogueLockedError, match="satcat copy"),
    ):
        copied(full, target)
    copied(full, target)


# Comparing


def test_comparing_counts_the_rows_that_differ_and_names_one(full: str, source: str) -> None:
    number = len(dump(full)["deleted_products"])
    plainly(
        source,
        "UPDATE products SET cloud_cover = 33.25 WHERE id = 'odd point'",
        "DELETE FROM deleted_products",
        "INSERT INTO downloads (product_id) VALUES ('z')",
        "UPDATE account_slots SET claim = 9",
    )
    with Database.open(full) as left, Database.open(source) as right:
        found = {each.table: each for each in compare(left, right)}
        assert all(each.equal for each in compare(left, left))
        back = {each.table: each.different for each in compare(right, left) if not each.equal}
    different = {name: each.different for name, each in found.items() if not each.equal}
    assert different == {"products": 1, "deleted_products": number, "downloads": 1} == back
    assert found["downloads"].example == "the row of downloads with product_id z"


def test_comparing_finds_rows_on_either_side_wherever_they_are(full: str, source: str) -> None:
    assert tiles.name in {table.name for table in COPIED}
    plainly(source, "DELETE FROM tiles WHERE tile_id IN (SELECT min(tile_id) FROM tiles)")
    plainly(source, "DELETE FROM tiles WHERE tile_id IN (SELECT max(tile_id) FROM tiles)")
    plainly(source, "DELETE FROM tiles WHERE tile_id = '30TWM'")
    for pair in ((full, source), (source, full)):
        with Database.open(pair[0]) as left, Database.open(pair[1]) as right:
            (found,) = (each for each in compare(left, right) if not each.equal)
        assert (found.table, found.different) == ("tiles", 3)
