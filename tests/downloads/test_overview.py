"""The queue at a glance: what it says is counted again here by hand."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from satcat import times
from satcat.database import Database
from satcat.downloads import marks, queue, quota
from satcat.downloads.identity import worker_name
from satcat.downloads.overview import Later, Overview, Reason, overview
from satcat.downloads.policy import Verdict
from satcat.downloads.queue import Held
from satcat.models import download_attempts, downloads

TB = 10**12
Hold = Callable[..., list[str]]


@pytest.fixture
def hold(database: Database, add_products: Callable[..., None]) -> Hold:
    """Put products into the catalogue and mark them; gives their ids."""

    def hold(*sizes: int | None) -> list[str]:
        ids = [
            f"{random.Random(len(sizes)).randrange(10**7):08x}-0000-4000-8000-{n:012d}"
            for n in range(len(sizes))
        ]
        add_products(
            *(
                {"id": i, "name": f"S2A_{i}.SAFE", "size_bytes": s}
                for i, s in zip(ids, sizes, strict=True)
            )
        )
        with database.write() as connection:
            marks.mark(connection, ids)
        return ids

    return hold


def look(database: Database) -> Overview:
    with database.read() as connection:
        return overview(connection)


def attempt(database: Database, days_ago: float, size: int, seconds: float | None = 10) -> None:
    start = times.now() - timedelta(days=days_ago)
    end = None if seconds is None else start + timedelta(seconds=seconds)
    with database.write() as connection:
        connection.execute(
            sa.insert(download_attempts).values(
                product_id="x",
                claim=1,
                worker="w",
                started_at=start,
                finished_at=end,
                bytes=size,
                outcome="done",
            )
        )


def test_an_empty_queue_is_nothing(database: Database) -> None:
    seen = look(database)
    assert not any(tally.rows for tally in seen.statuses.values())
    assert (seen.bytes_left, seen.unknown_sizes, seen.rate, seen.seconds_left) == (0, 0, None, 0)


def test_what_is_left_counts_what_is_here_and_says_what_is_unknown(
    database: Database, hold: Hold
) -> None:
    ids = hold(1000, 2000, None, 4000)
    with database.write() as connection:
        half = sa.update(downloads).where(downloads.c.product_id == ids[0])
        connection.execute(half.values(bytes_done=400))
        parts = sa.update(downloads).where(downloads.c.product_id == ids[1])
        connection.execute(parts.values(include="*.jp2"))
        again = sa.update(downloads).where(downloads.c.product_id == ids[3])
        connection.execute(again.values(bytes_done=4000))  # queued again, as by `verify --repair`
    seen = look(database)
    assert (seen.bytes_left, seen.unknown_sizes) == (600 + 4000, 2)
    assert seen.seconds_left == pytest.approx(4600 / 80e6)


def test_what_runs_is_shown_with_its_worker_and_its_rate(database: Database, hold: Hold) -> None:
    hold(10_000, 10_000)
    with database.write() as connection:
        first = queue.claim(connection, worker_name(0), "cdse")
        second = queue.claim(connection, "elsewhere:77:x:1", "cdse", lease=timedelta(seconds=-1))
        assert first is not None and second is not None
        before = queue.clock(connection) - timedelta(seconds=10)
        connection.execute(sa.update(downloads).values(started_at=before))
        assert queue.heartbeat(connection, [(first, 5_000, 3_000)]) == []
    (ours, lost) = sorted(look(database).running, key=lambda one: one.is_silent)
    assert (ours.product_id, ours.bytes_done, ours.size_bytes) == (first.product_id, 5_000, 10_000)
    assert ours.rate == pytest.approx(300, rel=0.05)
    assert (lost.host, lost.pid, lost.is_silent, lost.rate) == ("elsewhere", 77, True, None)
    assert look(database).transferred == 3_000  # although nothing has ended


def test_failures_are_grouped_by_what_they_have_in_common(database: Database, hold: Hold) -> None:
    ids = hold(*[1] * 6)
    verdicts = [Verdict("bad_at_source"), Verdict("bad_at_source"), Verdict("failed"), Verdict("queued", wait=60),
                Verdict("offline", wait=7200), Verdict("queued", counts=False)]  # fmt: skip
    with database.write() as connection:
        for verdict in verdicts:
            claimed = queue.claim(connection, "w", "cdse")
            assert claimed is not None
            name = f"S2A_{claimed.product_id}.SAFE"
            error = {
                "bad_at_source": f"{name}: blake3 is {'a' * 63}{random.randrange(10)}, not {'b' * 64}",
                "failed": "h refused the request with status 400: no",
                "offline": f"{name}: in the source's archive",
            }.get(verdict.status, "h: 123456 bytes arrived" if verdict.wait else None)
            queue.settle(connection, claimed, verdict, error=error)
    seen = look(database)
    assert seen.reasons == [
        Reason("bad_at_source", "blake3 is …, not …", 2),
        Reason("failed", "h refused the request with status 400: no", 1),
        Reason("offline", "in the source's archive", 1),
        Reason("queued", "h: … bytes arrived", 1),
    ]
    for later, seconds in ((seen.delayed, 60), (seen.parked, 7200)):
        assert later.downloads == 1 and later.first_at is not None
        assert (later.first_at - seen.at).total_seconds() == pytest.approx(seconds, abs=5)
    assert len(ids) == 6
    assert seen.statuses["queued"].rows == 2
    assert look(database).parked != Later(0, None)


def test_the_transfer_of_thirty_days_is_counted_day_by_day(database: Database) -> None:
    chance = random.Random(3)
    spans = [(chance.uniform(0, 40), chance.randrange(10**9)) for _ in range(300)]
    for days_ago, size in spans:
        attempt(database, days_ago, size)
    with database.read() as connection:
        days = quota.transferred(connection)
    assert len(days) == 30
    assert sum(days) == sum(size for days_ago, size in spans if days_ago < 30)
    midnight = times.now().replace(hour=0, minute=0, second=0, microsecond=0)
    today = [s for ago, s in spans if times.now() - timedelta(days=ago) >= midnight]
    assert days[-1] == sum(today)


def test_the_rate_is_that_of_all_connections_together_and_counts_no_pause(
    database: Database,
) -> None:
    for _ in range(4):  # at once
        attempt(database, 2, 1_000_000, 10)
    attempt(database, 1, 1_000_000, 10)
    with database.read() as connection:
        assert quota.measured_rate(connection) == pytest.approx(5_000_000 / 20, rel=0.01)


def test_a_killed_workers_bytes_are_counted(database: Database, hold: Hold) -> None:
    hold(10_000)
    with database.write() as connection:
        claimed = queue.claim(connection, "host:1:x-1:0", "cdse", lease=timedelta(seconds=-1))
        assert claimed is not None
        queue.heartbeat(connection, [(claimed, 700, 700)], lease=timedelta(seconds=-1))
        again = queue.claim(connection, "other", "cdse")
        assert again is not None
        held = Held("/x", 10_000, "md5", "0", "checksum")
        queue.finish(connection, again, held, bytes_fetched=9_300)
        rows = connection.execute(
            sa.select(download_attempts.c.outcome, download_attempts.c.bytes)
        ).all()
    assert [tuple(row) for row in rows] == [("lost", 700), ("done", 9_300)]
    assert look(database).transferred == 10_000


@pytest.mark.parametrize(
    ("left", "rate", "days", "seconds"),
    [
        (0, 80e6, [0] * 30, 0),
        (800_000_000, 80e6, [0] * 30, 10),
        (int(1.5 * TB), 80e6, [0] * 30, 1.5 * TB / 80e6),
        (1_000_000_000, 80e6, [0] * 29 + [12 * TB], 1000),  # the quota is spent: 1 MB/s
        (1_000_000_000, 10_000, [0] * 29 + [12 * TB], 100_000),  # slower than that anyway
        (1_000_000_000, 80e6, [12 * TB, *[0] * 29], 1000),  # until midnight it still counts
    ],
)  # fmt: skip
def test_the_time_needed_heeds_the_quota(
    left: int, rate: float, days: list[int], seconds: float
) -> None:
    assert quota.seconds_needed(left, rate, days) == pytest.approx(seconds, rel=1e-6)


def test_more_than_the_quota_takes_until_old_transfers_no_longer_count() -> None:
    spent_first = quota.seconds_needed(12 * TB, 80e6, [0] * 30)
    assert spent_first == pytest.approx(12 * TB / 80e6)
    a_bit_more = quota.seconds_needed(13 * TB, 80e6, [0] * 30)
    assert 86_400 * 10 < a_bit_more < 86_400 * 31  # at 1 MB/s a terabyte takes 11.6 days
    assert quota.seconds_needed(24 * TB, 80e6, [0] * 30) > 86_400 * 29


def test_an_overview_is_plain_data(database: Database, hold: Hold) -> None:
    import json

    from satcat.cli.overview import as_json

    hold(5, None)
    seen: dict[str, Any] = json.loads(as_json(look(database)))
    assert seen["statuses"]["queued"] == {"rows": 2, "bytes": 5, "unknown": 1}
    assert seen["at"].endswith("Z") and seen["running"] == []


@pytest.mark.parametrize("to_terminal", [True, False])
def test_names_of_what_runs_are_cut_to_a_terminal_alone(
    database: Database, add_products: Callable[..., None], monkeypatch: pytest.MonkeyPatch,
    to_terminal: bool,
) -> None:  # fmt: skip
    from satcat.cli.overview import lines

    monkeypatch.setenv("COLUMNS", "80")
    name = "S2B_MSIL2A_20240604T110619_N0510_R137_T30TWM_20240604T125003.SAFE"
    add_products({"id": "a", "name": name, "size_bytes": 1_234_567_890})
    with database.write() as connection:
        marks.mark(connection, ["a"])
        assert queue.claim(connection, worker_name(0), "cdse") is not None
    (shown,) = (line for line in lines(look(database), to_terminal=to_terminal) if "S2B_" in line)
    assert len(shown) <= 80 if to_terminal else shown.endswith(name)
