"""Recorded answers of the real service, through a real catalogue: nothing that was said is lost on the way."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat import times
from satcat.api import odata_parse
from satcat.database import Database
from satcat.models import products
from satcat.products import SOURCE_COLUMNS, SatelliteImage
from satcat.select import image
from satcat.sync.store import store
from tests.engines import CATALOGUE_FILE

#: The column of each attribute that has one; the value may also stay in `attributes`.
COLUMNS = {
    "productType": "product_type", "processingLevel": "processing_level", "processing:level": "processing_level",
    "processingBaseline": "processing_baseline", "instrumentShortName": "instrument", "tileId": "tile_id",
    "relativeOrbitNumber": "relative_orbit", "orbitNumber": "absolute_orbit", "orbitDirection": "orbit_direction",
    "polarisationChannels": "polarisation", "cloudCover": "cloud_cover", "beginningDateTime": "sensing_start",
    "endingDateTime": "sensing_end",
}  # fmt: skip
FAMILIES = {"S1": "SENTINEL-1", "S2": "SENTINEL-2", "S3": "SENTINEL-3", "S5": "SENTINEL-5P"}


def records_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every record in a recorded file, at whatever depth."""
    if isinstance(value, dict):
        if {"Id", "Name", "ContentDate"} <= value.keys():
            yield value
        for item in value.values():
            yield from records_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from records_in(item)


def record_of(row: dict[str, str]) -> dict[str, Any]:
    """A row of the recorded table of attributes as the record that it was."""
    attributes = json.loads(row["attributes_json"])
    return {
        "Id": row["id"],
        "Name": row["name"],
        "ContentLength": int(row["content_length"]),
        "S3Path": row["s3_path"],
        "ContentDate": {"Start": row["content_start"], "End": row["content_end"]},
        "PublicationDate": row["publication_date"],
        "Attributes": [{"Name": name, "Value": value} for name, value in attributes.items()],
    }


@pytest.fixture(scope="module")
def recordings(recorded: Path) -> dict[str, dict[str, Any]]:
    """Every recorded record with an id of its own; of several answers the last."""
    found = {
        record["Id"]: record
        for path in sorted((recorded / "odata").glob("*.json"))
        for record in records_in(json.loads(path.read_text()))
    }
    with (recorded / "odata" / "phidown_sentinel2_attributes.csv").open(newline="") as file:
        found |= {row["id"]: record_of(row) for row in csv.DictReader(file)}
    assert len(found) > 130
    return found


@pytest.fixture
def sent(database: Database, recordings: dict[str, dict[str, Any]]) -> dict[str, SatelliteImage]:
    """What was read of them and put into the catalogue."""
    read = {}
    for id, record in recordings.items():
        row = odata_parse.product(record, FAMILIES.get(record["Name"][:2], "CCM")).row
        assert isinstance(row, SatelliteImage)
        read[id] = row
    with database.write() as connection:
        stored = store(connection, list(read.values()), scope_id=None, at=times.now())
    assert stored.added == len(read)
    return read


def test_what_was_recorded_is_read_back_equal_and_hashes_as_it_was_sent(
    database: Database, sent: dict[str, SatelliteImage]
) -> None:
    with database.read() as connection:
        rows = connection.execute(sa.select(products)).all()
    assert {row.id for row in rows} == sent.keys()
    for row in rows:
        held, expected = image(row), sent[row.id]
        for column in SOURCE_COLUMNS:
            assert getattr(held, column) == getattr(expected, column), (row.name, column)
        assert row.content_hash == held.content_hash == expected.content_hash


@CATALOGUE_FILE
def test_each_recorded_attribute_is_found_in_a_column_or_in_attributes_by_plain_sqlite(
    database: Database, sent: dict[str, SatelliteImage], recordings: dict[str, dict[str, Any]]
) -> None:
    with sqlite3.connect(database.path) as plain:
        plain.row_factory = sqlite3.Row
        rows = {row["id"]: row for row in plain.execute("SELECT * FROM products")}
    plain.close()
    seen = 0
    for id, record in recordings.items():
        kept = json.loads(rows[id]["attributes"])
        for attribute in filter(None, record.get("Attributes") or []):
            name, value = attribute["Name"], attribute["Value"]
            if name in kept:
                held: Any = kept[name]
            elif name.startswith("platform"):  # SENTINEL-2 and A, where the platform is S2A
                platform = rows[id]["platform"]
                held = f"SENTINEL-{platform[1]}" if name == "platformShortName" else platform[2:]
            else:
                held = rows[id][COLUMNS[name]]
                held = rows[id]["product_type"] if name == "processingLevel" else held
                value = times.to_text(times.parse(value)) if name.endswith("DateTime") else value
            assert held == value and isinstance(held, str) == isinstance(value, str), (id, name)
            seen += 1
    assert seen > 2500


def test_storing_what_was_recorded_again_writes_nothing(
    database: Database, sent: dict[str, SatelliteImage]
) -> None:
    if (
        database.engine.dialect.name == "postgresql"
    ):  # the versions of rows that this transaction made
        changes = sa.text("SELECT count(*) FROM products WHERE xmin = pg_current_xact_id()::xid")
    else:
        changes = sa.text("SELECT total_changes()")
    with database.write() as connection:
        before = connection.scalar(changes)
        again = store(connection, list(sent.values()), scope_id=None, at=times.now())
        assert connection.scalar(changes) == before
    assert (again.added, again.changed, again.unchanged) == (0, 0, len(sent))
