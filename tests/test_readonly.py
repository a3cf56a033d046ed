"""People's own SQL can read everything and change nothing."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from satcat.errors import CatalogueDamagedError, FilterError, SatcatError
from satcat.readonly import sqlite as readonly


@pytest.fixture
def path(catalogue_path: Path) -> Path:
    connection = sqlite3.connect(catalogue_path)
    connection.executescript(
        """
        INSERT INTO products (id, source, name, collection, sensing_start, west, south, east, north, content_hash,
                              first_seen_at, changed_at)
        VALUES ('a', 'cdse', 'A', 'SENTINEL-2', '2024-06-01T00:00:00.000000Z', 1, 2, 3, 4, '', '', '');
        CREATE TABLE mine (x);
        CREATE VIRTUAL TABLE my_rtree USING rtree(id, a, b);
        INSERT INTO my_rtree VALUES (1, 2, 3);
        """
    )
    connection.close()
    return catalogue_path


@pytest.mark.parametrize(
    ("statement", "rows"),
    [
        ("SELECT id, name FROM products", [("a", "A")]),
        ("SELECT pk FROM products_rtree WHERE west <= 2 AND east >= 2", [(1,)]),
        ("SELECT id FROM my_rtree", [(1,)]),
        ("SELECT value FROM json_each('[1, 2]')", [(1,), (2,)]),
        ("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3) SELECT max(x) FROM n", [(3,)]),
        ("SELECT count(*) FROM pragma_table_info('mine')", [(1,)]),
        ("SELECT ST_Intersects(footprint, footprint) FROM tiles LIMIT 1", [(1,)]),
        ("SELECT rank() OVER (ORDER BY name) FROM products; -- a remark", [(1,)]),
        ("VALUES (1)", [(1,)]),
    ],
)  # fmt: skip
def test_whatever_reads_is_run(path: Path, statement: str, rows: list[tuple[object, ...]]) -> None:
    assert list(readonly.query(path, statement)) == rows


def test_plans_and_table_definitions_can_be_asked_for(path: Path) -> None:
    assert list(readonly.query(path, "EXPLAIN QUERY PLAN SELECT * FROM products WHERE id = 'a'"))
    assert list(readonly.query(path, "PRAGMA table_info(products)"))
    assert list(readonly.query(path, "PRAGMA user_version")) == [(0,)]


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM products", "INSERT INTO downloads (product_id) SELECT id FROM products", "UPDATE mine SET x = 1",
     "DROP TABLE mine", "CREATE TABLE x (a)", "CREATE TEMP TABLE x (a)", "ATTACH '{folder}/x.db' AS x", "DETACH main",
     "VACUUM", "VACUUM INTO '{folder}/x.db'", "PRAGMA user_version = 3", "PRAGMA query_only = OFF", "PRAGMA journal_mode = DELETE",
     "PRAGMA writable_schema = ON", "UPDATE sqlite_master SET sql = ''", "BEGIN", "COMMIT", "SAVEPOINT s", "REINDEX", "ANALYZE",
     "SELECT load_extension('x')", "SELECT 1; SELECT 2", "SELECT 1; DELETE FROM products", "EXPLAIN DELETE FROM products",
     "WITH a AS (SELECT 1) DELETE FROM products", "WITH a(x) AS (SELECT 1) INSERT INTO mine SELECT x FROM a", "REPLACE INTO mine VALUES (1)",
     "PRAGMA hard_heap_limit = 0", "PRAGMA temp_store_directory = '/'", "PRAGMA trusted_schema = ON", "CREATE VIRTUAL TABLE v USING rtree(a, b, c)",
     "SELECT * FROM pragma_journal_mode('delete')", "SELECT writefile('{folder}/x.db', 'x')", "DELETE FROM products RETURNING id", "INSERT INTO my_rtree VALUES (2, 2, 3)",
     "", "-- nothing", "SELEC", "SELECT * FROM nope", "SELECT ?", "SELECT \0"],
)  # fmt: skip
def test_whatever_does_more_than_read_is_refused_in_one_line(path: Path, statement: str) -> None:
    before = path.read_bytes()
    with pytest.raises(FilterError) as caught:
        list(readonly.query(path, statement.replace("{folder}", str(path.parent))))
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert not (path.parent / "x.db").exists()


def test_values_are_bound_and_never_pasted(path: Path) -> None:
    hostile = "x' OR 1=1; DROP TABLE products; --"
    asked = "SELECT count(*) FROM products WHERE name = :name"
    assert list(readonly.query(path, asked, {"name": hostile})) == [(0,)]
    assert list(readonly.query(path, asked, {"name": "A"})) == [(1,)]
    twice = "SELECT :name || :name, @n + 1"
    assert list(readonly.query(path, twice, {"name": hostile, "n": 1})) == [(hostile * 2, 2)]


@pytest.mark.parametrize(
    ("statement", "params", "told"),
    [
        ("SELECT :tile", {}, ":tile has no value"),
        ("SELECT :tile", None, ":tile has no value"),
        ("SELECT :tile", {"title": 1}, ":tile has no value"),
        ("SELECT 1", {"tile": 1}, "no parameter :tile"),
        ("SELECT ':tile'", {"tile": 1}, "no parameter :tile"),
        ("SELECT ?", {"tile": 1}, "has no name"),
        ("SELECT :tile", {"tile": 2**70}, "too large"),
    ],
)
def test_a_value_that_is_missing_or_has_no_place_is_named(
    path: Path, statement: str, params: dict[str, object] | None, told: str
) -> None:
    with pytest.raises(FilterError, match=told):
        readonly.query(path, statement, params)


def test_a_statement_that_takes_too_long_is_broken_off(path: Path) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT {} FROM n"
    with pytest.raises(SatcatError, match=r"longer than 0\.05 s"):
        list(readonly.query(path, endless.format("max(x)"), seconds=0.05))
    with pytest.raises(SatcatError, match=r"longer than 0\.05 s"):
        for _ in readonly.query(path, endless.format("x"), seconds=0.05):
            pass
    assert list(readonly.query(path, "SELECT id FROM products", seconds=60)) == [("a",)]


@pytest.mark.parametrize(
    "expression",
    [
        "zeroblob(900000000)", "randomblob(900000000)", "hex(zeroblob(90000000))",
        "replace(printf('%.*c', 30000, 'x'), 'x', printf('%.*c', 30000, 'y'))", ", ".join(["zeroblob(90000000)"] * 60),
        "(WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 900) SELECT group_concat(hex(zeroblob(900000))) FROM n)",
        "(WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 900) SELECT json_group_array(hex(zeroblob(900000))) FROM n)",
    ],
)  # fmt: skip
def test_no_statement_takes_the_memory_of_the_machine(path: Path, expression: str) -> None:
    """In a process of its own, for memory that was once taken is counted for ever."""
    code = """
import resource, sys
from pathlib import Path
from satcat.readonly import sqlite as readonly
from satcat.errors import FilterError
readonly.bound_memory()
try:
    for row in readonly.query(Path(sys.argv[1]), "SELECT " + sys.argv[2]):
        pass
except FilterError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
    ran = subprocess.run(
        [sys.executable, "-c", code, path, expression], capture_output=True, text=True, check=True
    )
    said, mebibytes = ran.stdout.splitlines()
    assert "too big" in said or "more memory than there is" in said
    assert int(mebibytes) < 1300


def test_an_error_in_the_midst_of_the_rows_is_told(path: Path) -> None:
    with (
        readonly.query(
            path, "SELECT abs(column1) FROM (VALUES (1), (-9223372036854775808))"
        ) as rows,
        pytest.raises(FilterError, match="integer overflow"),
    ):
        list(rows)


def test_rows_come_as_they_are_read_and_reading_can_stop(path: Path) -> None:
    endless = (
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS number FROM n"
    )
    with readonly.query(path, endless) as rows:
        assert rows.columns == ["number"]
        assert next(rows.rows) == (1,)
        assert next(iter(rows)) == (2,)


def test_a_name_that_is_no_utf8_does_not_stop_the_rest(path: Path) -> None:
    rows = list(readonly.query(path, "SELECT CAST(x'ff41' AS TEXT) UNION ALL SELECT 'B'"))
    assert rows == [("\ufffdA",), ("B",)]


def test_a_path_may_hold_any_character(path: Path) -> None:
    odd = path.rename(path.with_name("a?b#c%20d e.db"))
    assert list(readonly.query(odd, "SELECT id FROM products")) == [("a",)]


def test_a_damaged_file_is_called_so(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(CatalogueDamagedError):
        readonly.query(path, "SELECT 1 FROM products")
