"""Everything that can go wrong with a download, on a sandbox, by the worker: the right file, or the reason in the row."""

from __future__ import annotations

import resource
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
import sqlalchemy as sa
from blake3 import blake3

from satcat import times
from satcat.api.odata import ODataAPI
from satcat.database import Database
from satcat.downloads import marks
from satcat.downloads.worker import Timing
from satcat.errors import DiskFullError
from satcat.models import downloads
from satcat.sandbox import Sandbox, packages
from satcat.sandbox.faults import Kind
from satcat.sandbox.ranges import Ranges
from satcat.sync.store import store

SIZE = 300_000
FILE = {"match": "$value"}
#: As a run of tests, but one that does not give up on a source that only asks to wait.
PATIENT = Timing(lease=5, beat=0.1, look=0.2, poll=0.02, patience=60)
#: Faults that only a listing can have; a download has no rows, and its clock is not asked for.
OF_LISTINGS = {"count", "short", "empty", "shuffled", "duplicated", "stale", "edited"}
SINGLE = {".nc": "SENTINEL-5P", ".EOF": "SENTINEL-1", ".tgz": "SENTINEL-2"}


def soon() -> Any:
    return times.now() + timedelta(seconds=1)


#: Every other fault, in each of its forms, and how often it strikes in a row.
FAULTS: list[tuple[str, Callable[[], dict[str, Any]]]] = [
    ("status", lambda: {"status": 500}),
    ("status", lambda: {"status": 503, "n": 2}),
    ("status", lambda: {"status": 504}),
    ("status", lambda: {"status": 404}),  # with HTML: the word of something in between
    ("status", lambda: {"status": 401}),
    ("status", lambda: {"status": 429, "n": 2}),
    ("status", lambda: {"status": 429, "retry_after": 0, "n": 20}),
    ("status", lambda: {"status": 429, "retry_after": 1}),
    ("status", lambda: {"status": 429, "retry_after": soon()}),
    ("reset", lambda: {"n": 2}),
    ("reset", lambda: {"after": 0}),
    ("reset", lambda: {"after": 1}),
    ("reset", lambda: {"after": SIZE - 1}),
    ("redirect", dict),
    ("html", lambda: {"n": 2}),
    ("json", lambda: {"n": 2}),
    ("slow", lambda: {"seconds": 0.2}),
    ("drip", lambda: {"rate": 1_000_000.0}),
    *(("cut", lambda at=at: {"after": at}) for at in (0, 1, 29, SIZE // 2, SIZE - 1)),
    ("truncated", lambda: {"after": 0}),
    ("truncated", lambda: {"after": 200_000}),
    *(("corrupt", lambda at=at: {"after": at}) for at in (0, 14, SIZE // 2, SIZE - 1)),
    ("length", lambda: {"by": 77}),
    ("length", lambda: {"by": -77}),
    ("unsized", dict),
    ("unsized", lambda: {"after": 200_000}),
    ("no_date", dict),
    ("skew", lambda: {"seconds": -86400.0}),
    ("expired", dict),
]


def sha(path: str | Path) -> str:
    return blake3(Path(path).read_bytes()).hexdigest()


def right(sandbox: Sandbox, product_id: str) -> str:
    """The BLAKE3 of the product as the source has it now."""
    return packages.digests(sandbox.catalogue.products[product_id])[1]


@pytest.fixture
def requeue(database: Database) -> Callable[[str], None]:
    """Queue a row again, whatever came of it."""

    def requeue(product_id: str) -> None:
        with database.write() as connection:
            mine = downloads.c.product_id == product_id
            again = {"status": "queued", "not_before": None, "attempts": 0}
            connection.execute(sa.update(downloads).where(mine).values(**again))

    return requeue


@pytest.fixture
def hold(database: Database, api: ODataAPI, sandbox: Sandbox) -> Callable[..., None]:
    """Hold a product as the source lists it now, and mark it."""

    def hold(product_id: str, collection: str = "SENTINEL-2") -> None:
        images = [image for _, image in api.get([product_id], collection)]
        with database.write() as connection:
            store(connection, images, scope_id=None, at=times.now(), force=True)
            marks.mark(connection, [product_id])
        sandbox.log.clear()

    return hold


def complete_files(out: Path) -> list[str]:
    return [path.name for path in out.rglob("*") if not path.name.startswith(".")]


def requests(sandbox: Sandbox) -> list[Any]:
    return sandbox.log.matching("$value")


def test_no_fault_of_the_sandbox_is_left_out() -> None:
    assert {kind for kind, _ in FAULTS} | OF_LISTINGS == set(get_args(Kind))


@pytest.mark.parametrize(("ranges", "chunked"), [("honour", False), ("ignore", True)])
@pytest.mark.parametrize(
    ("kind", "options"), FAULTS, ids=[f"{kind}-{n}" for n, (kind, _) in enumerate(FAULTS)]
)
def test_a_file_comes_right_after_each_fault(
    kind: Any, options: Any, ranges: Any, chunked: bool,
    publish: Any, run: Any, row: Any, sandbox: Sandbox, out: Path,
) -> None:  # fmt: skip
    sandbox.settings.ranges, sandbox.settings.chunked = ranges, chunked
    (one,) = publish(size_bytes=SIZE)
    sandbox.faults.next(kind, **options(), **FILE)
    assert run(timing=PATIENT).done == 1
    assert not sandbox.faults.pending
    done = row(one)
    assert (done.status, done.verification, done.attempts) == ("done", "checksum", 0)
    assert sha(done.path) == done.checksum == right(sandbox, one)
    assert [path.name for path in out.iterdir()] == [Path(done.path).name]
    assert sandbox.accounts.logins == 1


@pytest.mark.parametrize("chunked", [False, True], ids=["plain", "chunked"])
@pytest.mark.parametrize("ranges", get_args(Ranges))
def test_a_file_comes_right_whatever_is_made_of_its_ranges(
    ranges: Any, chunked: bool, publish: Any, run: Any, row: Any, sandbox: Sandbox
) -> None:
    sandbox.settings.ranges, sandbox.settings.chunked = ranges, chunked
    (one,) = publish(size_bytes=SIZE)
    sandbox.faults.next("cut", after=200_000, **FILE)
    assert run().done == 1
    assert sha(row(one).path) == right(sandbox, one) and row(one).attempts == 0
    asked = requests(sandbox)
    assert asked[0].range is None and asked[1].range == "bytes=200000-"
    assert len(asked) <= 6


@pytest.mark.parametrize(
    ("kind", "options", "status", "reason"),
    [
        ("html", {}, "queued", "a message instead of the product"),
        ("json", {}, "queued", "a message instead of the product"),
        ("cut", {"after": 9}, "queued", "cut short"),
        ("truncated", {"after": 0}, "queued", f"0 bytes arrived instead of {SIZE}"),
        ("truncated", {"after": 200_000}, "bad_at_source", f"size is 200000, not {SIZE}"),
        ("length", {"by": -77}, "bad_at_source", f"size is {SIZE - 77}, not {SIZE}"),
        ("corrupt", {}, "bad_at_source", "blake3 is"),
        ("reset", {}, "queued", "connection reset"),
        ("unsized", {"after": 5}, "queued", f"5 bytes arrived instead of {SIZE}"),
        ("status", {"status": 400}, "failed", "status 400"),
    ],
)
def test_what_stays_wrong_leaves_its_reason_and_no_file(
    kind: Any, options: Any, status: str, reason: str,
    publish: Any, run: Any, row: Any, sandbox: Sandbox, out: Path, watcher: Any,
    requeue: Callable[[str], None],
) -> None:  # fmt: skip
    (one,) = publish(size_bytes=SIZE)
    sandbox.faults.next(kind, n=999, **options, **FILE)
    watcher.on_finish = lambda outcome: watcher.stop.set()
    run(stop=watcher.stop, progress=watcher)
    assert (row(one).status, row(one).path) == (status, None)
    assert reason in row(one).error
    assert not complete_files(out)
    for part in out.iterdir():
        assert part.name.endswith(".part") and not part.read_bytes().lstrip().startswith((b"<", b"{"))  # fmt: skip
    assert len(requests(sandbox)) <= 6
    sandbox.faults.clear()
    requeue(one)
    assert run().done == 1
    assert sha(row(one).path) == right(sandbox, one)


def test_a_length_that_always_promises_too_much_keeps_no_right_file_away(
    publish: Any, run: Any, row: Any, sandbox: Sandbox
) -> None:
    (one,) = publish(size_bytes=SIZE)
    sandbox.faults.next("length", by=77, n=999, **FILE)
    assert run().done == 1
    assert sha(row(one).path) == right(sandbox, one) and len(requests(sandbox)) == 1


@pytest.mark.parametrize("kind", ["html", "json"])
def test_an_error_page_costs_no_byte_that_is_here(
    kind: Any, publish: Any, run: Any, sandbox: Sandbox
) -> None:
    sandbox.settings.ranges = "honour"
    publish(size_bytes=SIZE)
    sandbox.faults.next("cut", after=200_000, **FILE)
    sandbox.faults.next(kind, **FILE)
    report = run()
    assert (report.done, report.bytes) == (1, SIZE)
    assert [asked.range for asked in requests(sandbox)] == [None, *["bytes=200000-"] * 2]


def test_a_token_of_two_seconds_is_enough_for_a_run_of_four(
    publish: Any, run: Any, row: Any, sandbox: Sandbox
) -> None:
    sandbox.settings.token_seconds, sandbox.settings.rate = 2, 500_000.0
    ids = publish(7, size_bytes=SIZE)
    report = run(workers=1)
    assert report.done == 7 and report.seconds > 4
    assert {(row(i).status, row(i).attempts) for i in ids} == {("done", 0)}
    assert sandbox.accounts.logins == 1


def test_a_401_in_mid_run_renews_the_token_and_logs_in_no_more(
    publish: Any, run: Any, sandbox: Sandbox
) -> None:
    sandbox.settings.ranges = "honour"
    publish(8, size_bytes=SIZE)
    sandbox.faults.on_request(lambda request: sandbox.accounts.expire_tokens(), n=1, match="$value")
    sandbox.faults.next("expired", n=1, match=lambda request: request.range is not None)
    sandbox.faults.next("cut", n=3, after=200_000, **FILE)
    assert run(workers=1).done == 8
    assert [asked.status for asked in requests(sandbox)].count(401) == 2
    assert sandbox.accounts.logins == 1


@pytest.mark.parametrize("resumed", [False, True])
def test_a_redirect_to_another_host_takes_no_token_along(
    resumed: bool, publish: Any, run: Any, row: Any, sandbox: Sandbox
) -> None:
    (one,) = publish(size_bytes=SIZE)
    with Sandbox(products=0) as store:
        store.settings.signed_links, store.settings.ranges = True, "honour"
        store.catalogue.add([sandbox.catalogue.products[one]])
        sandbox.settings.redirect_to = store.download_url
        if resumed:
            store.faults.next("cut", after=200_000, **FILE)
        assert run().done == 1
        assert sha(row(one).path) == right(sandbox, one)
        assert [asked.range for asked in store.log] == [None, *["bytes=200000-"] * resumed]
        assert not any(asked.authorised for asked in store.log)
        assert all(asked.authorised for asked in requests(sandbox))


def test_a_stale_checksum_that_is_published_anew_costs_no_second_transfer(
    publish: Any, hold: Any, run: Any, row: Any, sandbox: Sandbox
) -> None:
    (one,) = publish(mark=False, size_bytes=SIZE)
    sandbox.catalogue.stale_checksum(one)
    hold(one)
    sandbox.faults.on_request(lambda request: sandbox.catalogue.modify(one, checksums="right"), **FILE)  # fmt: skip
    sandbox.log.clear()
    assert run().done == 1
    assert (row(one).checksum, len(requests(sandbox))) == (right(sandbox, one), 1)


@pytest.mark.parametrize("how", ["stale_checksum", "restless_checksum"])
def test_checksums_that_never_become_right_make_it_bad_at_the_source(
    how: str, publish: Any, hold: Any, run: Any, row: Any, sandbox: Sandbox, out: Path
) -> None:
    (one,) = publish(mark=False, size_bytes=SIZE)
    getattr(sandbox.catalogue, how)(one)
    hold(one)
    sandbox.log.clear()
    assert run().failed == 1
    assert row(one).status == "bad_at_source" and "blake3 is" in row(one).error
    assert not complete_files(out)
    assert len(requests(sandbox)) == 2 and len(sandbox.log.matching("/catalogue")) <= 1


@pytest.mark.parametrize("etags", [True, False], ids=["etag", "no etag"])
@pytest.mark.parametrize("ranges", ["honour", "unconditional", "ignore"])
@pytest.mark.parametrize("published", [True, False], ids=["checksum", "none"])
@pytest.mark.parametrize("collection", ["SENTINEL-2", "SENTINEL-5P"])
def test_a_product_that_is_replaced_in_mid_transfer_is_never_joined_from_two(
    collection: str, published: bool, ranges: Any, etags: bool,
    publish: Any, hold: Any, run: Any, row: Any, sandbox: Sandbox,
) -> None:  # fmt: skip
    sandbox.settings.ranges, sandbox.settings.etags = ranges, etags
    (one,) = publish(mark=False, size_bytes=SIZE, collection=collection)
    if not published:
        sandbox.catalogue.late_checksum(one)
    hold(one, collection)
    sandbox.faults.next("cut", after=200_000, **FILE)
    seen: list[Any] = []

    def replace(request: Any) -> None:
        seen.append(request)
        if len(seen) == 2:
            sandbox.catalogue.replace(one)

    sandbox.faults.on_request(replace, n=2, **FILE)
    assert run().done == 1
    assert sha(row(one).path) == row(one).checksum == right(sandbox, one)
    verification = "structure" if collection == "SENTINEL-2" else "none"
    assert row(one).verification == ("checksum" if published else verification)
    if not published:
        assert {asked.range for asked in requests(sandbox)} == {None}


@pytest.mark.parametrize("suffix", SINGLE)
@pytest.mark.parametrize("fault", ["cut", "corrupt", "html", "truncated"])
def test_a_single_file_comes_right_under_its_own_name(
    suffix: str, fault: Any, publish: Any, run: Any, row: Any, sandbox: Sandbox
) -> None:
    name = f"A_SINGLE_FILE_20240601T000000{suffix}"
    (one,) = publish(name=name, size_bytes=SIZE, collection=SINGLE[suffix])
    sandbox.faults.next(fault, **({} if fault == "html" else {"after": 100_000}), **FILE)
    assert run().done == 1
    assert Path(row(one).path).name == name
    assert sha(row(one).path) == right(sandbox, one)
    resumed = [asked.range for asked in requests(sandbox)][1]
    assert resumed == ("bytes=100000-" if fault == "cut" else None)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Callable[[], object]]:
    """A folder on a disk of so many bytes; where none can be mounted, a limit that works alike. Gives how to lift it."""
    folder.mkdir()
    kind = ["-t", "tmpfs", "-o"]
    mounted = subprocess.run(["mount", *kind, f"size={size}", "tmpfs", folder], capture_output=True)
    if mounted.returncode == 0:
        try:
            yield lambda: subprocess.run(["mount", "-o", "remount,size=20m", folder], check=True)
        finally:
            subprocess.run(["umount", folder], check=True)
        return
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size // 4, before[1]))
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_ends_the_run_and_what_fitted_is_gone_on_with(
    publish: Any, run: Any, row: Any, sandbox: Sandbox, out: Path
) -> None:
    sandbox.settings.ranges = "honour"
    ids = publish(4, size_bytes=1_000_000)
    with small_disk(out, 2_000_000) as lift:
        with pytest.raises(DiskFullError, match=r"no room left .*: free some and run again"):
            run()
        assert {row(i).attempts for i in ids} == {0}
        assert {row(i).status for i in ids} <= {"queued", "done"}
        kept = sum(path.stat().st_size for path in out.iterdir() if path.name.startswith("."))
        assert kept
        lift()
        sandbox.log.clear()
        run()
        assert {row(i).status for i in ids} == {"done"}
        assert all(sha(row(i).path) == right(sandbox, i) for i in ids)
        assert any(asked.range for asked in requests(sandbox))


def test_bytes_that_are_here_are_read_again_before_any_is_asked_for(
    publish: Any, run: Any, row: Any, sandbox: Sandbox, watcher: Any,
    requeue: Callable[[str], None],
) -> None:  # fmt: skip
    sandbox.settings.ranges = "honour"
    (one,) = publish(size_bytes=4_000_000)
    sandbox.faults.next("cut", after=3_500_000, **FILE)
    sandbox.faults.next("status", status=400, **FILE)
    assert run().failed == 1
    requeue(one)
    sandbox.log.clear()
    shown: list[tuple[int, int]] = []
    watcher.on_advance = lambda done: shown.append((done, len(sandbox.log)))
    report = run(progress=watcher)
    assert (report.done, report.bytes) == (1, 500_000)
    before = [done for done, asked in shown if not asked]
    assert len(before) >= 3 and before == sorted(before) and before[-1] == 3_500_000


def test_a_storm_of_429_asks_no_oftener_than_it_is_told(
    publish: Any, run: Any, row: Any, sandbox: Sandbox
) -> None:
    ids = publish(3, size_bytes=SIZE)
    sandbox.faults.next("status", n=3, status=429, retry_after=1, **FILE)
    report = run(workers=3, timing=PATIENT)
    assert report.done == 3 and report.seconds >= 1
    assert len(requests(sandbox)) == 6
    assert {(row(i).status, row(i).attempts) for i in ids} == {("done", 0)}


def test_stopping_in_the_midst_of_a_storm_takes_no_longer(
    publish: Any, run: Any, row: Any, sandbox: Sandbox
) -> None:
    (one,) = publish(size_bytes=SIZE)
    sandbox.faults.next("status", n=999, status=429, retry_after=300, **FILE)
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    assert run(stop=stop, timing=PATIENT).seconds < 3
    assert (row(one).status, row(one).attempts) == ("queued", 0)
    assert len(requests(sandbox)) == 1
