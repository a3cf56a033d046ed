"""The words of `satcat schema` are those of the real tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from satcat import models, readonly, schema
from satcat.database import Database


def columns_of(path: Path, table: str) -> list[str]:
    with sqlite3.connect(path) as connection:
        return [row[1] for row in connection.execute(f"PRAGMA table_xinfo({table})")]


@pytest.mark.parametrize("table", schema.PAGES)
def test_every_column_is_explained_in_the_order_of_the_table(template: Path, table: str) -> None:
    assert list(schema.PAGES[table].columns) == columns_of(template, table)


def test_every_table_of_the_catalogue_is_explained(template: Path) -> None:
    with sqlite3.connect(template) as connection:
        tables = {
            row[0]
            for row in connection.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
            )
        }
    inner = {name for name in tables if name.startswith(("sqlite_", "products_rtree"))}
    assert set(schema.PAGES) == tables - inner - {"alembic_version"}


def test_every_word_of_a_constrained_column_is_explained() -> None:
    said = schema.PAGES["downloads"].columns["status"]
    assert all(status in said for status in models.STATUSES)


NAMES = {"05.09": "A", "05.10": "B"}
FOUND = [
    [("2024-06", 2)],
    [("30TWM", "2024-06-01", "2024-06-06", 5)],
    [("1B", "1B.SAFE", 10**9, None), ("6A", "6A.SAFE", 10**9, "queued"), ("6B", "6B.SAFE", 10**9, "done")],
    [("30TWM", "S2MSI2A", f"2024-06-0{day}T10:56:21", 2, "05.09 05.10") for day in (6, 1)],
    [("30TWM", 4, 4.0, 2.0)],
    [("OLD", None, "Duplicated product", "/old.zip")],
]  # fmt: skip


@pytest.mark.parametrize(
    ("example", "found"),
    list(zip(schema.EXAMPLES, FOUND, strict=True)),
    ids=[example.question for example in schema.EXAMPLES],
)
def test_every_example_answers_its_question(
    database: Database,
    add_products: Callable[..., None],
    example: schema.Example,
    found: list[tuple[object, ...]],
) -> None:
    add_products(
        *(
            {
                "id": f"{day}{letter}", "name": f"{day}{letter}.SAFE", "processing_baseline": baseline,
                "sensing_start": datetime(2024, 6, day, 10, 56, 21, tzinfo=UTC), "size_bytes": 10**9,
            }
            for day in (1, 6)
            for baseline, letter in NAMES.items()
        )
    )  # fmt: skip
    with database.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO downloads (product_id, status, include, path, size_bytes) VALUES"
            " ('1A', 'done', NULL, '/1A.zip', 1000000000), ('6A', 'queued', NULL, NULL, NULL),"
            " ('6B', 'done', '*_B04_*', '/6B.SAFE', 1000000000), ('old', 'done', NULL, '/old.zip', 1)"
        )
        connection.exec_driver_sql(
            "INSERT INTO deleted_products (id, name, deletion_cause, kind, noticed_at)"
            " VALUES ('old', 'OLD', 'Duplicated product', 'deleted', '2024-07-01T00:00:00.000000Z')"
        )
    sql = example.spelt(on_server=database.engine.dialect.name == "postgresql")
    assert list(readonly.query(database, sql)) == found
