"""Workers as real processes that nobody looks after: signals, closed pipes, people's SQL, outages, crowds, secrets."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat.columns import utc_now
from satcat.database import Database
from satcat.downloads import slots
from satcat.models import products
from satcat.sandbox import Sandbox
from tests.engines import WRITE_LOCK, plainly

PASSWORD, TOTP = "s3cret-passw0rd", "918273"
Publish = Callable[..., list[str]]


class Worker:
    """A `satcat download` as a process of its own."""

    def __init__(self, folder: Path, environment: dict[str, str], *args: str) -> None:
        self.said = (folder / f"said-{time.monotonic_ns()}.txt").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "satcat", *args], cwd=folder, text=True,
            env=os.environ | environment, stdout=subprocess.PIPE, stderr=self.said,
        )  # fmt: skip

    def heard(self) -> str:
        """What it said so far."""
        return Path(self.said.name).read_text("utf-8")

    def end(
        self, signal_: signal.Signals | None = None, seconds: float = 60
    ) -> tuple[int, str, str]:
        """Wait for its end, after a signal; gives its exit code and what it said."""
        if signal_ is not None:
            self.process.send_signal(signal_)
        out, _ = self.process.communicate(timeout=seconds)
        self.said.seek(0)
        err = self.said.read()
        self.said.close()
        return self.process.returncode, out, err


@pytest.fixture
def start(tmp_path: Path, sandbox: Sandbox, address: str) -> Iterator[Callable[..., Worker]]:
    """Start workers; what is left of them is killed."""
    workers: list[Worker] = []
    there = {**sandbox.environment, "CDSE_PASSWORD": PASSWORD, "SATCAT_DB": address}

    def start(*args: str, **environment: str) -> Worker:
        workers.append(Worker(tmp_path, there | environment, *(args or ("download",))))
        return workers[-1]

    yield start
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.kill()
            worker.process.wait()
        if worker.process.stdout is not None:
            worker.process.stdout.close()
        worker.said.close()


@pytest.fixture
def sql(address: str) -> Callable[..., list[Any]]:
    """Run a statement as people do, with sqlite3 or psql."""
    return lambda statement, *values: plainly(address, statement, values=values)


def wait_until(true: Callable[[], object], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.03)


def has_bytes(folder: Path, files: int = 1) -> bool:
    parts = list((folder / "products").glob(".*.part"))
    return sum(part.stat().st_size > 0 for part in parts) >= files


@pytest.mark.parametrize(
    ("signal_", "hung"), [("SIGINT", False), ("SIGHUP", False), ("SIGTERM", True)]
)
def test_a_signal_ends_four_transfers_within_seconds_and_every_row_is_released(
    publish: Publish, start: Callable[..., Worker], sql: Callable[..., list[Any]], sandbox: Sandbox,
    tmp_path: Path, signal_: str, hung: bool,
) -> None:  # fmt: skip
    sandbox.settings.rate, sandbox.settings.ranges = 100_000, "honour"
    publish(6, size_bytes=3_000_000)
    if hung:
        sandbox.faults.next("slow", n=9, seconds=6, match="$value")
    worker = start()
    running = "SELECT count(*) FROM downloads WHERE status = 'running'"
    wait_until(lambda: sql(running) == [(4,)] and len(sandbox.log.matching("$value")) == 4)
    wait_until(lambda: hung or has_bytes(tmp_path, 4))
    began = time.monotonic()
    code, _, err = worker.end(getattr(signal, signal_))
    assert time.monotonic() - began < 5
    assert (code, err.splitlines()[-1]) == (
        130,
        "satcat: stopped; run the same command again to go on",
    )
    assert hung or "\n0 files in products, checked; " in f"\n{err}"
    assert sql("SELECT DISTINCT status, worker FROM downloads") == [("queued", None)]
    # one that is still connected keeps its slot; it is free once the process is seen to be dead
    assert sql("SELECT count(worker) FROM account_slots") == [(4 * hung,)]
    assert hung or has_bytes(tmp_path, 4)
    assert sql("SELECT sum(bytes) > 0 FROM download_attempts") == [(int(not hung),)]


@WRITE_LOCK
def test_a_signal_is_heard_within_seconds_even_if_the_catalogue_is_locked(
    publish: Publish, start: Callable[..., Worker], sql: Callable[..., list[Any]], sandbox: Sandbox,
    tmp_path: Path, database: Database,
) -> None:  # fmt: skip
    sandbox.settings.rate, sandbox.settings.ranges = 400_000, "honour"
    publish(6, size_bytes=3_000_000)
    worker = start()
    wait_until(lambda: has_bytes(tmp_path, 4))
    with closing(sqlite3.connect(database.path, isolation_level=None)) as rival:
        rival.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        code, _, err = worker.end(signal.SIGTERM)
        assert time.monotonic() - began < 5
    assert code == 130 and "in use by another program" in err and "Traceback" not in err
    sandbox.settings.rate = None
    assert start().end()[0] == 0
    assert sql("SELECT status, count(*) FROM downloads GROUP BY status") == [("done", 6)]


@WRITE_LOCK
def test_a_second_ctrl_c_ends_at_once_even_if_the_catalogue_is_busy(
    publish: Publish,
    start: Callable[..., Worker],
    sandbox: Sandbox,
    tmp_path: Path,
    database: Database,
) -> None:
    sandbox.settings.rate = 100_000
    publish(2, size_bytes=3_000_000)
    worker = start()
    wait_until(lambda: has_bytes(tmp_path))
    with closing(sqlite3.connect(database.path, isolation_level=None)) as rival:
        rival.execute("BEGIN IMMEDIATE")  # so that giving back takes long
        worker.process.send_signal(signal.SIGINT)
        time.sleep(1.5)
        assert worker.process.poll() is None
        began = time.monotonic()
        assert worker.end(signal.SIGINT)[0] == -signal.SIGINT
        assert time.monotonic() - began < 1.5
        rival.rollback()


def test_a_closed_stderr_does_not_end_a_run(
    publish: Publish, sql: Callable[..., list[Any]], sandbox: Sandbox, tmp_path: Path, address: str
) -> None:
    publish(3)
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "satcat", "-v", "download"], cwd=tmp_path, check=False, timeout=60,
        env=os.environ | sandbox.environment | {"SATCAT_DB": address}, stdout=subprocess.PIPE, stderr=writer,
    )  # fmt: skip
    os.close(writer)
    assert (done.returncode, done.stdout) == (0, b"")
    assert sql("SELECT DISTINCT status FROM downloads") == [("done",)]


def test_events_whose_reader_leaves_end_the_run_in_order(
    publish: Publish, start: Callable[..., Worker], sql: Callable[..., list[Any]], sandbox: Sandbox
) -> None:
    sandbox.settings.rate = 100_000
    publish(6, size_bytes=3_000_000)
    worker = start("download", "--json")
    assert worker.process.stdout is not None
    assert json.loads(worker.process.stdout.readline())["event"] == "started"
    worker.process.stdout.close()
    assert worker.process.wait(timeout=15) == 141
    assert sql("SELECT DISTINCT status, worker FROM downloads") == [("queued", None)]


def test_events_tell_all_of_a_run(
    publish: Publish, start: Callable[..., Worker], sql: Callable[..., list[Any]], sandbox: Sandbox
) -> None:
    good, gone, offline, unknown = *publish(3), "no-product"
    sandbox.catalogue.take_offline(offline)
    sandbox.catalogue.delete(gone)
    sql("INSERT INTO downloads (product_id) VALUES (?)", unknown)
    code, out, err = start("download", "--json").end()
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 7 and "done:" not in err
    told = {
        event["id"]: event
        for event in events
        if event["event"] not in ("started", "progress", "summary")
    }
    assert {i: e["event"] for i, e in told.items()} == {
        good: "finished", gone: "failed", unknown: "failed", offline: "parked",
    }  # fmt: skip
    assert told[unknown]["error"] == "no-product: no product of this catalogue"
    assert told[offline]["again_in_seconds"] == 7200
    assert Path(told[good]["path"]).stat().st_size == told[good]["size_bytes"]
    summary = events[-1]
    assert (summary["event"], summary["done"], summary["failed"], summary["skipped"]) == (
        "summary",
        1,
        2,
        1,
    )
    assert summary["error"] is None


def test_events_of_a_run_that_a_signal_ends_close_with_its_sums(
    publish: Publish, start: Callable[..., Worker], sandbox: Sandbox, tmp_path: Path
) -> None:
    sandbox.settings.rate = 100_000
    publish(2, size_bytes=3_000_000)
    worker = start("download", "--json")
    wait_until(lambda: has_bytes(tmp_path, 2))
    code, out, _ = worker.end(signal.SIGINT)
    summary = json.loads(out.splitlines()[-1])
    assert (code, summary["event"], summary["done"]) == (130, "summary", 0)
    assert summary["error"] == "stopped" and summary["bytes"] > 0


def test_a_row_that_somebody_cancels_or_deletes_is_let_go_and_its_bytes_with_it(
    publish: Publish, start: Callable[..., Worker], sql: Callable[..., list[Any]], sandbox: Sandbox,
    tmp_path: Path,
) -> None:  # fmt: skip
    sandbox.settings.rate = 100_000  # the files take longer than a heartbeat
    cancelled, deleted, kept = publish(3, size_bytes=4_000_000)
    worker = start()
    wait_until(lambda: has_bytes(tmp_path, 3))
    sql("UPDATE downloads SET status = 'cancelled' WHERE product_id = ?", cancelled)
    sql("DELETE FROM downloads WHERE product_id = ?", deleted)
    parts = tmp_path / "products"
    wait_until(lambda: len(list(parts.glob(".*.part"))) == 1)
    assert sql("SELECT status FROM downloads WHERE product_id = ?", kept) == [("running",)]
    worker.end(signal.SIGTERM)
    assert sql("SELECT product_id, status FROM downloads ORDER BY status") == [
        (cancelled, "cancelled"), (kept, "queued"),
    ]  # fmt: skip
    assert len(os.listdir(parts)) == 1


def test_a_failed_row_that_somebody_queues_again_has_its_attempts_anew(
    publish: Publish, run: Callable[..., Any], sql: Callable[..., list[Any]], sandbox: Sandbox, watcher: Any
) -> None:  # fmt: skip
    (one,) = publish()
    sql(
        "UPDATE downloads SET status = 'failed', attempts = 5, error = 'x', finished_at = requested_at"
    )
    sql("UPDATE downloads SET status = 'queued' WHERE product_id = ?", one)
    sandbox.faults.next("status", status=404, n=99, match="$value")
    watcher.on_finish = lambda outcome: watcher.stop.set()
    run(progress=watcher, stop=watcher.stop)
    assert sql("SELECT status, attempts FROM downloads") == [("queued", 1)]
    sandbox.faults.clear()
    sql("UPDATE downloads SET not_before = NULL")
    assert run().done == 1
    assert sql("SELECT status, error FROM downloads") == [("done", None)]


def test_one_message_when_an_outage_begins_and_one_when_it_ends(
    publish: Publish, start: Callable[..., Worker], sql: Callable[..., list[Any]], sandbox: Sandbox
) -> None:
    publish(5)
    sandbox.stop()
    worker = start("download", "--follow")
    wait_until(lambda: "waiting:" in Path(worker.said.name).read_text())
    sandbox.start()

    def are_done() -> bool:
        sql("UPDATE downloads SET not_before = NULL")  # nobody wants to wait half a minute
        return sql("SELECT DISTINCT status FROM downloads") == [("done",)]

    wait_until(are_done, seconds=90)
    code, _, err = worker.end(signal.SIGTERM)
    lines = [line for line in err.splitlines() if line and not line.startswith("done:")]
    assert code == 130
    assert [line.split()[0] for line in lines] == ["waiting:", "going", "5", "satcat:"], err
    assert sql("SELECT max(attempts) FROM downloads") == [(0,)]


def test_three_processes_of_four_never_have_more_than_four_connections_even_if_one_is_killed(
    publish: Publish, start: Callable[..., Worker], sql: Callable[..., list[Any]], sandbox: Sandbox,
    tmp_path: Path,
) -> None:  # fmt: skip
    sandbox.settings.rate = 400_000
    publish(14, size_bytes=400_000)
    workers = [start() for _ in range(3)]
    busy = "SELECT count(*), count(DISTINCT worker) FROM account_slots WHERE worker IS NOT NULL"
    wait_until(lambda: sql(busy)[0][0] == slots.MOST)
    holder = int(
        sql("SELECT worker FROM account_slots WHERE worker IS NOT NULL")[0][0].split(":")[1]
    )
    victim = next(worker for worker in workers if worker.process.pid == holder)
    victim.process.kill()
    victim.process.wait()
    killed = time.monotonic()
    workers.append(
        start()
    )  # each looks for the dead as it begins; the others might be done before they do
    dead = "SELECT count(*) FROM account_slots WHERE worker LIKE ?"
    wait_until(lambda: sql(dead, f"%:{holder}:%") == [(0,)])  # not the lease of a minute
    for worker in workers:
        if worker is not victim:
            assert worker.end(seconds=120)[0] == 0
    assert sql("SELECT DISTINCT status FROM downloads") == [("done",)]
    asked = sandbox.log.matching("$value")
    again = {request.path for request in asked if request.started > killed}
    for request in asked:  # the source notices only when it next writes that the dead hung up
        if request.started < killed and request.path in again:
            request.ended = min(request.ended or killed, killed)
    assert sandbox.log.peak("$value") <= slots.MOST


def test_a_run_that_gets_no_connection_says_whose_they_are_and_who_did_its_work(
    publish: Publish,
    start: Callable[..., Worker],
    sql: Callable[..., list[Any]],
    database: Database,
) -> None:
    publish(1)
    account = slots.account_key("cdse", "sandbox")
    with database.write() as connection:
        assert all(slots.acquire(connection, account, "other:1:x:0") for _ in range(slots.MOST))
    worker = start()
    wait_until(
        lambda: "waiting: other workers of this catalogue have all connections" in worker.heard()
    )
    sql("UPDATE downloads SET status = 'done'")
    code, _, err = worker.end()
    assert (code, err.splitlines()[1:]) == (
        0, ["another worker took what was waiting; `satcat queue` shows what came of it"]
    )  # fmt: skip


def test_small_files_are_not_slowed_by_slots_that_are_freed_late(
    publish: Publish, start: Callable[..., Worker], sandbox: Sandbox
) -> None:
    sandbox.settings.slot_delay = 0.3
    publish(12, size_bytes=20_000)
    code, out, _ = start("download", "--json").end()
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and events[-1]["done"] == 12
    refused = [r for r in sandbox.log.matching("$value") if r.status == 429]
    assert len(refused) < 24
    assert sum(event["event"] == "waiting" for event in events) == 0


def test_one_login_serves_a_run_whose_tokens_live_two_seconds(
    publish: Publish, start: Callable[..., Worker], sandbox: Sandbox
) -> None:
    sandbox.settings.token_seconds, sandbox.settings.rate = 2, 150_000
    publish(16, size_bytes=150_000)
    assert start().end()[0] == 0
    assert sandbox.accounts.logins == 1
    assert len(sandbox.log.matching("/token")) <= 16
    assert [r.status for r in sandbox.log.matching("$value")].count(200) == 16


def test_refused_credentials_are_one_line_and_one_login(
    publish: Publish, start: Callable[..., Worker], sql: Callable[..., list[Any]], sandbox: Sandbox
) -> None:
    publish(8)
    code, out, err = start("download", CDSE_PASSWORD="wrong").end()
    assert (code, out, len(err.splitlines())) == (5, "", 1)
    assert "refused the login" in err and "CDSE_TOTP" in err
    assert len(sandbox.log.matching("/token")) == 1
    assert sql("SELECT DISTINCT status, attempts FROM downloads") == [("queued", 0)]


def test_nothing_secret_is_said_or_kept_and_netrc_replaces_no_token(
    publish: Publish,
    start: Callable[..., Worker],
    sandbox: Sandbox,
    tmp_path: Path,
    database: Database,
) -> None:
    sandbox.settings.require_totp, sandbox.settings.token_seconds = True, 2
    sandbox.settings.rate = 200_000
    publish(6, size_bytes=200_000)
    sandbox.faults.next("expired", match="$value")
    netrc = tmp_path / "netrc"
    netrc.write_text(
        "machine 127.0.0.1 login other password other\nmachine localhost login o password o\n"
    )
    worker = start("-vv", "download", CDSE_TOTP=TOTP, NETRC=str(netrc))
    wait_until(lambda: has_bytes(tmp_path))
    shown = Path(f"/proc/{worker.process.pid}/cmdline")
    listed = shown.read_bytes() if shown.exists() else b""
    code, out, err = worker.end()
    assert code == 0, err
    assert {r.status for r in sandbox.log.matching("$value")} <= {200, 401}
    secrets = [PASSWORD, TOTP, *sandbox.accounts._access, *sandbox.accounts._sessions]
    assert len(secrets) > 4
    database.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("satcat.db*"))
    for secret in secrets:
        assert secret not in out + err
        assert secret.encode() not in kept and secret.encode() not in listed


def test_a_session_that_is_over_asks_for_a_new_code(
    publish: Publish, start: Callable[..., Worker], sql: Callable[..., list[Any]], sandbox: Sandbox
) -> None:
    sandbox.settings.require_totp = True
    sandbox.settings.token_seconds, sandbox.settings.refresh_seconds = 1, 2
    sandbox.settings.rate = 100_000
    gone, *_ = publish(13, size_bytes=150_000)
    sandbox.catalogue.delete(gone)
    sql("UPDATE downloads SET priority = 1 WHERE product_id = ?", gone)
    code, out, err = start("download", CDSE_TOTP=TOTP).end()
    assert (code, out) == (5, f"{gone}\n")
    assert "needs a new code" in err.splitlines()[-1] and "set CDSE_TOTP" in err
    done = sql("SELECT count(*) FROM downloads WHERE status = 'done'")[0][0]
    summary = err.splitlines()[-2]
    assert summary.startswith(f"{done} files in products, checked; ") and "; 1 failed" in summary
    assert sandbox.accounts.logins == 1
    statuses = dict(sql("SELECT status, count(*) FROM downloads GROUP BY status"))
    assert set(statuses) == {"done", "gone", "queued"}


def test_offline_products_are_parked_and_fetched_when_the_mirror_hears_that_they_are_back(
    publish: Publish, start: Callable[..., Worker], sql: Callable[..., list[Any]], sandbox: Sandbox,
    database: Database, row: Callable[[str], Any],
) -> None:  # fmt: skip
    def hours() -> float:
        return float((row(one).not_before - row(one).finished_at) / timedelta(hours=1))

    (one,) = publish()
    sandbox.catalogue.take_offline(one)
    code, out, err = start().end()
    assert (code, out.strip()) == (7, one) and "again in 2 h" in err
    assert row(one).status == "offline" and hours() == pytest.approx(2, abs=0.01)
    assert start().end()[0] == 0  # not due: nobody asks
    assert sql("SELECT status, claim FROM downloads") == [("offline", 1)]
    sql("UPDATE downloads SET not_before = '2020-01-01T00:00:00.000000Z'")
    sandbox.log.clear()
    start().end()
    assert sql("SELECT status, claim, attempts FROM downloads") == [("offline", 2, 0)]
    assert len(sandbox.log.matching("$value")) == 0  # its metadata said so
    assert hours() == pytest.approx(4, abs=0.01)
    sandbox.catalogue.modify(one, online=True)
    with database.write() as connection:
        connection.execute(sa.update(products).values(online=True, changed_at=utc_now()))
    assert start().end()[0] == 0
    assert sql("SELECT status FROM downloads") == [("done",)]


def test_a_product_that_the_source_deleted_says_when_and_why(
    publish: Publish, start: Callable[..., Worker], sql: Callable[..., list[Any]]
) -> None:
    (one,) = publish()
    ((name,),) = sql("SELECT name FROM products")
    sql(
        "INSERT INTO deleted_products (id, name, deletion_date, deletion_cause, kind, noticed_at) VALUES "
        "(?, ?, '2026-03-04T05:06:07.000000Z', 'Duplicated product', 'deleted', '2026-03-05T00:00:00.000000Z')",
        one, name,
    )  # fmt: skip
    sql("DELETE FROM products")
    assert start().end()[0] == 7
    said = f"{name}: deleted by the source on 2026-03-04 05:06:07 UTC: Duplicated product"
    assert sql("SELECT status, error FROM downloads") == [("gone", said)]
