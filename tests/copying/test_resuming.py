"""Kill a copy at any instant, change its source, write to its target: the same command makes it whole."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa

from satcat.copying import rows, writing
from satcat.copying.comparing import COPIED
from satcat.database import Database
from satcat.errors import CatalogueUnfinishedError, DifferencesError, FilterError
from satcat.models import products, tiles, unfinished_copy
from tests.copying.conftest import assert_equal, copied, dump
from tests.copying.dying import copy_and_die
from tests.engines import plainly


def held(address: str) -> int:
    return int(plainly(address, "SELECT count(*) FROM products")[0][0])


@pytest.fixture
def half(full: str, target: str) -> str:
    """An unfinished copy of `full`, killed somewhere among the products."""
    assert kill_halfway(full, target) == -9
    assert 0 < held(target) < held(full)
    return target


def kill_halfway(source: str, target: str) -> int:
    """Kill a copy when some of the products are there."""
    return copy_and_die(source, target, kill_at=products.name, nth=3, piece_rows=10)


def test_a_copy_killed_at_any_transaction_is_finished_by_the_same_command(
    full: str, small: str, new_catalogue: Callable[..., str]
) -> None:
    for transaction in range(1, 60):
        target = new_catalogue(small)
        code = copy_and_die(full, target, nth=transaction)
        if code == 0:
            assert transaction > 20
            return
        assert code == -9
        if held(target):
            with pytest.raises(CatalogueUnfinishedError):
                Database.open(target)
        copied(full, target)
        assert_equal(full, target)
    pytest.fail("the copy never came to its end")


def test_a_copy_goes_on_where_it_was_killed(
    full: str, half: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "PIECE_ROWS", 10)
    names = {table.name for table in COPIED}
    there = sum(len(rows) for name, rows in dump(half).items() if name in names - {tiles.name})
    report = copied(full, half)
    everything = sum(t.source.rows for t in report.tables if t.table in names)
    untouched = sum(t.source.rows for t in report.tables if t.table == tiles.name) - 10
    assert there + report.written + untouched == everything
    assert_equal(full, half)


def test_nothing_opens_half_a_copy_and_the_error_says_how_to_finish_it(
    full: str, half: str, new_catalogue: Callable[..., str]
) -> None:
    with pytest.raises(CatalogueUnfinishedError, match=r"satcat copy .* goes on with it"):
        Database.open(half)
    with pytest.raises(CatalogueUnfinishedError):
        copied(half, new_catalogue())
    copied(full, half)
    Database.open(half).close()


def test_half_a_copy_is_not_taken_for_that_of_another_catalogue(
    source: str, full: str, half: str
) -> None:
    before = dump(half)
    with pytest.raises(FilterError, match="unfinished copy of"):
        copied(source, half)
    assert dump(half) == before
    copied(full, half)


CHANGES = {
    "a row": "UPDATE products SET name = name || '!' WHERE pk = (SELECT min(pk) FROM products)",
    "rows are gone": "DELETE FROM products WHERE pk IN (SELECT pk FROM products ORDER BY pk LIMIT 3)",
    "all are gone": "DELETE FROM products",
    "keys go up": "UPDATE products SET pk = pk + 5000 WHERE id LIKE 'odd%'",
    "keys go down": "UPDATE products SET pk = pk - 5000 WHERE id LIKE 'odd%'",
    "ids": "UPDATE products SET id = 'x' || id",
    "a scope's name": "UPDATE scopes SET name = name || '-2'",
    "a scope is gone": "DELETE FROM scopes WHERE id = 1",
    "tiles": "DELETE FROM tiles WHERE tile_id < '30U'",
    "deletions": "UPDATE deleted_products SET record = NULL",
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_source_that_changed_before_the_copy_goes_on_is_copied_as_it_is_then(
    source: str, target: str, change: str
) -> None:
    plainly(source, "UPDATE products SET pk = pk + 9000 WHERE id LIKE 'odd%'")
    assert copy_and_die(source, target, kill_at="sync_lateness", piece_rows=10) == -9
    assert held(target) == held(source)
    with Database.open(source) as opened, opened.write() as connection:
        connection.exec_driver_sql(change.replace("%", "%%"))
    copied(source, target)
    assert_equal(source, target)


def test_ids_that_two_products_exchanged_are_no_obstacle(source: str, target: str) -> None:
    assert copy_and_die(source, target, kill_at="sync_lateness", piece_rows=10) == -9
    first, last = plainly(source, "SELECT min(pk), max(pk) FROM products")[0]
    ids = dict(plainly(source, "SELECT pk, id FROM products"))
    for pk, id_ in ((first, "between"), (last, ids[first]), (first, ids[last])):
        plainly(source, "UPDATE products SET id = ? WHERE pk = ?", values=(id_, pk))
    copied(source, target)
    assert_equal(source, target)


def test_what_somebody_else_wrote_to_the_target_is_found_and_put_right(
    full: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert = writing.insert

    def insert_and_meddle(connection, shape, piece):
        insert(connection, shape, piece)
        if shape.table.name == "scope_products":  # products are done by then
            connection.execute(
                sa.update(products).where(products.c.id == "odd point").values(md5="x")
            )
            connection.exec_driver_sql("INSERT INTO downloads (product_id) VALUES ('another')")

    monkeypatch.setattr(writing, "insert", insert_and_meddle)
    with pytest.raises(DifferencesError, match="downloads, products"):
        copied(full, target)
    monkeypatch.undo()
    with pytest.raises(CatalogueUnfinishedError):
        Database.open(target)
    copied(full, target)
    assert_equal(full, target)


def test_the_mark_of_an_unfinished_copy_says_of_what(full: str, half: str) -> None:
    ((source,),) = plainly(half, f"SELECT source FROM {unfinished_copy.name}")
    with Database.open(full) as opened:
        assert source == opened.full_name
    copied(full, half)
    with Database.connect(half) as opened, opened.read() as connection:
        assert not sa.inspect(connection).has_table(unfinished_copy.name)
