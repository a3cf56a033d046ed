"""The facade: each method does its one thing; nothing but sync, verify and download opens a socket."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import pytest
import sqlalchemy as sa

import satcat
from satcat import COLLECTIONS, Catalogue, SearchFilters, times
from satcat.errors import CatalogueMissingError, FilterError
from satcat.models import downloads, sync_runs
from satcat.products import SatelliteImage
from satcat.sync.store import store

Make = Callable[..., SatelliteImage]
EVERYTHING = SearchFilters()


@pytest.fixture
def catalogue(address: str, make_product: Make) -> Iterator[Catalogue]:
    """A catalogue of three products: one cloudy, one of another tile."""
    with Catalogue.open(address, create=False) as opened:
        start = times.parse_bound("2024-06-01")
        images = [
            make_product(id="clear", sensing_start=start),
            make_product(id="cloudy", cloud_cover=90.0, sensing_start=start + timedelta(days=1)),
            make_product(id="beside", tile_id="30TXM", sensing_start=start + timedelta(days=2)),
        ]
        with opened.database.write() as connection:
            store(connection, images, scope_id=None, at=start)
        yield opened


def queued(catalogue: Catalogue) -> set[str]:
    with catalogue.database.read() as connection:
        return set(connection.scalars(sa.select(downloads.c.product_id)))


def test_opening_makes_a_catalogue_unless_told_not_to(tmp_path: Path) -> None:
    with pytest.raises(CatalogueMissingError):
        Catalogue.open(tmp_path / "new.db", create=False)
    assert not (tmp_path / "new.db").exists()
    with Catalogue.open(tmp_path / "new.db") as made:
        assert made.count(EVERYTHING) == 0
    with Catalogue.open(tmp_path / "new.db", create=False) as there:
        assert there.scopes() == []


def test_search_iter_and_count_agree_newest_first(catalogue: Catalogue) -> None:
    assert list(catalogue.search(EVERYTHING)) == ["beside", "cloudy", "clear"]
    assert [image.id for image in catalogue.iter(EVERYTHING, limit=2)] == ["beside", "cloudy"]
    assert catalogue.count(SearchFilters(tile_id="30TWM", cloud_cover=20)) == 1
    assert list(catalogue.search(EVERYTHING, best="cloud", per=["tile"])) == ["beside", "clear"]
    assert [image.id for image in catalogue.get("clear")] == ["clear"]


def test_iterating_can_be_left_before_the_end_and_writing_goes_on(catalogue: Catalogue) -> None:
    for image in catalogue.iter(EVERYTHING):
        assert catalogue.mark([image.id]).new == 1
        break
    assert queued(catalogue) == {"beside"}


def test_marking_takes_filters_ids_or_results(catalogue: Catalogue) -> None:
    assert catalogue.mark(SearchFilters(tile_id="30TXM"), priority=3).new == 1
    assert catalogue.mark(catalogue.search(SearchFilters(cloud_cover=20))).already == 1
    assert queued(catalogue) == {"beside", "clear"}
    assert catalogue.mark("cloudy").new == 1
    assert catalogue.unmark(SearchFilters(tile_id="30TWM", where="cloud_cover > 50")).rows == 1
    assert catalogue.unmark(["beside", "unknown"]).rows == 1
    assert queued(catalogue) == {"clear"}


def test_a_wrong_condition_marks_nothing(catalogue: Catalogue) -> None:
    for use in (catalogue.mark, catalogue.unmark, catalogue.count, catalogue.search):
        with pytest.raises(FilterError, match=r"no such column|does not exist"):
            use(SearchFilters(where="clouds < 5"))
    assert queued(catalogue) == set()


def test_sql_reads_and_closes(catalogue: Catalogue) -> None:
    with catalogue.sql("SELECT id FROM products ORDER BY id") as rows:
        assert rows.columns == ["id"]
        assert list(rows) == [("beside",), ("clear",), ("cloudy",)]
    with pytest.raises(FilterError):
        catalogue.sql("DELETE FROM products")


def test_survey_coverage_and_status_tell_what_is_not_mirrored(catalogue: Catalogue) -> None:
    assert [gap.reason for gap in catalogue.survey(EVERYTHING).gaps] == ["nothing is mirrored yet"]
    assert {row.mirrored for row in catalogue.coverage(EVERYTHING)} == {"not mirrored"}
    state = catalogue.status()
    assert (state.scopes, state.products, state.downloads["queued"].rows) == ([], 3, 0)


def test_status_tells_how_far_each_scope_is(catalogue: Catalogue) -> None:
    statements = [
        """INSERT INTO scopes (id, name, source, url, collection, filters, slices, sensing_start)
           VALUES (1, 's', 'cdse', 'u', 'SENTINEL-2', '{"collection": "SENTINEL-2"}', '["{\\"collection\\": \\"SENTINEL-2\\"}"]',
                   '2024-01-01T00:00:00.000000Z')""",
        "INSERT INTO sync_windows (scope_id, slice, status) VALUES (1, 0, 'complete'), (1, 0, 'mismatch'), (1, 0, 'pending')",
        "INSERT INTO sync_cursors VALUES (1, 0, 'publication', '2024-07-02T00:00:00.000000Z'), (1, 0, 'deletion', '2024-07-01T00:00:00.000000Z')",
        """INSERT INTO sync_rejects (scope_id, slice, kind, feed, error, first_at, last_at) VALUES
           (1, 0, 'reject', 'window', 'no name', '2024-07-01T00:00:00.000000Z', '2024-07-01T00:00:00.000000Z')""",
        "INSERT INTO scope_products (scope_id, pk) SELECT 1, pk FROM products WHERE id != 'beside'",
    ]  # fmt: skip
    with catalogue.database.write() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        run = {"kind": "sync", "host": "h", "pid": 1, "version": "1", "outcome": "complete"}
        for scope_id, outcome in ((1, "failed"), (None, "complete"), (2, "incomplete")):
            values = run | {"scope_id": scope_id, "outcome": outcome, "started_at": times.now()}
            connection.execute(sa.insert(sync_runs).values(values))
    (scope,) = catalogue.status().scopes
    assert (scope.scope.name, scope.products, scope.open_rejects) == ("s", 2, 1)
    assert (scope.windows, scope.complete, scope.mismatched) == (3, 1, 1)
    assert scope.followed_to == times.parse_bound("2024-07-01")
    assert scope.last_run is not None
    assert scope.last_run.outcome == "complete"
    assert [s.name for s in catalogue.scopes()] == ["s"]


def test_looking_and_marking_open_no_socket(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    catalogue.search(SearchFilters(bbox=(0, 0, 1, 1)))
    catalogue.mark(EVERYTHING)
    catalogue.survey(SearchFilters(tile_id="30TWM"))
    assert list(catalogue.coverage(EVERYTHING, by=("tile", "month")))
    assert catalogue.status().downloads["queued"].rows == 3
    assert list(catalogue.sql("SELECT 1")) == [(1,)]


# The package itself


def test_every_public_name_is_there_and_nothing_heavy_comes_with_the_package() -> None:
    for name in satcat.__all__:
        assert getattr(satcat, name)
    assert set(satcat.__all__) <= set(dir(satcat))
    with pytest.raises(AttributeError, match="nonsense"):
        satcat.nonsense  # noqa: B018 - looking it up is the test
    assert satcat.__version__ == version("satcat-mirror")
    assert COLLECTIONS.SENTINEL_2.value == "SENTINEL-2"
    code = (
        "import sys, satcat; print([m for m in "
        "('sqlalchemy', 'requests', 'shapely', 'numpy', 'alembic') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
