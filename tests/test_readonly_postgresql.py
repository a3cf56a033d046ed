"""People's own SQL in PostgreSQL can read everything and change nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat import readonly
from satcat.database import Database
from satcat.errors import FilterError, SatcatError
from satcat.models import downloads
from satcat.products import SatelliteImage
from tests.postgres import Server


@pytest.fixture
def held(
    postgres: Server, tmp_path: Path, make_product: Callable[..., SatelliteImage]
) -> Iterator[Database]:
    """A catalogue with one product and one download."""
    from satcat.sync import store

    address = postgres.new(tmp_path)
    with Database.open(address) as database:
        with database.write() as connection:
            store.store(connection, [make_product(id="a")], scope_id=None, at=datetime.now(UTC))
            connection.execute(sa.insert(downloads).values(product_id="a"))
        yield database
    postgres.drop(address)


def asked(database: Database, statement: str, **params: Any) -> list[tuple[Any, ...]]:
    return list(readonly.query(database, statement, params))


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("SELECT id, tile_id FROM products", [("a", "30TWM")]),
        ("(SELECT 1) UNION ALL VALUES (2)", [(1,), (2,)]),
        ("-- a remark; with a semicolon\n/* and another; */ WITH n AS (SELECT 1 AS x) SELECT x FROM n", [(1,)]),
        ("SHOW timezone", [("UTC",)]),
        ("SELECT sensing_start FROM products", [("2024-06-04T11:06:19.024000Z",)]),
        ("SELECT attributes FROM products", [("{}",)]),
        ("SELECT sum(size_bytes) FROM products", [(1000,)]),
        ("SELECT sum(cloud_cover) / 4 FROM products", [(2.5,)]),
        ("SELECT ':no', '100 %', $$:neither$$, 'x'::text WHERE 'S2A' LIKE 'S2%'", [(":no", "100 %", ":neither", "x")]),
        ("SELECT id FROM products WHERE false", []),
        ("SELECT 1;", [(1,)]),
    ],
)  # fmt: skip
def test_whatever_reads_is_run(
    held: Database, statement: str, rows: list[tuple[object, ...]]
) -> None:
    assert asked(held, statement) == rows


def test_a_plan_is_shown(held: Database) -> None:
    assert "products" in asked(held, "EXPLAIN SELECT * FROM products WHERE id = 'a'")[0][0]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM downloads",
        "WITH gone AS (DELETE FROM downloads RETURNING *) SELECT * FROM gone",
        "SELECT 1; DELETE FROM downloads",
        "SELECT 1; COMMIT; DELETE FROM downloads",
        "COMMIT",
        "COMMIT; DELETE FROM downloads",
        "SET TRANSACTION READ WRITE",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "DO $$ BEGIN DELETE FROM downloads; END $$",
        "DO $$ BEGIN COMMIT; DELETE FROM downloads; END $$",
        "SELECT nextval('scopes_id_seq')",
        "SELECT * FROM downloads FOR UPDATE",
        "CREATE TABLE mine (x integer)",
        "CREATE TEMPORARY TABLE mine (x integer)",
        "SELECT 1 AS x INTO mine",
        "COPY downloads TO STDOUT",
        "COPY downloads FROM STDIN",
        "LOCK TABLE downloads",
        "VACUUM",
        "",
        ";",
        "SELECT nothing FROM products",
        "SELECT 1 / 0",
    ],
)
def test_whatever_writes_or_is_wrong_is_refused(held: Database, statement: str) -> None:
    with pytest.raises(FilterError):
        asked(held, statement)
    assert asked(held, "SELECT product_id, status FROM downloads") == [("a", "queued")]


def test_what_a_statement_sets_does_not_outlive_it(held: Database) -> None:
    asked(held, "SELECT set_config('default_transaction_read_only', 'on', false)")
    asked(held, "SELECT set_config('search_path', 'nowhere', false)")
    with held.write() as connection:
        connection.execute(sa.delete(downloads))
    assert asked(held, "SELECT * FROM downloads") == []


@pytest.mark.parametrize("hostile", ["x'; DROP TABLE downloads; --", "%s", ":a", "\\'", "$1"])
def test_values_are_bound(held: Database, hostile: str) -> None:
    assert asked(held, "SELECT count(*) FROM products WHERE id = :name", name=hostile) == [(0,)]
    twice = asked(held, "SELECT :name || :name, :n + 1", name=hostile, n=1)
    assert twice == [(hostile * 2, 2)]


@pytest.mark.parametrize(
    ("statement", "params", "told"),
    [
        ("SELECT :a", {}, ":a has no value"),
        ("SELECT 1", {"a": 1}, "no parameter :a"),
        ("SELECT ':a'", {"a": 1}, "no parameter :a"),
    ],
)
def test_a_value_that_is_missing_or_not_asked_for_is_told(
    held: Database, statement: str, params: dict[str, Any], told: str
) -> None:
    with pytest.raises(FilterError, match=told):
        asked(held, statement, **params)


def test_what_takes_too_long_is_broken_off(held: Database) -> None:
    with pytest.raises(SatcatError, match=r"took longer than 0\.1 s"):
        list(readonly.query(held, "SELECT pg_sleep(20)", seconds=0.1))
    assert list(readonly.query(held, "SELECT 1", seconds=60)) == [(1,)]


def test_rows_come_as_they_are_read_and_reading_can_stop(held: Database) -> None:
    with readonly.query(held, "SELECT n AS number FROM generate_series(1, 100000000) AS n") as rows:
        assert rows.columns == ["number"]
        assert next(rows.rows) == (1,)
        assert next(iter(rows)) == (2,)
    with readonly.query(held, "SELECT 1 AS x WHERE false") as none:
        assert none.columns == ["x"]


def test_an_error_in_the_midst_of_the_rows_is_told(held: Database) -> None:
    with (
        readonly.query(held, "SELECT 1 / (5000 - n) FROM generate_series(1, 10000) AS n") as rows,
        pytest.raises(FilterError, match="division by zero"),
    ):
        list(rows)
