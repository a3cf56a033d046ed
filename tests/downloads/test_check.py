"""Files that have changed since they were stored are found, offline."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat.database import Database
from satcat.downloads.check import CheckedFile, FileState, verify_files
from satcat.errors import FilterError
from satcat.models import downloads
from satcat.sandbox import Sandbox


@pytest.fixture
def files(
    publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any]
) -> dict[str, Path]:
    ids = publish(4)
    run()
    return {product_id: Path(row(product_id).path) for product_id in ids}


def test_untouched_files_are_right_and_no_request_is_sent(
    files: dict[str, Path], database: Database, sandbox: Sandbox, row: Callable[[str], Any]
) -> None:
    sandbox.log.clear()
    before = {i: row(i).verified_at for i in files}
    report = verify_files(database)
    assert (report.ok, report.problems, report.finished) == (4, [], True)
    assert report.bytes == sum(path.stat().st_size for path in files.values())
    assert all(row(i).verified_at >= before[i] for i in files)
    assert len(sandbox.log) == 0


def test_each_kind_of_damage_is_named(files: dict[str, Path], database: Database) -> None:
    missing, flipped, longer, fine = files
    files[missing].unlink()
    body = bytearray(files[flipped].read_bytes())
    body[len(body) // 2] ^= 1
    files[flipped].write_bytes(body)
    files[longer].write_bytes(files[longer].read_bytes() + b"x")
    report = verify_files(database)
    assert report.ok == 1
    found = {p.product_id: p.state for p in report.problems}
    assert found == {
        missing: FileState.MISSING,
        flipped: FileState.ALTERED,
        longer: FileState.ALTERED,
    }
    assert files[fine].is_file() and all(p.detail for p in report.problems)


def test_damaged_files_are_queued_again_if_asked_and_fetched(
    files: dict[str, Path], database: Database, row: Callable[[str], Any], run: Callable[..., Any]
) -> None:
    missing, altered, *_ = files
    files[missing].unlink()
    files[altered].write_bytes(b"rotten")
    verify_files(database)
    assert row(missing).status == row(altered).status == "done"
    verify_files(database, requeue=True)
    assert row(missing).status == row(altered).status == "queued"
    assert run().done == 2
    assert verify_files(database).problems == []
    assert {Path(row(i).path) for i in files} == set(files.values())


def test_subsets_together_cover_every_file_once(files: dict[str, Path], database: Database) -> None:
    seen: list[str] = []
    for number in (1, 2, 3):
        verify_files(database, subset=(number, 3), on_file=lambda c: seen.append(c.product_id))
    assert sorted(seen) == sorted(files)


@pytest.mark.parametrize("subset", [(0, 3), (4, 3), (1, 0), (-1, -1)])
def test_a_subset_that_is_none_is_refused(subset: tuple[int, int], database: Database) -> None:
    with pytest.raises(FilterError, match="--subset"):
        verify_files(database, subset=subset)


def test_a_stopped_check_goes_on_with_the_others(
    files: dict[str, Path], database: Database
) -> None:
    stop = threading.Event()
    first: list[str] = []
    rest: list[str] = []

    def one(checked: CheckedFile) -> None:
        first.append(checked.product_id)
        stop.set()

    report = verify_files(database, stop=stop, on_file=one)
    assert (report.ok, report.finished) == (1, False)
    verify_files(database, on_file=lambda c: rest.append(c.product_id))
    assert rest[-1] == first[0] and sorted(rest) == sorted(files)


def test_what_cannot_be_checked_is_said(files: dict[str, Path], database: Database) -> None:
    with database.write() as connection:
        for product_id, values in zip(
            files, [{"path": "s3://x/y"}, {"path": None}, {"checksum": None}], strict=False
        ):
            one = sa.update(downloads).where(downloads.c.product_id == product_id)
            connection.execute(one.values(**values))
    report = verify_files(database, requeue=True)
    assert [p.state for p in report.problems] == [FileState.UNCHECKED] * 3
    with database.read() as connection:
        assert set(connection.scalars(sa.select(downloads.c.status))) == {"done"}
