"""One sync leads at a time in PostgreSQL; whoever lost the lead, in whatever way, stores nothing any more."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat.database import Database
from satcat.errors import CatalogueLockedError
from satcat.sandbox import Sandbox
from tests.engines import address_of, plainly
from tests.postgres import Server

from .conftest import fill

#: Leads, and stores a scope for each line that it hears; for `wait`, it does so when it hears another line.
LEADER = """
import sys
import sqlalchemy as sa
from satcat.database import Database
from satcat.models import scopes
with Database.open(sys.argv[1]) as database, database.syncing("satcat sync"):
    print("leads", flush=True)
    for name in map(str.strip, sys.stdin):
        try:
            with database.write() as connection:
                row = {"name": name, "source": "cdse", "url": "u", "collection": "c", "filters": "{}", "slices": "[]"}
                connection.execute(sa.insert(scopes).values(**row))
                if name == "wait":
                    print("waits", flush=True)
                    sys.stdin.readline()
            print("stored", flush=True)
        except Exception as error:
            print(f"{type(error).__name__}: {error}", flush=True)
"""
LEADS = "application_name LIKE 'satcat: satcat sync%'"
WRITES = "state = 'idle in transaction'"


@pytest.fixture(scope="module")
def catalogues(postgres: Server) -> Server:
    return postgres


class Leader:
    """A process that leads."""

    def __init__(self, address: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", LEADER, address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        assert self.hears() == "leads"

    def hears(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def says(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")

    def stores(self, name: str) -> str:
        self.says(name)
        return self.hears()


@pytest.fixture
def lead(address: str) -> Iterator[Callable[..., Leader]]:
    leaders: list[Leader] = []

    def lead(where: str = address) -> Leader:
        leaders.append(Leader(where))
        return leaders[-1]

    yield lead
    for leader in leaders:
        leader.process.kill()
        leader.process.communicate()


def end_sessions(database: Database, which: str) -> None:
    with database.engine.connect() as connection:
        ended = connection.scalars(
            sa.text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                f"WHERE datname = current_database() AND pid <> pg_backend_pid() AND {which}"
            )
        )
        assert True in list(ended)


def scopes(database: Database) -> list[str]:
    return [name for (name,) in plainly(address_of(database), "SELECT name FROM scopes ORDER BY 1")]


def wait_until(true: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_second_sync_is_told_who_leads(lead: Callable[[], Leader], database: Database) -> None:
    leader = lead()
    with pytest.raises(CatalogueLockedError) as raised, database.syncing("satcat sync"):
        pass
    assert f"satcat sync (process {leader.process.pid} on {socket.gethostname()}" in str(
        raised.value
    )


def test_who_follows_a_killed_leader_leads_at_once(
    lead: Callable[[], Leader], database: Database
) -> None:
    leader = lead()
    assert leader.stores("one") == "stored"
    leader.says("wait")
    assert leader.hears() == "waits"
    leader.process.kill()
    with database.syncing("satcat sync"):
        assert scopes(database) == ["one"]


def test_a_leader_whose_session_was_ended_stores_nothing_any_more(
    lead: Callable[[], Leader], database: Database
) -> None:
    old = lead()
    end_sessions(database, LEADS)
    new = lead()  # at once
    for name in ("one", "two"):
        said = old.stores(name)
        assert (
            said.startswith("CatalogueUnreachableError: ")
            and "has ended this sync's session" in said
        )
    assert new.stores("three") == "stored"
    new.process.kill()
    assert "has ended this sync's session" in old.stores("four")  # though nobody leads
    assert scopes(database) == ["three"]


def test_a_new_leader_waits_for_what_the_old_one_is_just_storing(
    lead: Callable[[], Leader], database: Database
) -> None:
    old = lead()
    old.says("wait")
    assert old.hears() == "waits"
    end_sessions(database, LEADS)
    seen: list[list[str]] = []

    def follow() -> None:
        with database.syncing("satcat sync"):
            seen.append(scopes(database))

    new = threading.Thread(target=follow)
    new.start()
    new.join(0.5)
    assert new.is_alive() and seen == []
    assert old.stores("go on") == "stored"
    new.join(20)
    assert seen == [["wait"]]


def test_a_leader_that_was_stopped_in_a_transaction_wakes_to_nothing(
    lead: Callable[..., Leader], database: Database
) -> None:
    options = {"options": "-c idle_in_transaction_session_timeout=1s"}
    old = lead(database.engine.url.update_query_dict(options).render_as_string(hide_password=False))
    old.says("wait")
    assert old.hears() == "waits"
    os.kill(old.process.pid, signal.SIGSTOP)
    end_sessions(database, LEADS)
    new = lead()
    assert new.stores("one") == "stored"
    os.kill(old.process.pid, signal.SIGCONT)
    assert "Unreachable" in old.stores("go on")
    assert "has ended this sync's session" in old.stores("two")
    assert scopes(database) == ["one"]


def test_settings_of_the_url_are_heeded_but_for_the_time_zone(database: Database) -> None:
    options = {
        "options": "-c idle_in_transaction_session_timeout=2s -c jit=on --timezone=Asia/Tokyo"
    }
    url = database.engine.url.update_query_dict(options).render_as_string(hide_password=False)
    with Database.open(url) as opened, opened.read() as connection:
        names = ("idle_in_transaction_session_timeout", "jit", "TimeZone", "lock_timeout")
        shown = [connection.scalar(sa.text(f"SHOW {name}")) for name in names]
    assert shown == ["2s", "on", "UTC", "30s"]


def test_a_durable_write_waits_for_the_disk_whatever_the_server_is_told(database: Database) -> None:
    options = {"options": "-c synchronous_commit=off"}
    url = database.engine.url.update_query_dict(options).render_as_string(hide_password=False)
    with Database.open(url) as opened:
        shown = []
        for durable in (True, False):
            with opened.write(durable=durable) as connection:
                shown.append(connection.scalar(sa.text("SHOW synchronous_commit")))
    assert shown == ["on", "off"]


@pytest.mark.parametrize("which", [LEADS, "true"])
def test_a_sync_whose_session_is_ended_says_so_and_the_next_one_completes_it(
    which: str, address: str, database: Database, sandbox: Sandbox, tmp_path: Path
) -> None:
    ids = fill(sandbox, 2500)

    def sync(*args: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "satcat", "sync", *args], cwd=tmp_path, text=True, stderr=subprocess.PIPE,
            env=os.environ | sandbox.environment | {"SATCAT_DB": address},
        )  # fmt: skip

    def held() -> Any:
        return plainly(address, "SELECT count(*) FROM products")[0][0]

    sandbox.faults.next("slow", n=1000, seconds=1, match="Products")
    scope = ("--collection", "SENTINEL-2", "--start", "2024-06-01", "--end", "2024-06-30")
    first = sync(*scope)
    wait_until(lambda: held() > 0)
    end_sessions(database, which)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 3, said
    assert "Traceback" not in said
    assert [line for line in said.splitlines() if line.startswith("satcat: ")][-1].count(
        "server of"
    ) == 1
    assert 0 < held() < 2500
    sandbox.faults.clear()
    again = sync()
    _, said = again.communicate(timeout=60)
    assert again.returncode == 0, said
    rows = plainly(address, "SELECT id FROM products")
    assert {one for (one,) in rows} == set(ids)
