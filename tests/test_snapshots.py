"""Copies of a catalogue that others write to."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from satcat.database import Database
from satcat.errors import FilterError
from satcat.models import downloads
from satcat.snapshots import snapshot
from satcat.sqlite import APPLICATION_ID
from tests.engines import CATALOGUE_FILE

pytestmark = CATALOGUE_FILE


def test_a_snapshot_is_a_catalogue_of_what_was_stored(database: Database, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    with database.write() as connection:
        connection.execute(sa.insert(downloads).values(product_id="a"))
    with database.read() as reader:
        reader.execute(sa.select(downloads)).all()
        snapshot(database, target)
    with database.write() as connection:
        connection.execute(sa.insert(downloads).values(product_id="b"))
    with Database.open(target) as copy, copy.read() as connection:
        assert list(connection.scalars(sa.select(downloads.c.product_id))) == ["a"]
        assert connection.exec_driver_sql("PRAGMA application_id").scalar() == APPLICATION_ID


def test_nothing_is_overwritten_and_nothing_half_done_stays(
    database: Database, tmp_path: Path
) -> None:
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(FilterError, match="exists already"):
        snapshot(database, database.path)
    with pytest.raises(FilterError, match="does not exist"):
        snapshot(database, tmp_path / "nofolder" / "copy.db")
    assert sorted(path.name for path in tmp_path.iterdir()) == before
