"""The words of `satcat schema` are those of the real tables."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from satcat import models, schema


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
