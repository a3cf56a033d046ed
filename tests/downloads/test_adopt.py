"""Archives that are there already are taken for what they are: nothing is moved, nothing wrong is recorded as right."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat import times
from satcat.downloads import adopt, finding, recording
from satcat.downloads.adopt import AdoptOptions, AdoptReport
from satcat.downloads.check import verify_files
from satcat.downloads.examine import State
from satcat.models import deleted_products, downloads, products
from satcat.sandbox import Sandbox, packages
from tests.downloads.archives import NOTHING, S1, S2, S3, S5P, Archive, flip, kill_after


def listing(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("collection", [S2, S1, S3, S5P])
def test_a_right_package_is_recorded_as_done_where_it_lies(
    archive: Archive, collection: str
) -> None:
    record = archive.product(collection)
    path = archive.put(record, f"a/b/c/{packages.delivered_name(record)}")
    before = listing(archive.folder)
    found = archive.one()
    assert (found.state, found.product_id, found.verification) == (
        State.RIGHT,
        record.id,
        "checksum",
    )
    row = archive.row(record)
    assert (row.status, row.path, row.size_bytes, row.verification) == (
        "done", str(path), record.size_bytes, "checksum",
    )  # fmt: skip
    assert (row.checksum_algorithm, row.checksum) == ("blake3", packages.digests(record)[1])
    assert row.verified_at and row.finished_at and row.worker is None
    assert listing(archive.folder) == before


@pytest.mark.parametrize("collection", [S2, S1, S3])
def test_an_unpacked_product_is_right_by_its_manifest(archive: Archive, collection: str) -> None:
    record = archive.product(collection)
    path = archive.unpack(record)
    assert (archive.one().state, archive.row(record).verification) == (State.RIGHT, "manifest")
    assert (archive.row(record).path, archive.row(record).checksum) == (str(path), None)


def test_each_kind_of_damage_is_told_and_recorded_by_nobody(archive: Archive) -> None:
    cut, flipped, message, empty, missing, altered, longer = (archive.product() for _ in range(7))
    body = archive.put(cut).read_bytes()
    archive.put(cut).write_bytes(body[: len(body) // 2])
    flip(archive.put(flipped))
    archive.put(message).write_text('{"detail": "Token not found"}')
    archive.put(empty).write_bytes(b"")
    next(archive.unpack(missing).rglob("*_B03*.jp2")).unlink()
    flip(next(archive.unpack(altered).rglob("*_B02*.jp2")))
    path = archive.put(longer)
    path.write_bytes(path.read_bytes() + b"x")
    found, report = archive.adopt()
    states = {one.product_id: one.state for one in found.values()}
    assert states == {
        cut.id: State.PARTIAL, flipped.id: State.CORRUPT, message.id: State.CORRUPT, empty.id: State.CORRUPT,
        missing.id: State.PARTIAL, altered.id: State.CORRUPT, longer.id: State.RIGHT,
    }  # fmt: skip
    details = {one.product_id: one.detail for one in found.values()}
    assert f"bytes instead of {cut.size_bytes}" in details[cut.id]
    assert "blake3 is" in details[flipped.id]
    assert "a message instead of the product" in details[message.id]
    assert details[missing.id].startswith("1 of 5 files missing: GRANULE/")
    assert details[altered.id].startswith("1 of 5 files altered: GRANULE/")
    assert all(archive.row(r) is None for r in (cut, flipped, message, empty, missing, altered))
    assert (report.is_right, report.recorded) == (False, 1)


def test_names_are_read_however_a_thing_was_renamed(archive: Archive) -> None:
    marked, whole, inner, folder, sen3, bare = (
        archive.product(c) for c in (S2, S2, S2, S2, S3, S2)
    )
    stem = marked.name.removesuffix(".SAFE")
    archive.put(marked, f"{stem}_{marked.id[:8]}.zip")
    archive.put(whole, f"{whole.name}.zip")
    archive.put(inner, "from my friend.zip")
    archive.unpack(folder, "tile of june")
    archive.unpack(sen3, f"x/{sen3.name.removesuffix('.SEN3')}")
    archive.unpack(bare, bare.name.lower().replace("s2", "s2_").upper())
    found, report = archive.adopt()
    assert {one.product_id for one in found.values()} == {
        r.id for r in (marked, whole, inner, folder, sen3, bare)
    }
    assert report.states == {State.RIGHT: 6}


def test_a_renamed_sentinel_1_folder_is_known_by_its_report(archive: Archive) -> None:
    record = archive.product(S1)
    folder = archive.unpack(record, "renamed")
    assert archive.one().state is State.UNKNOWN
    (folder / f"{record.name}-report-20240601T000000.pdf").touch()
    assert (archive.one().state, archive.row(record).path) == (State.RIGHT, str(folder))


def test_a_mark_of_another_id_makes_it_no_product_of_that_name(archive: Archive) -> None:
    record = archive.product(S5P)
    archive.put(record, f"{record.name.removesuffix('.nc')}_00000000.nc")
    assert archive.one().state is State.UNKNOWN


def test_of_two_products_of_one_name_the_one_that_fits_is_taken(archive: Archive) -> None:
    first = archive.product()
    second = archive.product(name=first.name, sensing_start=first.sensing_start)
    archive.put(second)
    assert archive.one().product_id == second.id
    assert archive.row(first) is None
    flip(archive.put(second))  # no longer as it was recorded: another one takes its place
    shutil.copy(
        archive.put(second, "b/" + packages.delivered_name(second)), archive.folder / "c.zip"
    )
    states = Counter(one.state for one in archive.adopt()[0].values())
    assert states == {State.CORRUPT: 1, State.RIGHT: 1, State.DUPLICATE: 1}


def test_what_nothing_tells_apart_is_ambiguous_until_its_name_says(archive: Archive) -> None:
    first = archive.product()
    second = archive.product(name=first.name, sensing_start=first.sensing_start)
    folder = archive.unpack(first)
    found = archive.one()
    assert (found.state, found.product_id) == (State.AMBIGUOUS, None)
    assert first.id in found.detail and second.id in found.detail
    assert archive.row(first) is None and archive.row(second) is None
    folder.rename(folder.with_name(f"{folder.stem}_{second.id[:8]}.SAFE"))
    assert (archive.one().state, archive.row(first)) == (State.RIGHT, None)
    assert archive.row(second).status == "done"


def test_without_checksums_the_zip_itself_must_be_whole(archive: Archive) -> None:
    right, damaged, cut = (archive.product(S2, NOTHING) for _ in range(3))
    plain = archive.product(S2, NOTHING)
    single = archive.product(S5P, NOTHING)
    archive.put(right)
    archive.put(single)
    flip(archive.put(damaged))
    body = archive.put(cut).read_bytes()
    archive.put(cut).write_bytes(body[: len(body) // 2])
    with zipfile.ZipFile(archive.folder / packages.delivered_name(plain), "w") as file:
        file.writestr(f"{plain.name}/x", b"hello")
    found = {one.product_id: one for one in archive.adopt()[0].values()}
    assert {i: (one.state, one.verification) for i, one in found.items()} == {
        right.id: (State.RIGHT, "manifest"),
        damaged.id: (State.CORRUPT, "none"),
        cut.id: (State.PARTIAL, "none"),
        plain.id: (State.RIGHT, "structure"),
        single.id: (State.RIGHT, "none"),
    }


def test_a_size_alone_is_said_to_be_only_that(archive: Archive) -> None:
    record = archive.product(S5P, {"md5": None, "blake3": None})
    archive.put(record)
    assert archive.one().verification == archive.row(record).verification == "size_only"


def test_a_product_that_somebody_packed_again_is_right_by_its_manifest(archive: Archive) -> None:
    right, bad = archive.product(), archive.product()
    for record in (right, bad):
        folder = archive.unpack(record)
        if record is bad:
            flip(next(folder.rglob("*_B04*.jp2")))
        shutil.make_archive(str(archive.folder / folder.stem), "zip", archive.folder, folder.name)
        shutil.rmtree(folder)
    found = {one.product_id: one for one in archive.adopt()[0].values()}
    assert (found[right.id].state, found[right.id].verification) == (State.RIGHT, "manifest")
    assert "packed otherwise" in found[right.id].detail
    assert found[bad.id].state is State.CORRUPT and "1 of 5 files altered" in found[bad.id].detail


def test_what_was_superseded_says_by_what(archive: Archive) -> None:
    start, tile = times.parse("2024-06-04T11:06:19.024Z"), "30TWM"
    old = archive.product(sensing_start=start, tile_id=tile, baseline="05.10")
    new = archive.product(
        S2, {"processing_baseline": "05.11"}, sensing_start=start, tile_id=tile, baseline="05.11"
    )
    elsewhere = archive.product(sensing_start=start + timedelta(days=1), tile_id=tile)
    for record in (old, new, elsewhere):
        archive.put(record)
    found = {one.product_id: one for one in archive.adopt()[0].values()}
    assert found[old.id].state is State.SUPERSEDED and found[old.id].detail == f"newer: {new.name}"
    assert found[new.id].state is found[elsewhere.id].state is State.RIGHT
    assert archive.row(old).status == "done"


def test_what_the_source_deleted_is_told_and_not_recorded(archive: Archive) -> None:
    record = archive.product()
    archive.put(record)
    with archive.database.write() as connection:
        connection.execute(sa.delete(products).where(products.c.id == record.id))
        connection.execute(
            sa.insert(deleted_products).values(
                id=record.id, name=record.name, kind="deleted", noticed_at=times.now(),
                deletion_date=times.parse("2025-03-01T00:00:00Z"), deletion_cause="Duplicated product",
            )
        )  # fmt: skip
    found, report = archive.adopt()
    (one,) = found.values()
    assert (one.state, one.detail) == (
        State.DELETED, "deleted at the source on 2025-03-01: Duplicated product",
    )  # fmt: skip
    assert report.is_right and archive.row(record) is None


def test_products_that_are_not_mirrored_are_told_from_other_files(archive: Archive) -> None:
    record = archive.product()
    other = archive.publisher.make(times.now())
    archive.put(record)
    archive.put(other)
    for name in ("notes.txt", f"{record.name}.jpg", f"{record.name}.tif", "x.zip", ".hidden.zip"):
        (archive.folder / name).write_bytes(b"hello")
    found, report = archive.adopt()
    assert {one.state for one in found.values()} == {State.RIGHT, State.UNKNOWN}
    assert len(found) == 2
    assert (report.others, report.is_right) == (4, True)


def test_a_part_file_of_the_worker_is_left_alone(archive: Archive) -> None:
    record = archive.product()
    archive.put(record, f".{record.name}_{record.id[:8]}.1.part")
    assert archive.adopt()[0] == {}


def test_a_folder_without_a_manifest_is_never_taken_for_whole(archive: Archive) -> None:
    record = archive.product()
    (archive.unpack(record) / "manifest.safe").unlink()
    assert (archive.one().state, archive.row(record)) == (State.UNVERIFIED, None)


def test_a_listed_file_without_a_checksum_is_told(archive: Archive) -> None:
    record = archive.product(S3)
    path = archive.unpack(record) / "xfdumanifest.xml"
    left, _, right = path.read_text().partition("<checksum")
    path.write_text(left + right.partition("</checksum>")[2])
    assert (archive.one().verification, archive.one(rehash=True).detail) == (
        "manifest", "1 of 3 files by their size alone",
    )  # fmt: skip
    path.write_text(path.read_text().replace("MD5", "CRC-17"))
    assert archive.one(rehash=True).verification == "size_only"


@pytest.mark.parametrize(
    "manifest",
    [
        b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>',
        b'<x><byteStream size="1"><fileLocation href="../../etc/passwd"/></byteStream></x>',
        b'<x><byteStream size="1"><fileLocation href="/etc/passwd"/></byteStream></x>',
        b"<x/>",
        b"",
    ],
)
def test_a_hostile_manifest_makes_no_product_right(archive: Archive, manifest: bytes) -> None:
    record = archive.product()
    (archive.unpack(record) / "manifest.safe").write_bytes(manifest)
    assert (archive.one().state, archive.row(record)) == (State.UNVERIFIED, None)


def test_a_file_swapped_for_a_link_to_elsewhere_is_missing(archive: Archive) -> None:
    record = archive.product()
    band = next(archive.unpack(record).rglob("*_B02*.jp2"))
    shutil.copy(band, archive.folder / "copy.bin")
    band.unlink()
    band.symlink_to(archive.folder / "copy.bin")
    assert archive.adopt()[0][record.name].state is State.PARTIAL


def test_a_zip_bomb_under_a_products_name_is_not_unpacked(archive: Archive) -> None:
    record = archive.product(S2, NOTHING)
    with zipfile.ZipFile(
        archive.folder / packages.delivered_name(record), "w", zipfile.ZIP_DEFLATED
    ) as bomb:
        for number in range(3):
            bomb.writestr(f"{record.name}/{number}", bytes(40_000_000))
    assert archive.one().verification == "none"


def test_pipes_in_place_of_a_manifest_or_a_package_are_not_waited_for(archive: Archive) -> None:
    folder, package = archive.unpack(archive.product()), archive.put(archive.product())
    for path in (folder / "manifest.safe", package):
        path.unlink()
        os.mkfifo(path)
    found = archive.adopt(archive.folder, package)[0]
    assert found[folder.name].state is State.UNVERIFIED
    assert found[package.name].state is State.UNREADABLE


def test_links_that_go_in_circles_end(archive: Archive) -> None:
    record = archive.product()
    deep = archive.put(record, f"a/b/{packages.delivered_name(record)}").parent
    (deep / "up").symlink_to(archive.folder)
    (deep / "self").symlink_to(deep)
    (archive.folder / "again").symlink_to(deep)
    (archive.folder / "nowhere").symlink_to("gone")
    assert [one.state for one in archive.adopt()[0].values()] == [State.RIGHT]


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="there is no /proc")
def test_a_file_that_cannot_be_read_is_named_and_the_rest_goes_on(archive: Archive) -> None:
    unreadable, right = archive.product(), archive.product()
    archive.put(right)
    (archive.folder / packages.delivered_name(unreadable)).symlink_to("/proc/self/mem")
    found, report = archive.adopt()
    one = found[packages.delivered_name(unreadable)]
    assert (one.state, one.detail) == (
        State.UNREADABLE, "it cannot be read (Input/output error)",
    )  # fmt: skip
    assert (report.recorded, report.is_right) == (1, False)


@pytest.fixture
def nobody() -> Iterator[None]:
    """Without the rights of root, who may read everything."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    yield
    os.seteuid(before)


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A folder with one file and a closed folder, that everyone can reach."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        (folder / "open.zip").touch()
        (folder / "closed").mkdir(mode=0)
        yield folder


@pytest.mark.usefixtures("closed_folder", "nobody")
def test_a_folder_that_cannot_be_read_is_named_and_the_rest_goes_on(closed_folder: Path) -> None:
    found = {one.path.name: one.trouble for one in finding.walk([closed_folder])}
    assert found == {
        "open.zip": None, "closed": "the folder cannot be read (Permission denied)",
    }  # fmt: skip


def test_a_path_that_is_no_text_is_told_and_stops_nothing(archive: Archive) -> None:
    record, right = archive.product(), archive.product()
    folder = Path(os.fsdecode(os.fsencode(archive.folder) + b"/\xff"))
    folder.mkdir()
    archive.put(record).rename(folder / packages.delivered_name(record))
    archive.put(right)
    found = {one.state: one for one in archive.adopt()[0].values()}
    assert set(found) == {State.RIGHT, State.UNREADABLE}
    assert "\\xff" in found[State.UNREADABLE].path and "no UTF-8" in found[State.UNREADABLE].detail


def test_a_dry_run_records_nothing_and_a_quick_one_says_what_it_knows(archive: Archive) -> None:
    record, changed = archive.product(), archive.product()
    archive.put(record)
    flip(archive.put(changed))
    dry = archive.adopt(dry_run=True)[1]
    assert (dry.recorded, dry.states) == (1, {State.RIGHT: 1, State.CORRUPT: 1})
    assert archive.row(record) is None
    assert archive.adopt(quick=True)[1].states == {State.RIGHT: 2}
    assert archive.row(record).verification == archive.row(changed).verification == "size_only"
    assert archive.adopt()[1].states == {State.RIGHT: 1, State.CORRUPT: 1}
    assert archive.row(record).verification == "checksum"
    archive.adopt(quick=True, rehash=True)
    assert archive.row(record).verification == "checksum"
    flip(archive.folder / packages.delivered_name(record))
    archive.adopt(quick=True)
    assert archive.row(record).verification == "size_only"


def test_a_quick_look_clears_nothing_that_verify_found_altered(archive: Archive) -> None:
    record = archive.product()
    path = archive.put(record)
    archive.adopt()
    flip(path)
    verify_files(archive.database, requeue=True)
    found = archive.one(quick=True)
    assert found.state is State.UNVERIFIED
    assert "blake3 is" in found.detail and "without --quick" in found.detail
    assert (archive.row(record).status, archive.row(record).path) == ("queued", str(path))
    assert archive.one().state is State.CORRUPT
    flip(path)  # back again
    assert archive.one(quick=True).state is State.UNVERIFIED
    assert archive.one().state is State.RIGHT and archive.row(record).status == "done"


def test_a_quick_look_takes_back_a_file_that_was_away(archive: Archive) -> None:
    record = archive.product()
    path = archive.put(record)
    archive.adopt()
    path.rename(path.with_suffix(".away"))
    verify_files(archive.database, requeue=True)
    assert archive.row(record).status == "queued"
    path.with_suffix(".away").rename(path)
    assert archive.one(quick=True).state is State.RIGHT
    assert archive.row(record).status == "done"


def test_rows_in_every_state_are_taken_over_but_for_those_that_a_worker_has(
    archive: Archive,
) -> None:
    for status in ("queued", "failed", "offline", "gone", "cancelled", "bad_at_source", "running"):
        record = archive.product()
        archive.put(record)
        with archive.database.write() as connection:
            row = {
                "product_id": record.id,
                "status": status,
                "worker": "w",
                "claim": 3,
                "error": "e",
            }
            connection.execute(sa.insert(downloads).values(**row))
        found = {one.product_id: one for one in archive.adopt()[0].values()}[record.id]
        row = archive.row(record)
        if status == "running":
            assert (row.status, row.worker, row.error, row.path) == ("running", "w", "e", None)
            assert "a worker is just fetching it" in found.detail
        else:
            assert (row.status, row.worker, row.error, row.claim) == ("done", None, None, 3)


def test_a_done_row_keeps_its_file_while_that_is_there(archive: Archive) -> None:
    record = archive.product()
    first = archive.put(record, "first.zip")
    archive.adopt()
    second = archive.put(record, "second.zip")
    found = archive.adopt()[0]
    assert {name: one.state for name, one in found.items()} == {
        "first.zip": State.RIGHT, "second.zip": State.DUPLICATE,
    }  # fmt: skip
    assert str(first) in found["second.zip"].detail
    finished = archive.row(record).finished_at
    first.unlink()
    assert archive.one().state is State.RIGHT
    assert archive.row(record).path == str(second)
    assert archive.row(record).finished_at >= finished


def test_a_whole_product_takes_the_place_of_recorded_parts(archive: Archive) -> None:
    record = archive.product()
    path = archive.put(record)
    with archive.database.write() as connection:
        parts = {"product_id": record.id, "status": "done", "include": "*_B02*", "path": "/parts"}
        connection.execute(sa.insert(downloads).values(**parts))
    archive.adopt()
    assert (archive.row(record).include, archive.row(record).path) == (None, str(path))


def test_recorded_parts_are_right_as_parts_and_asked_for_again_as_parts(archive: Archive) -> None:
    record = archive.product()
    folder = archive.unpack(record)
    next(folder.rglob("*_B03*.jp2")).unlink()
    with archive.database.write() as connection:
        parts = {
            "product_id": record.id,
            "status": "done",
            "include": "*_B02*",
            "path": str(folder),
        }
        connection.execute(sa.insert(downloads).values(**parts))
    assert (archive.one(queue=True).state, archive.row(record).status) == (State.RIGHT, "done")
    flip(next(folder.rglob("*_B02*.jp2")))
    assert archive.one(queue=True).state is State.CORRUPT
    assert (archive.row(record).status, archive.row(record).include) == ("queued", "*_B02*")


def test_damaged_products_can_be_queued(archive: Archive) -> None:
    fresh, done, elsewhere, right = (archive.product() for _ in range(4))
    for record in (done, elsewhere, right):
        archive.put(record)
    archive.adopt()
    assert Counter(archive.row(r).status for r in (done, elsewhere, right)) == {"done": 3}
    flip(archive.put(done))
    flip(archive.put(elsewhere, "copy.zip"))
    flip(archive.put(fresh))
    assert archive.adopt(rehash=True)[1].queued == 0
    report = archive.adopt(rehash=True, queue=True)[1]
    assert (report.queued, report.states[State.CORRUPT]) == (2, 3)
    statuses = [archive.row(r).status for r in (fresh, done, elsewhere, right)]
    assert statuses == ["queued", "queued", "done", "done"]


def test_a_product_whose_only_right_file_has_gone_is_queued_by_its_damaged_copy(
    archive: Archive,
) -> None:
    record = archive.product()
    path = archive.put(record)
    archive.adopt()
    flip(path.rename(path.with_name("copy.zip")))
    assert archive.one(queue=True).state is State.CORRUPT
    assert archive.row(record).status == "queued"


def test_what_was_adopted_is_not_downloaded(
    archive: Archive, publish: Callable[..., list[str]], run: Callable[..., Any], sandbox: Sandbox
) -> None:
    ids = publish(4)
    for number, product_id in enumerate(ids[:3]):
        record = sandbox.catalogue.products[product_id]
        (archive.unpack if number else archive.put)(record)
    assert archive.adopt()[1].states == {State.RIGHT: 3}
    assert run().done == 1
    fetched = [line.path for line in sandbox.log if "$value" in line.path]
    assert len(fetched) == 1 and ids[3] in fetched[0]


def hashed(archive: Archive, **options: Any) -> int:
    total: list[int] = []
    report = AdoptReport()
    list(
        adopt.adopt(
            archive.database, [archive.folder], AdoptOptions(**options), report=report, on_bytes=total.append
        )
    )  # fmt: skip
    return sum(total)


def test_what_has_not_changed_is_not_hashed_again(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, folder, later = (archive.product() for _ in range(3))
    path, unpacked = archive.put(package), archive.unpack(folder)
    archive.put(later)
    assert hashed(archive) > 0
    assert (
        hashed(archive) > 0
    )  # they were written just before: a change would not show in their times
    monkeypatch.setattr(recording, "_MARGIN", timedelta())
    assert hashed(archive) == 0
    assert hashed(archive, rehash=True) > hashed(archive) == 0
    band = next(unpacked.rglob("*_B02*.jp2"))
    about = band.stat()
    flip(band)
    os.utime(band, ns=(about.st_atime_ns, about.st_mtime_ns))
    flip(path)
    assert Counter(one.state for one in archive.adopt()[0].values()) == {
        State.CORRUPT: 2, State.RIGHT: 1,
    }  # fmt: skip


def test_a_killed_adoption_goes_on_where_it_stopped(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [archive.product(S5P, size_bytes=2000) for _ in range(500)]
    for record in records:
        archive.put(record)
    kill_after(201, archive, "catalogue.adopt(sys.argv[2], on_adopted=tell)")
    with archive.database.read() as connection:
        rows = connection.execute(sa.select(downloads.c.status, downloads.c.verification)).all()
    assert set(rows) == {("done", "checksum")} and 201 <= len(rows) < 500
    monkeypatch.setattr(recording, "_MARGIN", timedelta())
    assert hashed(archive) == (500 - len(rows)) * 2000
    assert all(archive.row(record).status == "done" for record in records)


def test_new_checksums_of_the_catalogue_are_heeded(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "_MARGIN", timedelta())
    record = archive.product()
    archive.put(record)
    archive.adopt()
    with archive.database.write() as connection:
        connection.execute(sa.update(products).values(blake3="0" * 64))
    assert archive.one().state is State.CORRUPT


def test_nothing_is_asked_of_any_network(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    archive.put(archive.product())

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    assert archive.one().state is State.RIGHT


def test_ten_thousand_files_take_few_statements(archive: Archive) -> None:
    record = archive.product()
    for number in range(100):
        folder = archive.folder / f"{number:03}"
        folder.mkdir()
        for other in range(100):
            (folder / f"{other:03}.txt").touch()
    archive.put(record, "050/" + packages.delivered_name(record))
    statements: list[str] = []
    listen = lambda conn, cursor, statement, *rest: statements.append(statement)  # noqa: E731
    sa.event.listen(archive.database.engine, "before_cursor_execute", listen)
    found, report = archive.adopt()
    assert (len(found), report.others) == (1, 10_000)
    assert len(statements) < 1000
