"""Asking again: for parts, for more parts, for the whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from satcat.database import Database
from satcat.downloads import marks, patterns
from satcat.downloads.again import change
from satcat.downloads.marks import Marked
from satcat.errors import FilterError
from satcat.models import STATUSES, downloads
from satcat.sandbox import Sandbox

BANDS = "*_B03*.jp2"
MORE = "*_B04*.jp2"


@pytest.fixture
def mark(database: Database) -> Callable[..., Marked]:
    """Mark, after a look that must say the same and change nothing."""

    def mark(ids: Iterable[str], *include: str, **options: Any) -> Marked:
        chosen = include or None
        with database.read() as connection:
            before = connection.execute(sa.select(downloads)).all()
            said = marks.preview(connection, ids, include=chosen)
            assert connection.execute(sa.select(downloads)).all() == before
        with database.write() as connection:
            done = marks.mark(connection, ids, include=chosen, **options)
        assert done == said
        return done

    return mark


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_marking_parts_asks_for_them_and_says_no_bytes(
    publish: Callable[..., list[str]], mark: Callable[..., Marked], row: Callable[[str], Any]
) -> None:
    ids = publish(2, mark=False)
    assert mark(ids, BANDS, "*MTD*.xml") == Marked(new=2)
    assert [row(i).include for i in ids] == ["*_B03*.jp2\n*MTD*.xml"] * 2
    assert mark(ids, "*MTD*.xml") == Marked(already=2)


def test_further_patterns_are_added_and_only_what_is_missing_is_fetched(
    publish: Callable[..., list[str]], mark: Callable[..., Marked], run: Callable[..., Any],
    row: Callable[[str], Any], sandbox: Sandbox, out: Path,
) -> None:  # fmt: skip
    (one,) = publish(mark=False)
    mark([one], BANDS)
    run()
    folder = Path(row(one).path)
    before = row(one).size_bytes
    assert mark([one], MORE) == Marked(widened=1)
    assert (row(one).status, row(one).include, row(one).path) == ("queued", f"{BANDS}\n{MORE}", str(folder))  # fmt: skip
    sandbox.log.clear()
    assert run().done == 1
    fetched = [str(request) for request in sandbox.log.matching("$value")]
    assert len(fetched) == 1 and "_B04" in fetched[0]
    assert Path(row(one).path) == folder and len(names(folder)) == 3
    assert row(one).size_bytes > before and os.listdir(out) == [folder.name]
    assert mark([one], BANDS) == Marked(already=1)


def test_the_whole_is_more_than_parts_whose_folder_stays(
    publish: Callable[..., list[str]], mark: Callable[..., Marked], run: Callable[..., Any],
    row: Callable[[str], Any], out: Path,
) -> None:  # fmt: skip
    (one,) = publish(size_bytes=70_000, mark=False)
    mark([one], BANDS)
    run()
    folder = Path(row(one).path)
    assert mark([one]) == Marked(widened=1, folders=1, bytes_total=70_000)
    assert (row(one).include, row(one).path, row(one).size_bytes) == (None, None, None)
    assert run().done == 1
    assert (row(one).size_bytes, row(one).verification) == (70_000, "checksum")
    assert set(os.listdir(out)) == {folder.name, f"{folder.stem}.zip"} and names(folder)
    assert mark([one], MORE) == Marked(already=1) and row(one).include is None


def test_a_queued_whole_stays_whole(
    publish: Callable[..., list[str]], mark: Callable[..., Marked], row: Callable[[str], Any]
) -> None:
    (one,) = publish()
    assert mark([one], BANDS) == Marked(already=1)
    assert (row(one).status, row(one).include) == ("queued", None)


def test_a_worker_that_is_busy_with_fewer_files_cannot_end_the_row(
    publish: Callable[..., list[str]], mark: Callable[..., Marked], run: Callable[..., Any],
    row: Callable[[str], Any], sandbox: Sandbox,
) -> None:  # fmt: skip
    (one,) = publish(mark=False)
    mark([one], BANDS)
    sandbox.faults.on_request(lambda request: mark([one], MORE), match="$value")
    run()
    assert (row(one).status, row(one).claim) == ("done", 2)
    assert len(names(Path(row(one).path))) == 3


def test_plain_sql_that_changes_the_wish_of_a_busy_worker_is_heard(
    publish: Callable[..., list[str]], mark: Callable[..., Marked], run: Callable[..., Any],
    row: Callable[[str], Any], sandbox: Sandbox, database: Database,
) -> None:  # fmt: skip
    (one,) = publish(mark=False)
    mark([one], BANDS)

    def change_wish(request: object) -> None:
        with database.write() as connection:
            connection.execute(sa.update(downloads).values(include=MORE))

    sandbox.faults.on_request(change_wish, match="$value")
    run()
    assert (row(one).status, row(one).include) == ("running", MORE)
    with database.write() as connection:
        connection.execute(sa.update(downloads).values(lease_until=None))
    run()
    assert row(one).status == "done" and any("_B04" in n for n in names(Path(row(one).path)))


@pytest.mark.parametrize("include", ["", [], " \n"])
def test_an_empty_pattern_is_refused(
    publish: Callable[..., list[str]], database: Database, include: Any
) -> None:
    ids = publish(mark=False)
    with database.write() as connection, pytest.raises(FilterError, match="--include"):
        marks.mark(connection, ids, include=include)


stored = st.none() | st.lists(st.sampled_from(["a", "b", "c"]), min_size=1).map(patterns.join)


@given(st.sampled_from(STATUSES), stored, stored)
def test_nothing_that_was_asked_for_is_ever_lost_and_asking_twice_is_asking_once(
    status: str, include: str | None, wanted: str | None
) -> None:
    first = change(status, include, wanted)
    after = {"status": status, "include": include, **first.values}
    held, asked = set(patterns.parse(after["include"])), set(patterns.parse(wanted))
    if status not in ("failed", "cancelled", "gone") or include is not None:
        assert not held or set(patterns.parse(include)) <= held
        assert include is not None or not held
    assert not held or (asked and asked <= held)
    assert (first.kind == "already") == (first.values == {})
    assert first.kind == "already" or after["status"] == "queued"
    assert change(after["status"], after["include"], wanted).kind == "already"
