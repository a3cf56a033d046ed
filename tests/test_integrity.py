"""What is derived from the products stays right whatever people do to them, and damage of each kind is found."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from satcat import integrity, times
from satcat.database import Database
from satcat.models import products_rtree, tile_months

ACROSS = {"west": 179.5, "south": -17.0, "east": -179.25, "north": -16.0}
BOX = {"west": -3.1, "south": 42.3, "east": -1.7, "north": 43.3}

KEPT = "SELECT * FROM tile_months ORDER BY 1, 2, 3, 4"
KEPT_YEARS = "SELECT * FROM tile_years ORDER BY 1, 2, 3, 4"
COUNTED = """
    SELECT tile_id, coalesce(product_type, ''), sensing_start, collection, cloud_cover, size_bytes
    FROM products WHERE tile_id IS NOT NULL"""


def plainly(path: Path, *statements: str) -> None:
    """What people do with `sqlite3 satcat.db`, where foreign keys are off."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def kinds(database: Database) -> set[str]:
    with database.read() as connection:
        return {finding.kind for finding in integrity.check(connection)}


def boxes(database: Database) -> dict[int, list[float]]:
    """The spatial index: key to west, east, south, north, to two decimals."""
    with database.read() as connection:
        rows = connection.execute(sa.select(products_rtree).order_by(products_rtree.c.pk)).all()
    return {row.pk: [round(number, 2) for number in row[1:5]] for row in rows}


# Random changes, with plain SQLite


@pytest.fixture(scope="module")
def plain(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """One catalogue for all examples, as plain SQLite opens it; each example is taken back."""
    path = shutil.copy(template, tmp_path_factory.mktemp("integrity") / "satcat.db")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "tile_id": st.sampled_from([None, "30TWM", "31TCJ"]),
    "product_type": st.sampled_from([None, "", "S2MSI1C", "S2MSI2A"]),
    "collection": st.sampled_from(["SENTINEL-2", "SENTINEL-1"]),
    "sensing_start": st.sampled_from(
        [f"2024-0{month}-01T00:00:00.000000Z" for month in (5, 6)]
        + ["2024-05-31T23:59:59.999999Z", "2024-05-31T10:00:00.000000Z", "2025-01-01T00:00:00.000000Z"]
    ),
    "cloud_cover": st.sampled_from([None, 0.0, 20.0, 20.001, 100.0]),
    "size_bytes": st.sampled_from([None, 0, 7, 10**9]),
    "box": st.sampled_from([(None,) * 4, (-3.1, 42.3, -1.7, 43.3), (179.5, -17.0, -179.25, -16.0), (-180.0, 80.0, 180.0, 90.0)]),
}  # fmt: skip
ROWS = st.fixed_dictionaries(VALUES)
CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("insert"), st.integers(1, 6), ROWS),
        st.tuples(st.just("update"), st.integers(1, 6), st.fixed_dictionaries({}, optional=VALUES)),
        st.tuples(st.just("renumber"), st.integers(1, 6), st.integers(7, 9)),
        st.tuples(st.just("delete"), st.integers(1, 6), st.none()),
    ),
    max_size=25,
)


def columns(values: dict[str, Any]) -> dict[str, Any]:
    """A row's values by column: the box is drawn as one, for half a box is none."""
    values = dict(values)
    box = values.pop("box", None)
    return values | (dict(zip(("west", "south", "east", "north"), box, strict=True)) if box else {})


def change(connection: sqlite3.Connection, what: str, pk: int, with_: Any) -> None:
    if what == "insert":
        row = columns(with_) | {
            "pk": pk,
            "id": str(pk),
            "source": "cdse",
            "name": "S2",
            "content_hash": "",
        }
        row |= {"first_seen_at": "2024", "changed_at": "2024"}
        names, marks = ", ".join(row), ", ".join("?" * len(row))
        connection.execute(
            f"INSERT INTO products ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING",
            [*row.values()],
        )
        connection.execute(
            "INSERT OR IGNORE INTO scope_products (scope_id, pk) VALUES (1, ?)", (pk,)
        )
    elif what == "update" and with_:
        row = columns(with_)
        assigned = ", ".join(f"{name} = ?" for name in row)
        connection.execute(f"UPDATE products SET {assigned} WHERE pk = ?", [*row.values(), pk])
    elif what == "renumber":
        connection.execute("UPDATE OR IGNORE products SET pk = ? WHERE pk = ?", (with_, pk))
    elif what == "delete":
        connection.execute("DELETE FROM products WHERE pk = ?", (pk,))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(CHANGES)
def test_counts_and_spatial_index_follow_whatever_is_done_to_products(plain, changes):
    plain.execute("BEGIN")
    try:
        for one in changes:
            change(plain, *one)
        assert derived_is_right(plain)
    finally:
        plain.execute("ROLLBACK")


def summed_up(
    connection: sqlite3.Connection,
) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The rows of tile_months and of tile_years, counted in Python."""
    months: dict[Any, list[int]] = defaultdict(lambda: [0] * 5)
    years: dict[Any, list[int]] = defaultdict(lambda: [0] * 3)
    for tile, kind, start, collection, cloud, size in connection.execute(COUNTED):
        clear = cloud is not None and cloud <= 20
        bit = 2 ** (int(start[8:10]) - 1)
        month = months[tile, kind, start[:7], collection]
        for counts in (month, years[tile, kind, start[:4], collection]):
            counts[0] += 1
            counts[1] += clear
            counts[2] += size or 0
        month[3] |= bit
        month[4] |= bit * clear
    return [(*key, *months[key]) for key in sorted(months)], [
        (*key, *years[key]) for key in sorted(years)
    ]


def derived_is_right(connection: sqlite3.Connection) -> bool:
    months, years = summed_up(connection)
    assert connection.execute(KEPT).fetchall() == months
    assert connection.execute(KEPT_YEARS).fetchall() == years
    assert connection.execute("SELECT rtreecheck('products_rtree')").fetchone() == ("ok",)
    return connection.execute(integrity.sqlite._NOT_INDEXED).fetchall() == []


@pytest.mark.parametrize(
    "assignment",
    [
        "pk = 17", "west = 178", "east = -178", "south = -18", "north = -15", "tile_id = NULL", "tile_id = '31TCJ'",
        "product_type = NULL", "product_type = 'x'", "collection = 'x'", "cloud_cover = 99", "cloud_cover = NULL",
        "size_bytes = 5", "size_bytes = NULL", "sensing_start = '2025-01-01T00:00:00.000000Z'",
    ],
)  # fmt: skip
def test_a_change_of_one_column_alone_is_followed(plain, assignment):
    plain.execute("BEGIN")
    try:
        for pk in (1, 2):
            row = {
                "tile_id": "30TWM",
                "product_type": "S2MSI2A",
                "cloud_cover": 10.0,
                "size_bytes": 7,
            }
            fixed = {"collection": "SENTINEL-2", "sensing_start": "2024-06-01T00:00:00.000000Z"}
            change(plain, "insert", pk, row | fixed | {"box": (179.5, -17.0, -179.25, -16.0)})
        plain.execute(f"UPDATE products SET {assignment} WHERE pk = 1")
        assert derived_is_right(plain)
    finally:
        plain.execute("ROLLBACK")


# What plain deletes leave


def test_a_plain_delete_leaves_nothing_of_a_product(
    database: Database, catalogue_path: Path, add_products: Callable[..., None]
) -> None:
    add_products(BOX, ACROSS, BOX)
    plainly(catalogue_path, "INSERT INTO scopes (id, name, source, url, collection, filters, slices) VALUES (1, 'a', 'cdse', '', '', '{}', '[]')",
            "INSERT INTO scope_products (scope_id, pk) SELECT 1, pk FROM products")  # fmt: skip
    plainly(catalogue_path, "DELETE FROM products WHERE pk < 3")
    with database.read() as connection:
        left = connection.exec_driver_sql("SELECT pk FROM scope_products").scalars().all()
        counted = connection.execute(sa.select(tile_months.c.products)).scalars().all()
    assert left == [3]
    assert counted == [1]
    assert boxes(database) == {3: [-3.1, -1.7, 42.3, 43.3]}
    assert kinds(database) == set()
    plainly(catalogue_path, "DELETE FROM products")
    assert boxes(database) == {}
    assert kinds(database) == set()


def test_a_footprint_across_180_degrees_has_two_entries(
    database: Database, catalogue_path: Path, add_products: Callable[..., None]
) -> None:
    add_products(ACROSS)
    assert boxes(database) == {-1: [-180, -179.25, -17, -16], 1: [179.5, 180, -17, -16]}
    plainly(catalogue_path, "UPDATE products SET west = 170, east = 171")
    assert boxes(database) == {1: [170, 171, -17, -16]}
    plainly(catalogue_path, "UPDATE products SET east = -180")
    assert boxes(database) == {-1: [-180, -180, -17, -16], 1: [170, 180, -17, -16]}
    plainly(
        catalogue_path, "UPDATE products SET west = NULL, east = NULL, south = NULL, north = NULL"
    )
    assert boxes(database) == {}


@pytest.mark.parametrize(
    "sensed",
    ["1970-01-01", "1999-12-31T23:59:59.999999Z", "2024-02-29T12:34:56.789012Z", "2099-12-31"],
)
def test_the_index_holds_times_far_from_its_epoch(
    database: Database, add_products: Callable[..., None], sensed: str
) -> None:
    add_products({**BOX, "sensing_start": times.parse_bound(sensed)})
    assert kinds(database) == set()


# Each kind of damage


def unmade(*statements: str) -> Callable[[Path], None]:
    return lambda path: plainly(path, *statements)


DAMAGE = {
    "an entry is missing": ("spatial index", unmade("DELETE FROM products_rtree WHERE pk = 1")),
    "an entry is too many": (
        "spatial index", unmade("INSERT INTO products_rtree VALUES (99, 0, 1, 0, 1, 0, 1)"),
    ),
    "the second entry is missing": ("spatial index", unmade("DELETE FROM products_rtree WHERE pk = -2")),
    "the second entry is wrong": ("spatial index", unmade("UPDATE products_rtree SET east = 0 WHERE pk = -2")),
    "a second entry that should not be": (
        "spatial index", unmade("INSERT INTO products_rtree VALUES (-1, 0, 1, 0, 1, 0, 1)"),
    ),
    "an entry of a product without box": (
        "spatial index", unmade("INSERT INTO products_rtree VALUES (3, 0, 1, 0, 1, 0, 1)"),
    ),
    "an entry is too small": ("spatial index", unmade("UPDATE products_rtree SET north = 43 WHERE pk = 1")),
    "an entry is too big": ("spatial index", unmade("UPDATE products_rtree SET west = -4 WHERE pk = 1")),
    "an entry is of another day": (
        "spatial index", unmade("UPDATE products_rtree SET first_day = 1, last_day = 1 WHERE pk = 1"),
    ),
    "a node is lost": ("spatial index", unmade("DELETE FROM products_rtree_rowid WHERE rowid = 1")),
    "a count is wrong": ("tile_months", unmade("UPDATE tile_months SET products = products + 1")),
    "a sum is wrong": ("tile_months", unmade("UPDATE tile_months SET size_bytes = size_bytes + 1")),
    "a clear one is not counted": ("tile_months", unmade("UPDATE tile_months SET clear_products = 0")),
    "a month is missing": ("tile_months", unmade("DELETE FROM tile_months")),
    "a month is too many": ("tile_months", unmade("INSERT INTO tile_months VALUES ('31TCJ', '', '2024-06', 'x', 1, 0, 0, 1, 0)")),
    "a cloud cover is altered": ("altered", unmade("UPDATE products SET cloud_cover = 0 WHERE pk = 1")),
    "an attribute is altered": ("altered", unmade("UPDATE products SET attributes = '{\"a\": 1}' WHERE pk = 1")),
    "attributes are no JSON": ("altered", unmade("UPDATE products SET attributes = '{' WHERE pk = 1")),
    "attributes are no object": ("altered", unmade("UPDATE products SET attributes = '[1]' WHERE pk = 1")),
    "attributes are infinite": ("altered", unmade("UPDATE products SET attributes = '{\"a\": 1e999}' WHERE pk = 1")),
    "a footprint is altered": ("altered", unmade("UPDATE products SET footprint = x'00' WHERE pk = 1")),
    "a text is a blob": ("altered", unmade("UPDATE products SET name = x'ff' WHERE pk = 1")),
    "online is no truth value": ("altered", unmade("UPDATE products SET online = 'maybe' WHERE pk = 1")),
    "the hash is altered": ("altered", unmade("UPDATE products SET content_hash = 'x' WHERE pk = 1")),
    "a product is deleted and not": (
        "both", unmade("INSERT INTO deleted_products (id, kind, noticed_at) SELECT id, 'deleted', '2024' FROM products"),
    ),
    "a reference dangles": ("reference", unmade("INSERT INTO scope_products (scope_id, pk) VALUES (9, 9)")),
    "a row escapes its index": ("file", unmade(
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = replace(sql, 'tile_id IS NOT NULL', 'tile_id IS NULL') WHERE name = 'ix_products_tile'",
    )),
}  # fmt: skip

DERIVED = {"spatial index", "tile_months"}


@pytest.fixture
def filled(database: Database, add_products: Callable[..., None]) -> Database:
    """Three products: with a box, with a box across 180°, and without one."""
    add_products(BOX, ACROSS, {})
    assert kinds(database) == set()
    return database


@pytest.mark.parametrize(("kind", "damage"), DAMAGE.values(), ids=DAMAGE)
def test_damage_is_found(
    filled: Database, catalogue_path: Path, kind: str, damage: Callable[[Path], None]
) -> None:
    filled.close()
    damage(catalogue_path)
    assert kind in integrity.KINDS
    assert kinds(filled) == {kind}


@pytest.mark.parametrize(
    "damage", [damage for kind, damage in DAMAGE.values() if kind in DERIVED],
    ids=[name for name, (kind, _) in DAMAGE.items() if kind in DERIVED],
)  # fmt: skip
def test_what_is_derived_can_be_made_again(
    filled: Database, catalogue_path: Path, damage: Callable[[Path], None]
) -> None:
    right = boxes(filled)
    filled.close()
    damage(catalogue_path)
    with filled.write() as connection:
        integrity.rebuild_derived(connection)
    assert kinds(filled) == set()
    assert boxes(filled) == right


def test_an_altered_product_is_named(filled: Database, catalogue_path: Path) -> None:
    plainly(catalogue_path, "UPDATE products SET cloud_cover = 0 WHERE pk = 2")
    with filled.read() as connection:
        found = list(integrity.check(connection))
        named = connection.exec_driver_sql("SELECT id FROM products WHERE pk = 2").scalar_one()
    assert [finding.id for finding in found] == [named]


def test_every_kind_of_finding_has_an_example_of_damage() -> None:
    assert {kind for kind, _ in DAMAGE.values()} == set(integrity.KINDS)


def test_attributes_are_stored_as_json_that_sqlite_reads(
    database: Database, catalogue_path: Path, add_products: Callable[..., None]
) -> None:
    add_products({"attributes": {"é": 'a "b"', "n": 1.5}})
    with contextlib.closing(sqlite3.connect(catalogue_path)) as connection:
        text, number = connection.execute(
            "SELECT attributes, json_extract(attributes, '$.n') FROM products"
        ).fetchone()
    assert json.loads(text) == {"é": 'a "b"', "n": 1.5}
    assert number == 1.5
