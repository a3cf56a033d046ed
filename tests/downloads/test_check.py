"""Files that have changed since they were stored are found, offline."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat.database import Database
from satcat.downloads import manifest
from satcat.downloads.check import CheckedFile, FileState, verify_files
from satcat.errors import FilterError
from satcat.models import downloads, products
from satcat.sandbox import Sandbox, packages
from tests.downloads.archives import S1, S2, S3, S5P, Archive, flip, kill_after


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
        connection.execute(sa.delete(products).where(products.c.id == list(files)[2]))
    report = verify_files(database, requeue=True)
    assert [p.state for p in report.problems] == [FileState.UNCHECKED] * 3
    assert {p.detail for p in report.problems} == {
        "the file is not on this machine", "no checksum was stored, and its product has gone",
    }  # fmt: skip
    with database.read() as connection:
        assert set(connection.scalars(sa.select(downloads.c.status))) == {"done"}


def test_without_a_stored_checksum_the_catalogues_is_taken_and_kept(archive: Archive) -> None:
    record, sized = archive.product(), archive.product(S5P, {"md5": None, "blake3": None})
    archive.put(record)
    archive.put(sized)
    archive.adopt(quick=True)
    assert archive.row(record).verification == "size_only"
    report = verify_files(archive.database)
    assert (report.ok, [p.detail for p in report.problems]) == (1, ["no checksum is published"])
    row = archive.row(record)
    assert (row.verification, row.checksum) == ("checksum", packages.digests(record)[1])


@pytest.mark.parametrize("collection", [S1, S2, S3])
def test_folders_are_checked_by_their_manifest(archive: Archive, collection: str) -> None:
    right, altered, missing, gone = (archive.product(collection) for _ in range(4))
    folders = [archive.unpack(record) for record in (right, altered, missing, gone)]
    archive.adopt()
    band = sorted(path for path in folders[1].rglob("*") if path.suffix in (".jp2", ".nc", ".tiff"))
    flip(band[0])
    next(path for path in folders[2].rglob("*") if path.suffix in (".jp2", ".nc", ".tiff")).unlink()
    shutil.rmtree(folders[3])
    seen: list[int] = []
    report = verify_files(archive.database, requeue=True, on_bytes=seen.append)
    found = {p.product_id: (p.state, p.detail.partition(":")[0]) for p in report.problems}
    files = len(manifest.load(manifest.FolderTree(folders[0])).files)
    assert found == {
        altered.id: (FileState.ALTERED, f"1 of {files} files altered"),
        missing.id: (FileState.ALTERED, f"1 of {files} files missing"),
        gone.id: (FileState.MISSING, "the file is not there"),
    }
    assert (report.ok, sum(seen) > right.size_bytes // 2) == (1, True)
    assert [archive.row(r).status for r in (right, altered, missing)] == [
        "done",
        "queued",
        "queued",
    ]


def test_of_recorded_parts_only_those_are_looked_for(archive: Archive) -> None:
    record = archive.product()
    folder = archive.unpack(record)
    archive.adopt()
    for path in folder.rglob("*_B0[34].jp2"):
        path.unlink()
    with archive.database.write() as connection:
        connection.execute(sa.update(downloads).values(include="*_B02*.jp2\n*MTD*"))
    assert verify_files(archive.database).ok == 1
    flip(next(folder.rglob("*_B02*.jp2")))
    (problem,) = verify_files(archive.database, requeue=True).problems
    assert (problem.state, archive.row(record).include) == (FileState.ALTERED, "*_B02*.jp2\n*MTD*")


def test_a_folder_without_its_manifest_is_told_to_have_shrunk(archive: Archive) -> None:
    record = archive.product()
    folder = archive.unpack(record)
    archive.adopt()
    rest = sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.name != "manifest.safe" and path.is_file()
    )
    (folder / "manifest.safe").unlink()
    (problem,) = verify_files(archive.database).problems
    assert problem.state is FileState.UNCHECKED and "has no manifest" in problem.detail
    next(folder.rglob("*_B02*.jp2")).unlink()
    (problem,) = verify_files(archive.database).problems
    assert problem.state is FileState.ALTERED and f"bytes instead of {rest}" in problem.detail


def test_a_moved_file_is_missing_until_it_is_adopted_again(archive: Archive) -> None:
    record = archive.product()
    path = archive.put(record)
    archive.adopt()
    moved = path.rename(path.with_name("elsewhere.zip"))
    assert verify_files(archive.database).problems[0].state is FileState.MISSING
    archive.adopt()
    assert (verify_files(archive.database).problems, archive.row(record).path) == ([], str(moved))


def test_a_killed_check_goes_on_with_what_it_had_not_seen(archive: Archive) -> None:
    records = [archive.product(S5P, size_bytes=2000) for _ in range(40)]
    for record in records:
        archive.put(record)
    archive.adopt()
    before = {r.id: archive.row(r).verified_at for r in records}
    kill_after(20, archive, "catalogue.verify_files(on_file=tell)")
    checked = {r.id for r in records if archive.row(r).verified_at > before[r.id]}
    assert 20 <= len(checked) < 40
    order: list[str] = []
    verify_files(archive.database, on_file=lambda c: order.append(c.product_id))
    assert not checked & set(order[: 40 - len(checked)])
