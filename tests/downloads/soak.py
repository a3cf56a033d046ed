"""A soak of the worker: processes that die, stop and go on, a bad source, and people at the queue, all from one seed."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from satcat.sandbox import Sandbox
from tests.engines import plainly

from .soak_people import Mixed, People, Truth
from .soak_worker import POINTS, Orders, Trap, begin

LEASE = 1.0  # seconds
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
            with suppress(ProcessLookupError):  # it has ended in this moment
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

    def connections(self) -> list[tuple[float, float]]:
        """When each connection for bytes was opened and closed."""
        opened, closed = {}, {}
        for line in (
            self.orders.opened.read_text().splitlines() if self.orders.opened.exists() else ()
        ):
            what, number, instant = line.split()
            (opened if what == "+" else closed)[number] = float(instant)
        end = self.died if self.died is not None else time.monotonic()
        return [(opened[n], max(opened[n], min(closed.get(n, end), end))) for n in opened]

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


class Soak:
    """Some workers at a time on one catalogue, one after the other."""

    hosts: tuple[str, ...] = ("",)  # that they run on; "": this one

    def __init__(
        self, orders: Orders, sandbox: Sandbox, mixed: Mixed, seed: int, *, processes: int = 4,
    ) -> None:  # fmt: skip
        self.orders, self.sandbox, self.processes = orders, sandbox, processes
        # A lease that was renewed as late as can be ends so many seconds later; and so long it takes to cut what has lost
        # its slot.
        self.sure = orders.lease / 2
        self.chance = random.Random(seed)
        self.truth = Truth(sandbox)
        for one in mixed.ids:
            self.truth.learn(one)
        self.people = People(orders.database, mixed.ids, mixed.partial, self.chance)
        self.mixed = mixed
        self.workers: list[Worker] = []
        self.running: list[Worker] = []
        self.resume_at: dict[Worker, float] = {}
        self.ends: Counter[str] = Counter()
        self.odd: list[str] = []
        self.expired = 0.0  # when the source last ended every token
        self.jumps: list[float] = []  # when the clock was set

    @property
    def stops(self) -> int:
        return sum(len(worker.stops) for worker in self.workers)

    def rage(self, until: Callable[[], bool], *, calm: bool = False) -> None:
        """Let everything go wrong until it is enough; `calm`: only kill and stop."""
        while not until():
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
            f"{len(requests)} requests for files, {self.sandbox.accounts.logins} logins, at most {self.crowd()} at once of those that run, {self.sandbox.log.peak('$value')} at the source"
        )

    def close(self) -> None:
        for worker in self.running:
            worker.kill()
            worker.process.join()

    def crowd(self) -> int:
        """The most connections for bytes that were open at once, as the workers themselves noted.

        Without those that are known not to keep to their slots: of a worker that was stopped for about a lease or longer,
        and those that were open when the clock was set.
        """
        now = most = 0
        for _, change in sorted(change for w in self.workers for change in self._changes(w)):
            now += change
            most = max(most, now)
        return most

    def _changes(self, worker: Worker) -> Iterator[tuple[float, int]]:
        """When a connection was opened (1), and when one was closed or counts no more (-1)."""
        stops = [(stop[0], stop[1] if len(stop) > 1 else time.monotonic()) for stop in worker.stops]
        without = [
            (start + self.sure, end + self.sure) for start, end in stops if end - start > self.sure
        ]
        without += [(jump, jump + self.sure) for jump in self.jumps]
        for opened, closed in worker.connections():
            lost = [start for start, end in without if start < closed and opened < end]
            end = max(opened, min([closed, *lost]))
            yield from ((opened, 1), (end, -1))

    def _tend(self, processes: int, *, armed: bool = True) -> None:
        """Bury the dead, wake the stopped, and fill the ranks."""
        now = time.monotonic()
        for worker in list(self.running):
            worker.look()
            if worker.stopped:
                pause = self.resume_at.setdefault(
                    worker, now + self.chance.uniform(0.3, 2.5) * self.orders.lease
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
        orders = replace(
            self.orders, number=len(self.workers), threads=self.chance.randint(1, 4),
            follow=armed and self.chance.random() < 0.7, host=self.chance.choice(self.hosts),
            trap=self._trap() if armed and self.chance.random() < 0.5 else None,
            layout=self.chance.choice(["flat", "flat", "collection/date/tile"]),
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
        # nothing lists a checksum of a manifest
        spared = {*self.mixed.unsummed, "manifest.safe"} if kind in _TREACHEROUS else set()
        return lambda request: (
            "$value" in request.path and not any(one in request.path for one in spared)
        )

    def _replace(self, one: str) -> None:
        if one not in self.mixed.unsummed | self.mixed.partial:
            self.sandbox.catalogue.replace(one)
            self.truth.learn(one)

    def _shift(self, seconds: float) -> None:
        new = self.orders.folder / "shift.new"
        new.write_text(str(seconds))
        new.replace(self.orders.folder / "shift")
        self.jumps.append(time.monotonic())

    def _unfinished(self) -> int:
        ((done,),) = plainly(
            self.orders.database, "SELECT count(*) FROM downloads WHERE status = 'done'"
        )
        return len(self.people.ids) - int(done)
