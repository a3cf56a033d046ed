"""Being a good guest: the source is asked gently, an outage harms nothing, and whoever interrupts is heard at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from satcat.models import deleted_products
from satcat.sandbox import Sandbox
from satcat.sync.engine import sync
from satcat.sync.report import SyncOptions
from tests.engines import PLAN

from .conftest import ALL, fill, mirrored, source_of, truth
from .test_dense import check_polite


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("status", {"status": 429, "retry_after": 0}), ("status", {"status": 500}), ("status", {"status": 502}),
        ("status", {"status": 503, "retry_after": 0}), ("status", {"status": 504}), ("html", {}), ("reset", {}),
        ("cut", {"after": 100}), ("truncated", {}), ("slow", {"seconds": 0.2}), ("shuffled", {}), ("no_date", {}),
        ("count", {"by": 1}), ("short", {"rows": 3, "next_link": False}), ("short", {"rows": 3}), ("empty", {}),
        ("duplicated", {}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("match", ["$expand", "$select", "DeletedProducts", "$count"])
def test_a_sync_gets_over_what_passes(database, sandbox, api, kind, options, match):
    ids = fill(sandbox, 30)
    sandbox.faults.next(kind, n=2, match=match, **options)
    first = sync(database, api, ALL)
    sandbox.clock.advance(60)
    sandbox.catalogue.modify(ids[0], cloud_cover=1.25)
    sandbox.catalogue.delete(ids[1])
    sandbox.clock.advance(60)
    sandbox.faults.next(kind, n=2, match=match, **options)
    sync(database, api)
    sandbox.faults.clear()
    assert sync(database, api, options=SyncOptions(recheck=50)).exit_code == 0
    assert mirrored(database) == truth(sandbox)
    assert first.exit_code in (0, 6)


@PLAN
def test_a_sync_that_changes_nothing_reads_no_product_that_it_was_not_told_of(
    database, sandbox, api
):
    """Ten million of them are 20 GB."""
    fill(sandbox, 30)
    sync(database, api, ALL)
    sandbox.clock.advance(60)
    asked: list[tuple[str, object]] = []

    def note(connection, cursor, statement, parameters, context, many):
        if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")) and not many:
            asked.append((statement, parameters))

    sa.event.listen(database.engine, "before_cursor_execute", note)
    assert sync(database, api, options=SyncOptions(recheck=50)).exit_code == 0
    sa.event.remove(database.engine, "before_cursor_execute", note)
    assert any("FROM products" in statement for statement, _ in asked)
    with database.read() as connection:
        for statement, parameters in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            for *_, step in plan.all():
                assert not step.startswith("SCAN products") or "COVERING INDEX" in step, statement


def test_an_outage_gives_one_clear_message_and_leaves_the_mirror_usable(database, sandbox, api):
    fill(sandbox, 10)
    sync(database, api, ALL)
    sandbox.stop()
    report = sync(database, api)
    assert report.exit_code == 4
    message = str(report.scopes[0].error)
    assert "\n" not in message
    assert "127.0.0.1" in message
    assert "try again later" in message
    assert len(mirrored(database)) == 10
    sandbox.start()
    assert sync(database, api).exit_code == 0


def test_each_scope_gets_its_turn_when_one_cannot_be_reached(database, sandbox, api):
    from dataclasses import replace

    fill(sandbox, 28)
    sync(database, api, replace(ALL, end_date="2024-06-10"), scope="first")
    sync(database, api, replace(ALL, start_date="2024-06-20"), scope="second")
    (new,) = sandbox.catalogue.publish_random(1, sensing_start="2024-06-25T00:00:00Z")
    sandbox.clock.advance(60)
    of_first = lambda r: "lt 2024-06-11" in r.query.get("$filter", "")  # noqa: E731
    sandbox.faults.next("status", n=99, status=503, match=of_first)
    report = sync(database, api)
    assert [scope.exit_code for scope in report.scopes] == [4, 0]
    assert report.exit_code == 4
    assert new in mirrored(database)


def test_one_empty_answer_is_not_believed(database, sandbox, api):
    """No rows, counted 0: such an answer fits itself, so it takes a second one that says the same."""
    fill(sandbox, 5)
    sandbox.faults.next("empty", match="$expand")
    assert sync(database, api, ALL, options=SyncOptions(recheck=0)).exit_code == 0
    assert mirrored(database) == truth(sandbox)


def test_a_window_that_is_empty_is_complete(database, sandbox, api):
    assert sync(database, api, ALL).exit_code == 0
    sandbox.log.clear()
    assert sync(database, api).exit_code == 0
    assert len(sandbox.log) <= 10


def test_a_date_in_the_future_moves_no_cursor_beyond_what_was_seen(database, sandbox):
    """One front machine has a wrong clock; what is published next day is followed all the same."""
    fill(sandbox, 5)
    sandbox.faults.next("skew", n=1, seconds=86_400, match="$expand")
    patient = source_of(sandbox, first_wait=2.2)  # time for the others' clock to go on
    assert sync(database, patient, ALL).exit_code == 0
    patient.close()
    sandbox.clock.advance(7200)
    (new,) = sandbox.catalogue.publish_random(1, sensing_start="2024-06-25T00:00:00Z")
    sandbox.clock.advance(60)
    sync(database, source_of(sandbox), options=SyncOptions(recheck=0))
    assert new in mirrored(database)


def test_without_any_date_this_machines_clock_less_a_day_is_taken_and_said(database):
    with Sandbox(products=0) as sandbox:
        sandbox.clock.send_date = False
        api = source_of(sandbox)
        sandbox.catalogue.publish_random(5, sensing_start="2024-06-25T00:00:00Z")
        report = sync(database, api, ALL).scopes[0]
        assert any("does not tell its time" in warning for warning in report.warnings)
        assert report.followed_to is not None
        assert report.followed_to < sandbox.clock.now() - timedelta(hours=23)
        assert mirrored(database) == truth(sandbox)
        api.close()


def test_what_happened_within_the_second_that_the_source_tells_is_followed_at_once(
    database, sandbox, api
):
    """`Date` has whole seconds: what is published right after it was cut off is not later than the source's clock."""
    _, doomed = fill(sandbox, 2)
    sync(database, api, ALL)
    sandbox.clock.advance(60)
    moment = sandbox.clock.now() + timedelta(seconds=0.9)
    (new,) = sandbox.catalogue.publish_random(
        1, sensing_start="2024-06-25T00:00:00Z", publication_date=moment, modification_date=moment
    )
    sandbox.catalogue.delete(doomed, "Corrupted product", deletion_date=moment)
    report = sync(database, api, options=SyncOptions(recheck=0)).scopes[0]
    assert new in mirrored(database)
    assert report.followed_to is not None
    assert report.followed_to <= sandbox.clock.now()
    with database.read() as connection:
        (grave,) = connection.execute(sa.select(deleted_products)).all()
    assert (grave.id, grave.kind, grave.deletion_cause) == (doomed, "deleted", "Corrupted product")


def test_a_deletion_in_the_second_of_the_last_change_is_asked_for(database, sandbox, api):
    """A product that was deleted and came back within one second of the source's clock stays."""
    (back,) = fill(sandbox, 1)
    moment = sandbox.clock.now().replace(microsecond=0) + timedelta(seconds=0.5)
    sandbox.catalogue.delete(back, deletion_date=moment)
    sandbox.catalogue.restore(back, touch=False)
    sync(database, api, ALL)
    assert back in mirrored(database)


def test_the_server_sees_four_connections_at_most_and_no_page_twice(database, sandbox, api):
    for day in range(1, 29):
        sensed = f"2024-06-{day:02d}T10:00:00Z"
        fill(sandbox, 400, sensing_start=sensed, sensing_end=sensed)
    sandbox.faults.on_request(lambda _: time.sleep(0.02), n=None)
    assert sync(database, api, ALL).exit_code == 0
    assert mirrored(database) == truth(sandbox)
    assert 2 <= sandbox.log.max_concurrent <= 4
    check_polite(sandbox)
    asked = [str(sorted(r.query.items())) for r in sandbox.log if "$expand" in r.query]
    assert len(asked) == len(set(asked))


def test_ctrl_c_stops_within_a_second_and_says_how_to_go_on(address, sandbox):
    fill(sandbox, 20)
    sandbox.faults.on_request(lambda _: time.sleep(20), match="$expand", n=None)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("CDSE_", "SATCAT_"))}
    command = [
        sys.executable,
        "-m",
        "satcat",
        "--db",
        address,
        "sync",
        "--collection",
        "SENTINEL-2",
    ]
    child = subprocess.Popen(
        command, env=environment | sandbox.environment, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 30
    while not sandbox.log.matching("$expand") and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)
    sent = time.monotonic()
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=20)
    assert time.monotonic() - sent < 2.0
    assert child.returncode == 130
    assert "run the same command again" in said
    assert "Traceback" not in said


MEMORY = textwrap.dedent("""
    import sys
    from pathlib import Path
    from satcat.api.odata import ODataAPI
    from satcat.database import Database
    from satcat.filters import SearchFilters
    from satcat.sync.engine import sync
    path, url, start, end = sys.argv[1:]
    with Database.open(path) as database:
        report = sync(database, ODataAPI(catalogue_url=url), SearchFilters("SENTINEL-2", start, end))
        assert report.exit_code == 0, report
    # not ru_maxrss, which a child has from its parent
    status = Path("/proc/self/status").read_text()
    peak = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    print(report.scopes[0].added, int(peak) // 1024)
""")


def _peak(address, sandbox, start, end):
    """Products added by a process of its own, and its peak of memory in MB."""
    command = [sys.executable, "-c", MEMORY, address, sandbox.catalogue_url, start, end]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(int(word) for word in done.stdout.split())


def _many(sandbox, thousands):
    for k in range(thousands):
        day, minute = 1 + k % 28, k // 28
        sensed = f"2024-06-{day:02d}T10:{minute:02d}:00Z"
        sandbox.catalogue.publish_random(
            1000, sensing_start=sensed, sensing_end=sensed, origin_date=sensed,
            publication_date="2024-06-30T00:00:00Z", modification_date="2024-06-30T00:00:00Z",
        )  # fmt: skip


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to measure")
def test_memory_stays_flat(address, sandbox):
    _many(sandbox, 14)
    added, peak = _peak(address, sandbox, "2024-06-01", "2024-06-30")
    assert added == 14_000
    assert peak < 200


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_memory_stays_flat_for_two_hundred_thousand_products(address, sandbox, record_property):
    _many(sandbox, 200)
    added, peak = _peak(address, sandbox, "2024-06-01", "2024-06-30")
    record_property("peak_mb", peak)
    assert added == 200_000
    assert peak < 200


def test_a_wait_until_a_date_that_is_past_is_over(database, sandbox, api):
    """Retry-After may be a date."""
    fill(sandbox, 3)
    sandbox.faults.next("status", status=429, retry_after=sandbox.clock.now(), match="$expand")
    assert sync(database, api, ALL).exit_code == 0


def test_a_first_answer_from_the_future_does_not_carry_the_cursors_away(database, sandbox):
    fill(sandbox, 3)
    options = SyncOptions(recheck=0, yes=True)
    sandbox.faults.next("skew", seconds=86_400)
    patient = source_of(sandbox, first_wait=1.2)  # a clock that runs is believed after a second
    assert sync(database, patient, ALL, options=options).exit_code == 0
    patient.close()
    sandbox.clock.advance(3 * 3600)
    sandbox.catalogue.publish_random(1, sensing_start="2024-06-15T10:00:00Z")
    sandbox.clock.advance(48 * 3600)
    api = source_of(sandbox)
    sync(database, api, options=options)
    api.close()
    assert mirrored(database) == truth(sandbox)


def test_what_becomes_visible_late_is_found_as_far_as_the_overlap_reaches(database, sandbox, api):
    fill(sandbox, 3)
    options = SyncOptions(recheck=0)
    sync(database, api, ALL, options=options)
    sandbox.clock.advance(7200)
    sync(database, api, options=options)
    late = []
    for minutes in (50, 70):
        at = sandbox.clock.now() - timedelta(minutes=minutes)
        dates = {"publication_date": at, "modification_date": at}
        late += sandbox.catalogue.publish_random(1, sensing_start="2024-06-15T10:00:00Z", **dates)
    assert sync(database, api, options=options).exit_code == 0
    assert [product_id in mirrored(database) for product_id in late] == [True, False]
    sync(database, api)  # lists the windows again
    assert mirrored(database) == truth(sandbox)
