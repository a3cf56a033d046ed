"""Runs of the worker against a sandbox, over real sockets: whatever goes wrong, a final name means a verified file."""

from __future__ import annotations

import errno
import os
import re
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from blake3 import blake3

from satcat.api.filenames import part_name
from satcat.api.http import HttpClient, Retries
from satcat.api.odata import ODataAPI
from satcat.api.partfile import PartFile
from satcat.api.transfer import check_file, read
from satcat.database import Database
from satcat.downloads import marks, slots, worker
from satcat.downloads.report import DownloadReport
from satcat.downloads.worker import Timing
from satcat.errors import (
    CredentialsError,
    DiskFullError,
    NoTokenError,
    SourceError,
    TokenRefusedError,
    TransferError,
    UnwritableError,
)
from satcat.models import account_slots, download_attempts, downloads, products
from satcat.sandbox import Sandbox

from .conftest import IMPATIENT

Publish = Callable[..., list[str]]
Run = Callable[..., DownloadReport]
Look = Callable[[str], Any]
SIZE = 1_500_000


def held(database: Database, product_id: str) -> Any:
    with database.read() as connection:
        return connection.execute(sa.select(products).where(products.c.id == product_id)).one()


def change(database: Database, product_id: str, **values: Any) -> None:
    with database.write() as connection:
        connection.execute(
            sa.update(downloads).where(downloads.c.product_id == product_id).values(**values)
        )


def hidden(out: Path) -> list[str]:
    return [name for name in os.listdir(out) if name.startswith(".")]


def value_requests(sandbox: Sandbox) -> list[Any]:
    return sandbox.log.matching("$value")


def test_what_is_queued_arrives_verified(
    publish: Publish, run: Run, row: Look, out: Path, database: Database
) -> None:
    ids = publish(6)
    report = run()
    assert (report.done, report.failed, report.skipped) == (6, 0, 0)
    for product_id in ids:
        done, product = row(product_id), held(database, product_id)
        body = Path(done.path).read_bytes()
        assert Path(done.path).parent == out and Path(done.path).name == product.name.replace(
            ".SAFE", ".zip"
        )
        assert (done.status, done.verification, done.checksum_algorithm) == (
            "done",
            "checksum",
            "blake3",
        )
        assert done.checksum == product.blake3 == blake3(body).hexdigest()
        assert done.size_bytes == done.bytes_done == product.size_bytes == len(body)
        assert (
            done.verified_at
            and done.finished_at
            and done.worker is None
            and done.lease_until is None
        )
    assert len(os.listdir(out)) == 6
    assert report.bytes == sum(row(i).size_bytes for i in ids)
    with database.read() as connection:
        outcomes = connection.scalars(sa.select(download_attempts.c.outcome)).all()
        assert outcomes == ["done"] * 6
        assert connection.scalars(sa.select(account_slots.c.worker)).all() == [None] * 4


def test_an_empty_queue_ends_at_once_without_a_request(run: Run, sandbox: Sandbox) -> None:
    assert run().done == 0
    assert len(sandbox.log) == 0


def test_a_limit_is_kept(publish: Publish, run: Run) -> None:
    publish(5)
    assert run(limit=2).done == 2
    assert run().done == 3


def test_higher_priorities_come_first_and_then_older_requests(
    publish: Publish, run: Run, row: Look, database: Database
) -> None:
    first, second, urgent = publish(3)
    change(database, first, requested_at=row(first).requested_at.replace(year=2020))
    change(database, urgent, priority=5)
    for expected in (urgent, first, second):
        assert run(workers=1, limit=1).done == 1
        assert row(expected).status == "done"


def test_a_single_file_keeps_its_own_name(publish: Publish, run: Run, row: Look) -> None:
    (one,) = publish(collection="SENTINEL-5P")
    run()
    assert row(one).path.endswith(".nc") and Path(row(one).path).is_file()


def test_two_ids_with_one_name_get_two_files(publish: Publish, run: Run, row: Look) -> None:
    plain = "S2A_MSIL2A_20240101T110619_N0510_R137_T30TWM_20240101T125003"
    ids = publish(3, name=f"{plain}.SAFE")
    assert run().done == 3
    names = {Path(row(i).path).name for i in ids}
    assert len(names) == 3 and f"{plain}.zip" in names
    assert names - {f"{plain}.zip"} <= {f"{plain}_{i[:8]}.zip" for i in ids}


def test_hostile_names_stay_in_the_folder(
    publish: Publish, run: Run, row: Look, out: Path, database: Database
) -> None:
    names = ["../../evil.SAFE", "/abs/evil", "..", "a\nb\u202e", "x" * 400, "CON"]
    ids = publish(len(names))
    with database.write() as connection:
        for product_id, name in zip(ids, names, strict=True):
            connection.execute(
                sa.update(products).where(products.c.id == product_id).values(name=name)
            )
    assert run().done == len(names)
    for product_id in ids:
        assert Path(row(product_id).path).parent == out
        assert Path(row(product_id).path).is_file()
    assert os.listdir(out.parent) and not (out.parent.parent / "evil.zip").exists()


def test_somebody_elses_file_is_never_overwritten(
    publish: Publish, run: Run, row: Look, out: Path, database: Database
) -> None:
    (one,) = publish()
    out.mkdir()
    plain = out / held(database, one).name.replace(".SAFE", ".zip")
    plain.write_bytes(b"precious")
    assert run().done == 1
    assert plain.read_bytes() == b"precious"
    assert Path(row(one).path).name == f"{plain.stem}_{one[:8]}.zip"


def test_somebodys_file_where_one_was_only_announced_is_not_overwritten(
    publish: Publish, run: Run, row: Look, out: Path, database: Database
) -> None:
    (one,) = publish()
    out.mkdir()
    plain = out / held(database, one).name.replace(".SAFE", ".zip")
    plain.write_bytes(b"precious")  # after a worker announced its own, and was killed
    change(
        database, one, path=str(plain), checksum_algorithm="blake3", checksum="0" * 64, size_bytes=8
    )
    assert run().done == 1
    assert plain.read_bytes() == b"precious"
    assert Path(row(one).path).name == f"{plain.stem}_{one[:8]}.zip"
    assert row(one).verified_at is not None


def test_a_right_file_that_is_there_is_not_fetched_again(
    publish: Publish, run: Run, row: Look, database: Database, sandbox: Sandbox
) -> None:
    (one,) = publish()
    run()
    path = row(one).path
    with database.write() as connection:
        connection.execute(sa.delete(downloads))
        marks.mark(connection, [one])
    sandbox.log.clear()
    report = run()
    assert (report.done, report.bytes, row(one).path, row(one).status) == (1, 0, path, "done")
    assert len(sandbox.log) == 0


def test_without_a_checksum_a_file_marked_anew_is_not_kept_twice(
    publish: Publish, run: Run, row: Look, database: Database, sandbox: Sandbox, out: Path
) -> None:
    (one,) = publish()
    sandbox.catalogue.late_checksum(one)
    with database.write() as connection:
        connection.execute(sa.update(products).values(blake3=None, md5=None, size_bytes=None))
    for _ in range(2):
        assert run().done == 1
        before = row(one)
        with database.write() as connection:
            connection.execute(sa.delete(downloads))
            marks.mark(connection, [one])
    assert os.listdir(out) == [Path(before.path).name]
    assert before.verification == "structure"


def test_an_altered_file_of_the_same_download_is_replaced(
    publish: Publish, run: Run, row: Look, database: Database, out: Path
) -> None:
    (one,) = publish()
    run()
    path = Path(row(one).path)
    path.write_bytes(b"rotten")
    change(database, one, status="queued")
    assert run().done == 1
    assert row(one).path == str(path) and blake3(path.read_bytes()).hexdigest() == row(one).checksum
    assert os.listdir(out) == [path.name]


def test_a_cut_body_is_resumed_or_fetched_again(
    publish: Publish, run: Run, sandbox: Sandbox
) -> None:
    sandbox.settings.ranges = "honour"
    publish(size_bytes=SIZE)
    sandbox.faults.next("cut", after=600_000, match="$value")
    report = run()
    assert report.done == 1
    requests = value_requests(sandbox)
    assert len(requests) == 2 and requests[1].range and requests[1].range != "bytes=0-"
    assert report.bytes < 1.2 * SIZE


@pytest.mark.parametrize("ranges", ["cdse", "honour", "ignore", "wrong"])
@pytest.mark.parametrize("fault", ["cut", "truncated", "html", "corrupt", "reset", "length"])
def test_one_fault_of_any_kind_is_overcome(
    fault: Any, ranges: Any, publish: Publish, run: Run, row: Look, sandbox: Sandbox
) -> None:
    sandbox.settings.ranges = ranges
    (one,) = publish(size_bytes=400_000)
    options = {
        "cut": {"after": 300_000},
        "truncated": {"after": 300_000},
        "length": {"by": 77},
    }.get(fault, {})
    sandbox.faults.next(fault, match="$value", **options)
    assert run().done == 1
    assert row(one).verification == "checksum" and row(one).attempts == 0


def test_a_product_that_stays_corrupt_is_bad_at_the_source(
    publish: Publish, run: Run, row: Look, sandbox: Sandbox, out: Path
) -> None:
    bad, good = publish(2)
    sandbox.catalogue.corrupt(bad)
    report = run()
    assert (report.done, report.failed) == (1, 1)
    assert (row(bad).status, row(bad).path) == ("bad_at_source", None)
    assert "blake3 is" in row(bad).error
    assert row(good).status == "done"
    assert [n for n in os.listdir(out) if not n.startswith(".")] == [Path(row(good).path).name]


def test_a_stale_checksum_is_read_again_and_stored(
    publish: Publish, run: Run, row: Look, sandbox: Sandbox, database: Database
) -> None:
    (one,) = publish()
    with database.write() as connection:
        connection.execute(sa.update(products).values(blake3="0" * 64, md5="0" * 32))
    assert run().done == 1
    assert held(database, one).blake3 == row(one).checksum != "0" * 64
    assert len(value_requests(sandbox)) == 1


def test_without_a_published_checksum_the_row_says_so(
    publish: Publish, run: Run, row: Look, sandbox: Sandbox, api: ODataAPI, database: Database
) -> None:
    (one,) = publish(mark=False)
    sandbox.catalogue.late_checksum(one)
    with database.write() as connection:
        connection.execute(sa.update(products).values(blake3=None, md5=None, size_bytes=None))
        marks.mark(connection, [one])
    assert run().done == 1
    assert (row(one).verification, row(one).checksum_algorithm) == ("structure", "blake3")
    assert row(one).checksum == blake3(Path(row(one).path).read_bytes()).hexdigest()


def test_too_many_connections_elsewhere_means_waiting(
    publish: Publish, run: Run, row: Look, sandbox: Sandbox
) -> None:
    ids = publish(3)
    sandbox.faults.next("status", n=8, status=429, retry_after=0, match="$value")
    report = run(workers=2)
    assert report.done == 3
    assert [row(i).attempts for i in ids] == [0, 0, 0]
    assert len(value_requests(sandbox)) == 11


def test_an_expired_token_is_renewed(publish: Publish, run: Run, sandbox: Sandbox) -> None:
    publish(3)
    sandbox.faults.next("expired", match="$value", n=1)
    assert run(workers=1).done == 3


def test_refused_credentials_end_the_run_and_leave_the_queue(
    publish: Publish, row: Look, sandbox: Sandbox, database: Database, out: Path
) -> None:
    ids = publish(6)
    there = sandbox.environment
    api = ODataAPI("me", "wrong", catalogue_url=there["CDSE_CATALOGUE_URL"], download_url=there["CDSE_DOWNLOAD_URL"],
                   token_url=there["CDSE_TOKEN_URL"])  # fmt: skip
    with pytest.raises(CredentialsError) as caught:
        worker.run(database, api, out)
    assert "wrong" not in str(caught.value).split("(")[0]
    assert {(row(i).status, row(i).attempts) for i in ids} == {("queued", 0)}
    with database.read() as connection:
        assert connection.scalars(sa.select(account_slots.c.worker)).all() == [None] * 4


def test_a_fresh_token_that_is_refused_is_waited_out_and_told_once(
    publish: Publish, run: Run, row: Look, sandbox: Sandbox, database: Database, watcher: Any
) -> None:
    ids = publish(2)
    sandbox.faults.next("expired", match="$value", n=4)  # twice, each time with a fresh one

    def hurry(status: str) -> None:
        with database.write() as connection:
            connection.execute(sa.update(downloads).values(not_before=None))

    watcher.on_finish = hurry
    assert run(workers=1, progress=watcher, timing=Timing(poll=0.02)).done == 2
    told, lasted = watcher.waits
    assert "refuses a fresh access token" in told and lasted > 0
    assert {(row(i).status, row(i).attempts) for i in ids} == {("done", 0)}
    assert sandbox.accounts.logins == 1


def test_fresh_tokens_that_are_refused_for_long_end_the_run_and_blame_no_product(
    publish: Publish, run: Run, row: Look, sandbox: Sandbox
) -> None:
    ids = publish(4)
    sandbox.faults.next("expired", match="$value", n=999)
    with pytest.raises(TokenRefusedError) as caught:
        run(workers=1, timing=IMPATIENT)
    assert caught.value.exit_code == 5
    assert {(row(i).status, row(i).attempts) for i in ids} == {("queued", 0)}
    assert sandbox.accounts.logins == 1


def test_an_offline_product_is_left_for_later(
    publish: Publish, run: Run, row: Look, sandbox: Sandbox
) -> None:
    (one,) = publish()
    sandbox.catalogue.take_offline(one)
    assert run().skipped == 1
    assert row(one).status == "offline"


def test_a_flag_that_says_offline_is_checked_at_the_source(
    publish: Publish, run: Run, row: Look, database: Database, sandbox: Sandbox
) -> None:
    (one, other) = publish(2)
    with database.write() as connection:
        connection.execute(sa.update(products).values(online=False))
    sandbox.catalogue.take_offline(other)
    run()
    assert (row(one).status, row(other).status) == ("done", "offline")
    assert held(database, one).online is True
    assert not any(other in str(request) for request in value_requests(sandbox))


def test_a_product_that_is_gone_is_said_to_be(
    publish: Publish, run: Run, row: Look, sandbox: Sandbox, database: Database
) -> None:
    deleted, unknown = publish(2)
    sandbox.catalogue.delete(deleted)
    with database.write() as connection:
        connection.execute(sa.delete(products).where(products.c.id == unknown))
    assert run().failed == 2
    assert (row(deleted).status, row(unknown).status) == ("gone", "gone")
    assert row(unknown).error == f"{unknown}: no product of this catalogue"


def test_a_missing_body_of_a_listed_product_is_tried_later(
    publish: Publish, run: Run, row: Look, sandbox: Sandbox, watcher: Any
) -> None:
    (one,) = publish()
    sandbox.faults.next("status", n=99, status=404, match="$value")
    watcher.on_finish = lambda outcome: watcher.stop.set()
    run(progress=watcher, stop=watcher.stop)
    assert (watcher.outcomes, row(one).status, row(one).attempts) == (["retry"], "queued", 1)
    assert row(one).not_before > row(one).requested_at


@pytest.mark.parametrize("options", [{"status": 503}, {"status": 503, "retry_after": 0}])
def test_a_source_that_is_down_ends_the_run_and_blames_no_product(
    publish: Publish, run: Run, row: Look, sandbox: Sandbox, options: dict[str, int]
) -> None:
    ids = publish(12)
    sandbox.faults.next("status", n=999, match="$value", **options)
    with pytest.raises(SourceError) as caught:
        run(timing=IMPATIENT)
    assert caught.value.exit_code == 4
    assert {(row(i).status, row(i).attempts) for i in ids} == {("queued", 0)}


def test_without_a_token_the_run_ends_and_blames_no_product(
    publish: Publish, database: Database, row: Look, sandbox: Sandbox, out: Path
) -> None:
    ids = publish(3)
    sandbox.faults.next("html", n=999, match="/token")
    there = sandbox.environment
    impatient = ODataAPI(
        "sandbox", "sandbox", catalogue_url=there["CDSE_CATALOGUE_URL"],
        download_url=there["CDSE_DOWNLOAD_URL"], token_url=there["CDSE_TOKEN_URL"],
        http=HttpClient(retries=Retries(attempts=2, first_wait=0.01)),
    )  # fmt: skip
    with pytest.raises(NoTokenError):
        worker.run(database, impatient, out, workers=1, timing=Timing(poll=0.02, patience=0.5))
    impatient.close()
    assert {(row(i).status, row(i).attempts) for i in ids} == {("queued", 0)}
    assert len(sandbox.log.matching("/token")) <= 8


def test_a_full_disk_stops_cleanly_and_the_bytes_are_kept(
    publish: Publish, run: Run, row: Look, out: Path
) -> None:
    ids = publish(3, size_bytes=SIZE)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        with pytest.raises(DiskFullError, match=re.escape(f"no room left in {out} (")):
            run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert {(row(i).status, row(i).attempts) for i in ids} == {("queued", 0)}
    assert all(name.endswith(".part") for name in os.listdir(out))
    assert run().done == 3
    assert not hidden(out)


def test_a_folder_that_cannot_be_made_is_said(
    database: Database, api: ODataAPI, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(TransferError, match="cannot make"):
        worker.run(database, api, tmp_path / "file" / "products")


def test_where_files_cannot_be_locked_that_is_what_is_said(
    publish: Publish, run: Run, row: Look, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = publish()

    def refused(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", refused)
    with pytest.raises(UnwritableError, match=f"cannot lock files in {out} .*not implemented"):
        run()
    with pytest.raises(UnwritableError, match=f"cannot lock files in {out} "):
        PartFile(out / "part")
    assert (row(one).status, row(one).attempts) == ("queued", 0)


def test_a_person_cancels_in_mid_transfer(
    publish: Publish,
    run: Run,
    row: Look,
    sandbox: Sandbox,
    database: Database,
    watcher: Any,
    out: Path,
) -> None:
    sandbox.settings.rate = 300_000
    (one,) = publish(size_bytes=3_000_000)
    watcher.on_advance = lambda done: change(database, one, status="cancelled") if done else None
    began = time.monotonic()
    report = run(progress=watcher)
    assert time.monotonic() - began < 5
    assert (row(one).status, watcher.outcomes, report.skipped, report.done) == (
        "cancelled",
        ["cancelled"],
        1,
        0,
    )
    assert all(name.startswith(".") for name in os.listdir(out))


def test_a_row_that_is_deleted_in_mid_transfer_leaves_no_file(
    publish: Publish, run: Run, sandbox: Sandbox, database: Database, watcher: Any, out: Path
) -> None:
    sandbox.settings.rate = 1_000_000
    publish(size_bytes=300_000)

    def delete(done: int) -> None:
        with database.write() as connection:
            connection.execute(sa.delete(downloads))

    watcher.on_advance = delete
    assert run(progress=watcher).done == 0
    assert all(name.startswith(".") for name in os.listdir(out))


def test_stopping_takes_less_than_a_second_and_what_arrived_is_used(
    publish: Publish, run: Run, row: Look, sandbox: Sandbox, watcher: Any, out: Path
) -> None:
    sandbox.settings.ranges, sandbox.settings.rate = "honour", 1_000_000
    ids = publish(4, size_bytes=SIZE)
    threading.Timer(0.8, watcher.stop.set).start()
    began = time.monotonic()
    report = run(stop=watcher.stop, timing=Timing(beat=60))
    assert time.monotonic() - began < 0.8 + 1 and report.done == 0
    assert {(row(i).status, row(i).attempts, row(i).worker) for i in ids} == {("queued", 0, None)}
    kept = sum((out / name).stat().st_size for name in hidden(out))
    assert kept > 0
    assert sum(row(i).bytes_done for i in ids) == kept  # though no heartbeat told
    sandbox.settings.rate, sandbox.settings.slots = (
        None,
        8,
    )  # it may not have noticed yet that we left
    sandbox.log.clear()
    assert run().done == 4
    assert any(request.range for request in value_requests(sandbox))
    assert not hidden(out)


def test_a_source_that_falls_silent_does_not_delay_stopping(
    publish: Publish, run: Run, row: Look, sandbox: Sandbox, watcher: Any
) -> None:
    (one,) = publish()
    sandbox.faults.next("slow", seconds=4, match="$value")
    threading.Timer(0.3, watcher.stop.set).start()
    began = time.monotonic()
    run(stop=watcher.stop)
    assert time.monotonic() - began < 1.6
    assert row(one).status == "queued"


def test_following_waits_for_new_rows(publish: Publish, run: Run, row: Look, watcher: Any) -> None:
    publish(1)
    watcher.on_finish = lambda outcome: len(watcher.outcomes) == 2 and watcher.stop.set()
    timer = threading.Timer(0.3, publish)
    timer.start()
    assert run(follow=True, progress=watcher, stop=watcher.stop).done == 2
    timer.join()


def test_no_more_than_four_at_once_whatever_is_asked(
    publish: Publish, run: Run, sandbox: Sandbox
) -> None:
    sandbox.settings.rate = 2_000_000
    publish(10, size_bytes=300_000)
    assert run(workers=50).done == 10
    assert 2 <= sandbox.log.peak("$value") <= slots.MOST
    assert not [request for request in value_requests(sandbox) if request.status == 429]


def test_a_worker_without_a_free_slot_waits(
    publish: Publish, run: Run, database: Database, api: ODataAPI
) -> None:
    publish(1)
    account = slots.account_key(api.source, None)
    with database.write() as connection:
        taken = [slots.acquire(connection, account, "other:1:x:0") for _ in range(4)]
        assert slots.acquire(connection, account, "other:1:x:0") is None
    stop = threading.Event()
    threading.Timer(0.4, stop.set).start()
    assert run(stop=stop).done == 0
    with database.write() as connection:
        slots.release(connection, taken[0])
    assert run().done == 1


def test_products_of_another_source_are_left_alone(
    publish: Publish, run: Run, row: Look, database: Database
) -> None:
    (one,) = publish()
    with database.write() as connection:
        connection.execute(sa.update(products).values(source="usgs"))
    assert run().done == 0
    assert (row(one).status, row(one).claim) == ("queued", 0)


def test_an_older_part_is_gone_on_with(
    publish: Publish,
    run: Run,
    row: Look,
    sandbox: Sandbox,
    database: Database,
    api: ODataAPI,
    out: Path,
) -> None:
    sandbox.settings.ranges = "honour"
    (one,) = publish(size_bytes=SIZE)
    run()
    body = Path(row(one).path).read_bytes()
    Path(row(one).path).unlink()
    product = read(api, next(iter(api.get([one], "SENTINEL-2")))[1])
    (out / part_name(product, 1)).write_bytes(body[:1_000_000])
    change(database, one, status="queued", path=None)
    sandbox.log.clear()
    assert run().bytes == SIZE - 1_000_000
    assert value_requests(sandbox)[0].range == "bytes=1000000-"
    assert os.listdir(out) == [Path(row(one).path).name]
    assert check_file(Path(row(one).path), product) is not None
