"""A soak of the worker: processes that die, stop and go on, a bad source, and people at the queue, all from one seed."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from blake3 import blake3

from satcat.sandbox import Sandbox, packages

from .soak_worker import POINTS, Orders, Trap, begin

LEASE = 1.0  # seconds
#: For so long the source may take a connection for open that is closed, in seconds.
_UNNOTICED = 0.3
_KINDS: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "reset": lambda chance: {"after": chance.choice([None, 1, chance.randrange(300_000)])},
    "cut": lambda chance: {"after": chance.randrange(300_000)},
    "status": lambda chance: {
        "status": chance.choice([429, 429, 503, 500, 502]), "retry_after": chance.choice([0, 0.1, 0.3]),
        "n": chance.choice([1, 1, 1, 8]),
    },
    "html": lambda chance: {},
    "json": lambda chance: {},
    "length": lambda chance: {"by": chance.choice([-7, 7, 5000])},
    "slow": lambda chance: {"seconds": chance.uniform(0, 0.5)},
    # these can be noticed only where a checksum is published
    "corrupt": lambda chance: {"after": chance.randrange(300_000)},
    "truncated": lambda chance: {"after": chance.randrange(300_000)},
    "unsized": lambda chance: {"after": chance.choice([None, chance.randrange(300_000)])},
}  # fmt: skip
_TREACHEROUS = ("corrupt", "truncated", "unsized")
_RANGES = (
    "honour", "honour", "cdse", "ignore", "claim", "refuse", "wrong", "shifted", "bare", "whole",
    "unconditional",
)  # fmt: skip


@dataclass(eq=False)
class Worker:
    """One process, and what is known of its life; instants are of the monotonic clock."""

    orders: Orders
    process: ForkServerProcess
    died: float | None = None
    stops: list[list[float]] = field(default_factory=list)  # from and to; the last one may be open

    @property
    def stopped(self) -> bool:
        return bool(self.stops) and len(self.stops[-1]) == 1

    def send(self, what: signal.Signals) -> None:
        if self.process.pid is not None and self.process.is_alive():
            os.kill(self.process.pid, what)

    def look(self) -> None:
        """Notice that it has stopped itself."""
        if not self.stopped and self.process.pid is not None and is_stopped(self.process.pid):
            self.stops.append([time.monotonic()])

    def stop(self) -> None:
        if not self.stopped:
            self.send(signal.SIGSTOP)
            self.stops.append([time.monotonic()])

    def go_on(self) -> None:
        self.send(signal.SIGCONT)
        self.stops[-1].append(time.monotonic())

    def kill(self) -> None:
        self.died = time.monotonic()
        self.send(signal.SIGKILL)

    def end(self) -> str:
        """How it ended, once it has: `killed`, `ended`, an outage, or the traceback of what should not be."""
        killed = self.process.exitcode == -signal.SIGKILL
        said = self.orders.said.read_text() if self.orders.said.exists() else ""
        if killed and said.startswith("died"):
            self.died = float(said.split()[1])
        return "killed" if killed else said or f"exit code {self.process.exitcode}"


def is_stopped(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


class Truth:
    """What is right: every version of every product's bytes, by product."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.of: dict[str, set[str]] = {}

    def learn(self, product_id: str) -> None:
        record = self.sandbox.catalogue.products[product_id]
        self.of.setdefault(product_id, set()).add(packages.digests(record)[1])

    @contextmanager
    def watched(self, out: Path) -> Iterator[dict[str, str]]:
        """Hash every file under a final name as soon as it is new; gives those that were ever wrong."""
        wrong: dict[str, str] = {}
        seen: set[tuple[str, int, int, int]] = set()
        ended = threading.Event()

        def look() -> None:
            for path in out.rglob("[!.]*") if out.is_dir() else ():
                if not path.is_file():
                    continue
                at = path.stat()
                key = (str(path), at.st_ino, at.st_size, at.st_mtime_ns)
                if key not in seen:
                    seen.add(key)
                    found = blake3(path.read_bytes()).hexdigest()
                    if not any(found in versions for versions in self.of.values()):
                        wrong[path.name] = found

        def watch() -> None:
            while not ended.wait(0.01):
                try:
                    look()
                except FileNotFoundError:  # between two looks; its successor is looked at next
                    continue

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield wrong
        finally:
            ended.set()
            watcher.join()
            look()


class People:
    """They edit the queue by plain SQL, and remember what they undid."""

    def __init__(self, path: Path, ids: list[str], chance: random.Random) -> None:
        self.path, self.ids, self.chance = path, ids, chance
        self.undone: Counter[str] = (
            Counter()
        )  # how often a row that was done has been asked for again
        self.forgotten: set[str] = set()  # products whose file no row may speak of any more
        self.edits = 0

    def edit(self) -> None:
        one = self.chance.choice(self.ids)
        match self.chance.randrange(8):
            case 0:
                self._do(
                    "INSERT INTO downloads (product_id) VALUES (?) ON CONFLICT DO NOTHING", one
                )
            case 1:
                self._do("UPDATE downloads SET status = 'cancelled' WHERE product_id = ?", one)
            case 2:
                self._do("DELETE FROM downloads WHERE product_id = ?", one, lose=True)
            case 3:
                level = self.chance.randrange(10)
                self._do(f"UPDATE downloads SET priority = {level} WHERE product_id = ?", one)
            case _:
                self._do(
                    "UPDATE downloads SET status = 'queued' WHERE product_id = ?", one, lose=True
                )

    def want_all(self) -> None:
        """Ask for everything that is not done, with no more waiting."""
        self._do(
            "INSERT INTO downloads (product_id) SELECT id FROM products WHERE ? <> '' ON CONFLICT DO NOTHING",
            "all",
        )
        self.end_waiting("cancelled", "gone", "offline")

    def end_waiting(self, *more: str) -> None:
        which = ", ".join(f"'{status}'" for status in ("failed", "bad_at_source", *more))
        self._do(
            "UPDATE downloads SET status = 'queued', attempts = 0, not_before = NULL "
            f"WHERE status IN ({which}) OR (status = 'queued' AND not_before IS NOT NULL) AND ? <> ''", "all",
        )  # fmt: skip

    def _do(self, statement: str, one: str, *, lose: bool = False) -> None:
        """Run a statement about one product; `lose`: its file, if it is done, is removed first."""
        done = "SELECT path FROM downloads WHERE product_id = ? AND status = 'done'"
        with closing(sqlite3.connect(self.path, timeout=0.2, isolation_level=None)) as plain:
            try:
                plain.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:  # a stopped worker holds the catalogue
                return
            before = plain.execute(done, [one]).fetchone()
            plain.execute(statement, [one])
            after = plain.execute(done, [one]).fetchone()
            if lose and before:
                Path(before[0]).unlink()
            plain.execute("COMMIT")
        self.edits += 1
        self.undone[one] += before is not None and after is None
        self.forgotten |= {one} if statement.startswith("DELETE") else set()


class Soak:
    """Some workers at a time on one catalogue, one after the other."""

    def __init__(
        self, orders: Orders, sandbox: Sandbox, ids: list[str], unsummed: set[str], seed: int,
        *, processes: int = 4,
    ) -> None:  # fmt: skip
        self.orders, self.sandbox, self.processes = orders, sandbox, processes
        self.chance = random.Random(seed)
        self.truth = Truth(sandbox)
        for one in ids:
            self.truth.learn(one)
        self.people = People(orders.database, ids, self.chance)
        self.unsummed = unsummed
        self.workers: list[Worker] = []
        self.running: list[Worker] = []
        self.resume_at: dict[Worker, float] = {}
        self.ends: Counter[str] = Counter()
        self.odd: list[str] = []
        self.expired = 0.0  # when the source last ended every token

    @property
    def stops(self) -> int:
        return sum(len(worker.stops) for worker in self.workers)

    def rage(self, kills: int, *, calm: bool = False) -> None:
        """Let everything go wrong until so many processes have been killed; `calm`: only kill and stop."""
        while self.ends["killed"] < kills:
            self._tend(self.processes)
            if self.running and self.chance.random() < 0.08:
                self.chance.choice(self.running).kill()
            if self.running and self.chance.random() < 0.03:
                self.chance.choice(self.running).stop()
            if not calm:
                self._worsen()
            time.sleep(0.02)

    def settle(self, seconds: float = 60) -> None:
        """End all trouble, and let the workers finish."""
        self.sandbox.faults.clear()
        self.sandbox.settings.rate, self.sandbox.settings.chunked = None, False
        self.sandbox.settings.ranges = "honour"
        self._shift(0)
        for worker in self.running:
            if worker.stopped:
                worker.go_on()
            if worker.orders.follow:  # it would never end
                worker.kill()
        deadline = time.monotonic() + seconds
        while self._unfinished() or self.running:
            assert time.monotonic() < deadline, (self._unfinished(), self.odd)
            self.people.want_all()
            self._tend(1 if self._unfinished() else 0, armed=False)
            time.sleep(0.05)

    @property
    def figures(self) -> str:
        requests = self.sandbox.log.matching("$value")
        return (
            f"{dict(self.ends)} of {len(self.workers)} processes, {self.stops} stops, {self.people.edits} edits, "
            f"{len(requests)} requests for files, {self.sandbox.accounts.logins} logins, at most {self.crowd()[0]} at once (more than 4 for {self.crowd()[1]:.2f} s)"
        )

    def close(self) -> None:
        for worker in self.running:
            worker.kill()
            worker.process.join()

    def crowd(self, most: int = 4) -> tuple[int, float]:
        """The most downloads that were open at once, and for how long on end there were more than `most`, in seconds.

        Those of workers stopped past their lease do not count. A clock that jumps frees the slots of living workers too,
        until they renew them, so that for a moment there may be more.
        """
        at_once = longest = since = 0.0
        now = 0
        for instant, change in sorted(self._changes()):
            if now > most:
                longest = max(longest, instant - since)
            if now == most and change > 0:
                since = instant
            now += change
            at_once = max(at_once, now)
        return int(at_once), longest

    def _changes(self) -> Iterator[tuple[float, int]]:
        """When a download began (1), and when one ended (-1)."""
        lives = {f"soak {worker.orders.number}": worker for worker in self.workers}
        for request in self.sandbox.log.matching("$value"):
            worker = lives.get(request.user_agent)
            if worker is None:  # of the test itself, when all are gone
                continue
            ended = request.ended if request.ended is not None else time.monotonic()
            ended = max(min(ended - _UNNOTICED, worker.died or ended), request.started)
            for stop in worker.stops:
                if request.started < stop[0] + LEASE < ended:
                    ended = stop[0] + LEASE  # on its return a beat ends it
            yield from ((request.started, 1), (ended, -1))

    def _tend(self, processes: int, *, armed: bool = True) -> None:
        """Bury the dead, wake the stopped, and fill the ranks."""
        now = time.monotonic()
        for worker in list(self.running):
            worker.look()
            if worker.stopped:
                pause = self.resume_at.setdefault(
                    worker, now + self.chance.uniform(0.3, 2.5) * LEASE
                )
                if now >= pause:
                    del self.resume_at[worker]
                    worker.go_on()
            if worker.process.exitcode is not None:
                self.running.remove(worker)
                self.resume_at.pop(worker, None)
                self._note(worker)
        while len(self.running) < processes:
            self._begin(armed=armed)

    def _begin(self, *, armed: bool) -> None:
        orders = Orders(
            self.orders.folder, self.orders.out, self.orders.urls, number=len(self.workers),
            threads=self.chance.randint(1, 4), follow=armed and self.chance.random() < 0.7, lease=LEASE,
            trap=self._trap() if armed and self.chance.random() < 0.5 else None,
        )  # fmt: skip
        worker = Worker(orders, begin(orders))
        self.workers.append(worker)
        self.running.append(worker)

    def _trap(self) -> Trap:
        return Trap(
            self.chance.choice(POINTS), self.chance.randint(1, 20), self.chance.random() < 0.5,
            self.chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGSTOP]),
        )  # fmt: skip

    def _note(self, worker: Worker) -> None:
        end = worker.end()
        self.ends[end.partition(":")[0]] += 1
        if end not in ("killed", "ended") and not end.startswith("outage"):
            self.odd.append(end)

    def _worsen(self) -> None:
        chance, settings = self.chance, self.sandbox.settings
        for _ in range(chance.choice([0, 0, 1, 2])):
            self.people.edit()
        if chance.random() < 0.05:
            self.people.end_waiting()
        if chance.random() < 0.15 and len(self.sandbox.faults.pending) < 4:
            kind = chance.choice(list(_KINDS))
            options = _KINDS[kind](chance)
            self.sandbox.faults.next(kind, match=self._victim(kind), **options)
        if chance.random() < 0.05:
            settings.ranges = chance.choice(_RANGES)
            settings.rate = chance.choice([None, 300_000, 600_000])
            settings.chunked, settings.etags = chance.random() < 0.2, chance.random() < 0.7
        if chance.random() < 0.02 and time.monotonic() > self.expired + 5:
            # twice in a row it would be a refusal of the account
            self.sandbox.faults.next("expired", match="$value")
            self.expired = time.monotonic()
        if chance.random() < 0.01:
            self._shift(chance.choice([0, 0, 3600, -3600, 200_000, -200_000]))
        if chance.random() < 0.02:
            self._replace(chance.choice(self.people.ids))

    def _victim(self, kind: str) -> Callable[[Any], bool]:
        spared = self.unsummed if kind in _TREACHEROUS else set()
        return lambda request: (
            "$value" in request.path and not any(one in request.path for one in spared)
        )

    def _replace(self, one: str) -> None:
        if one not in self.unsummed:
            self.sandbox.catalogue.replace(one)
            self.truth.learn(one)

    def _shift(self, seconds: float) -> None:
        new = self.orders.folder / "shift.new"
        new.write_text(str(seconds))
        new.replace(self.orders.folder / "shift")

    def _unfinished(self) -> int:
        with closing(sqlite3.connect(self.orders.database, timeout=10)) as plain:
            count = "SELECT count(*) FROM downloads WHERE status = 'done'"
            return len(self.people.ids) - int(plain.execute(count).fetchone()[0])
