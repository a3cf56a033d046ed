"""Real worker processes: killed at any instant, and several on one catalogue."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from blake3 import blake3

from satcat.database import Database
from satcat.downloads import slots
from satcat.models import downloads, products
from satcat.sandbox import Sandbox
from tests.engines import address_of

WORKER = """
import json, sys
from pathlib import Path
from satcat.api.odata import ODataAPI
from satcat.api.patience import Patience
from satcat.database import Database
from satcat.downloads import worker
print("ready", flush=True)
with Database.open(sys.argv[1]) as database:
    try:
        report = worker.run(
            database, ODataAPI(), Path(sys.argv[2]), patience=Patience(first_delay=0.01),
            timing=worker.Timing(lease=60, beat=0.2, poll=0.02),
        )
        print(json.dumps({"done": report.done, "failed": report.failed}))
    except KeyboardInterrupt:
        print("interrupted")
"""

#: Kills the process at one point of the last steps: before the file has its name, while it has two, when it has it.
KILLED_AT = """
import os, signal, sys
place = sys.argv[3]
named = False
def hook(event, args):
    global named
    if event == place or (place == "named" and named and event == "open"):
        os.kill(os.getpid(), signal.SIGKILL)
    named = named or event == "os.remove"
sys.addaudithook(hook)
"""


def start(
    database: Database, out: Path, sandbox: Sandbox, killed_at: str = ""
) -> subprocess.Popen[str]:
    script = (KILLED_AT if killed_at else "") + WORKER
    child = subprocess.Popen(
        [sys.executable, "-c", script, address_of(database), str(out), killed_at],
        env={**os.environ, **sandbox.environment}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None and child.stdout.readline() == "ready\n"
    return child


def wait_until(true: Callable[[], object], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def stop_past_lease(database: Database, child: subprocess.Popen[str]) -> None:
    """Stop a worker that is in no transaction, and end its leases."""
    with database.write() as connection:  # so the worker is in none, and cannot begin one
        connection.execute(sa.update(downloads).values(lease_until=None))
        child.send_signal(signal.SIGSTOP)
        stat = Path(f"/proc/{child.pid}/stat")
        wait_until(lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")


def statuses(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.scalars(sa.select(downloads.c.status)))


@contextmanager
def observed(out: Path, right: set[str]) -> Iterator[set[str]]:
    """Hash every file under a final name, over and over; gives the names of those that were ever wrong."""
    wrong: set[str] = set()
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.005):
            for path in out.glob("[!.]*") if out.is_dir() else ():
                if blake3(path.read_bytes()).hexdigest() not in right:
                    wrong.add(path.name)

    observer = threading.Thread(target=look)
    observer.start()
    try:
        yield wrong
    finally:
        ended.set()
        observer.join()


def test_a_file_under_its_final_name_is_right_at_every_instant_whoever_is_killed(
    publish: Callable[..., list[str]],
    run: Callable[..., Any],
    database: Database,
    sandbox: Sandbox,
    out: Path,
) -> None:
    sandbox.settings.ranges, sandbox.settings.rate = "honour", 4_000_000
    ids = publish(12, size_bytes=700_000)
    for kind in ("corrupt", "cut", "html", "corrupt", "truncated"):
        sandbox.faults.next(kind, match="$value", after=300_000)
    with database.read() as connection:
        right = set(connection.scalars(sa.select(products.c.blake3)))
    chance = random.Random(7)
    with observed(out, right) as wrong:
        for _ in range(4):
            child = start(database, out, sandbox)
            time.sleep(chance.uniform(0.2, 0.9))
            child.send_signal(signal.SIGKILL)
            child.communicate()
        sandbox.settings.rate = None
        began = time.monotonic()
        run()
    assert time.monotonic() - began < 20  # not the lease of a minute: the dead are seen to be dead
    assert wrong == set()
    assert statuses(database) == ["done"] * 12
    assert len(os.listdir(out)) == len(ids)
    assert {blake3(path.read_bytes()).hexdigest() for path in out.iterdir()} == right


def test_a_killed_workers_bytes_are_gone_on_with(
    publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], database: Database,
    sandbox: Sandbox, out: Path,
) -> None:  # fmt: skip
    sandbox.settings.ranges, sandbox.settings.rate = "honour", 1_000_000
    (one,) = publish(size_bytes=5_000_000)
    child = start(database, out, sandbox)
    wait_until(lambda: out.is_dir() and any(p.stat().st_size > 1_000_000 for p in out.iterdir()))
    child.send_signal(signal.SIGKILL)
    wait_until(lambda: child.poll() is not None)
    child.communicate()
    assert row(one).status == "running"
    sandbox.settings.rate = None
    sandbox.log.clear()
    report = run()
    assert report.done == 1 and report.bytes < 4_100_000
    assert row(one).claim == 2
    assert sandbox.log.matching("$value")[0].range is not None
    assert os.listdir(out) == [Path(row(one).path).name]


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("place", ["os.link", "os.remove", "named"])
def test_killed_in_the_last_steps_the_file_is_known_and_not_fetched_again(
    place: str, published: bool, publish: Callable[..., list[str]], run: Callable[..., Any],
    row: Callable[[str], Any], database: Database, sandbox: Sandbox, out: Path,
) -> None:  # fmt: skip
    (one,) = publish()
    if not published:
        sandbox.catalogue.late_checksum(one)
        with database.write() as connection:
            connection.execute(sa.update(products).values(blake3=None, md5=None))
    child = start(database, out, sandbox, killed_at=place)
    child.communicate()
    assert child.returncode == -signal.SIGKILL
    assert row(one).status == "running" and row(one).path is not None
    sandbox.log.clear()
    report = run()
    unsaid = (
        place == "os.link" and not published
    )  # an unnamed file without a checksum to know it by
    assert (report.done, bool(report.bytes)) == (1, unsaid)
    assert os.listdir(out) == [Path(row(one).path).name]
    assert blake3(Path(row(one).path).read_bytes()).hexdigest() == row(one).checksum
    assert row(one).verification == ("checksum" if published else "structure")


def test_ctrl_c_stops_within_a_second_and_gives_every_row_back(
    publish: Callable[..., list[str]], database: Database, sandbox: Sandbox, out: Path
) -> None:
    sandbox.settings.rate = 500_000
    publish(6, size_bytes=3_000_000)
    child = start(database, out, sandbox)
    wait_until(lambda: statuses(database).count("running") == 4)
    time.sleep(0.3)
    began = time.monotonic()
    child.send_signal(signal.SIGINT)
    said, _ = child.communicate()
    assert time.monotonic() - began < 5  # with leaving the interpreter, on a busy machine
    assert (said, child.returncode) == ("interrupted\n", 0)
    assert statuses(database) == ["queued"] * 6


def test_two_workers_share_the_queue_and_four_connections(
    publish: Callable[..., list[str]], database: Database, sandbox: Sandbox, out: Path
) -> None:
    sandbox.settings.rate = 500_000  # slow enough for the second to arrive in time
    publish(24, size_bytes=300_000)
    children = [start(database, out, sandbox) for _ in range(2)]
    done = [json.loads(child.communicate()[0])["done"] for child in children]
    assert (
        sum(done) == 24
    )  # who gets how many is chance: four connections are few for eight threads
    assert sandbox.log.peak("$value") <= slots.MOST
    requests = sandbox.log.matching("$value")
    assert len(requests) == 24 and not [request for request in requests if request.status != 200]
    assert len(list(out.iterdir())) == 24
