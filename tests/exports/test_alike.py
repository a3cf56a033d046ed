"""What is exported does not tell which engine kept it, byte by byte."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from satcat import SearchFilters
from satcat.catalogue import Catalogue
from satcat.database import Database
from satcat.models import products
from satcat.products import RESULT_COLUMNS, SOURCE_COLUMNS, SatelliteImage
from tests.exports.conftest import LINE, SHAPES, START, fields
from tests.postgres import Server

ATTRIBUTES = {
    "z": 1,
    "aa": None,
    "B": 2.5,
    "ä": "ö\u2028",
    "long name": 10**18,
    "a": True,
    "e": 1e300,
}


@pytest.fixture
def made(make_product: Callable[..., SatelliteImage]) -> list[SatelliteImage]:
    """Forty products of every shape, with attributes whose order is not that of their names' lengths."""
    shapes = [*SHAPES.values(), None, LINE]
    return [
        make_product(
            **fields(
                number, shapes[number % len(shapes)], attributes=ATTRIBUTES, cloud_cover=number / 7,
                sensing_start=START + timedelta(days=number, microseconds=number),
                collection=("SENTINEL-2", "a/b", "Z", "é")[number % 4], product_type=(None, "b", "B", "a_", "a")[number % 5],
            )
        )
        for number in range(40)
    ]  # fmt: skip


def put(database: Database, made: list[SatelliteImage]) -> Catalogue:
    kept = {"first_seen_at": START, "changed_at": START}
    with database.write() as connection:
        for each in made:
            values = {name: getattr(each, name) for name in SOURCE_COLUMNS}
            connection.execute(
                sa.insert(products), values | kept | {"content_hash": each.content_hash}
            )
    return Catalogue(database)


def test_both_engines_give_the_same_bytes(
    made: list[SatelliteImage], postgres: Server, tmp_path: Path
) -> None:
    url = postgres.new(tmp_path)
    with Database.open(tmp_path / "a.db", create=True) as file, Database.open(url) as server:
        for name, database in (("file", file), ("server", server)):
            catalogue = put(database, made)
            folder = tmp_path / name
            folder.mkdir()
            for suffix in ("csv", "json", "ndjson", "geojson", "geojsonl", "parquet"):
                catalogue.export(
                    folder / f"all.{suffix}",
                    SearchFilters(),
                    columns=[*RESULT_COLUMNS, "footprint"],
                )
            for keys in ("collection,month", "type", "online,tile"):
                catalogue.export(folder / f"lake {keys}", SearchFilters(), partition=keys)
            catalogue.export(folder / "sorted.csv", SearchFilters(), sort="-type")
    postgres.drop(url)
    found = {
        path.relative_to(tmp_path / "file")
        for path in (tmp_path / "file").rglob("*")
        if path.is_file() and path.name != "_satcat.json"  # which says when
    }
    assert len(found) > 20
    for path in found:
        one, other = (tmp_path / name / path for name in ("file", "server"))
        assert one.read_bytes() == other.read_bytes(), path
