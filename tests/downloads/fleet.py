"""A fleet: workers of several hosts on one catalogue in PostgreSQL, whose server is restarted and ends sessions."""

from __future__ import annotations

import time
from typing import Any

import psycopg
import sqlalchemy as sa

from satcat.database import Database
from satcat.downloads import marks
from satcat.errors import CatalogueBusyError
from satcat.sandbox import Sandbox
from tests.postgres import OwnServer

from .soak import Soak
from .soak_people import Mixed
from .soak_worker import Orders

_OTHERS = "datname = current_database() AND pid <> pg_backend_pid()"


def end_sessions(address: str, which: str = "true", number: int = 1000) -> int:
    """End so many sessions with a catalogue as an administrator does, by chance; returns how many were at work."""
    told = f"""SELECT count(*) FILTER (WHERE state <> 'idle') FROM (
        SELECT pg_terminate_backend(pid), state FROM pg_stat_activity WHERE {_OTHERS} AND {which}
        ORDER BY random() LIMIT {number}) AS ended"""
    with psycopg.connect(address.replace("+psycopg", "")) as connection:
        ((at_work,),) = connection.execute(told)
    return int(at_work)


class Fleet(Soak):
    """A soak in which the server suffers too. The hosts share a folder, and cannot see each other's processes."""

    hosts = ("", "elsewhere", "far-away")

    def __init__(
        self, orders: Orders, sandbox: Sandbox, mixed: Mixed, seed: int, server: OwnServer, **how: Any
    ) -> None:  # fmt: skip
        super().__init__(orders, sandbox, mixed, seed, **how)
        self.server = server
        self.restarts = self.terminations = self.cut_short = self.beside = 0
        self._turns = 0

    def _worsen(self) -> None:
        super()._worsen()
        self._turns += 1
        if self._turns % 7 == 0:
            self._edit_beside()
        if self._turns % 20 == 0:
            number = self.chance.choice([1, 3, 1000])
            self.cut_short += end_sessions(self.orders.database, number=number)
            self.terminations += 1
        if self._turns % 120 == 60:
            self.restart()

    def _edit_beside(self) -> None:
        """Change many rows at once beside the workers, as people do; nobody may ever be told of a deadlock."""
        whole = [one for one in self.people.ids if one not in self.mixed.partial]
        level, order = self.chance.randrange(10), self.chance.choice(["ASC", "DESC"])
        in_order = f"SELECT product_id FROM downloads ORDER BY product_id {order} FOR UPDATE"
        change = f"""UPDATE downloads SET priority = {level} FROM ({in_order}) AS r
            WHERE r.product_id = downloads.product_id"""
        impatient = sa.make_url(self.orders.database).update_query_dict(
            {"options": "-c lock_timeout=300ms"}
        )
        try:
            with Database.connect(impatient.render_as_string(hide_password=False)) as database:
                with database.write() as connection:
                    connection.execute(sa.text(change))
                with database.write() as connection:
                    marks.mark(connection, whole, priority=level)
                    marks.retry(connection)
        except CatalogueBusyError as error:  # a stopped worker has a row
            if "lock timeout" not in str(error.__cause__):
                raise
        else:
            self.beside += 1

    def restart(self) -> None:
        """Let the server crash, or be shut down, and come back: at once, or when leases are over."""
        self.server.control("stop", "-m", self.chance.choice(["fast", "immediate"]))
        time.sleep(self.chance.choice([0, 0, 0.5, 1.2]) * self.orders.lease)
        self.server.control("start")
        self.restarts += 1

    @property
    def struck(self) -> int:
        """How often somebody was killed, stopped, restarted or cut off."""
        return self.ends["killed"] + self.stops + self.restarts + self.terminations

    @property
    def figures(self) -> str:
        return (
            f"{self.restarts} restarts of the server, {self.terminations} times sessions ended "
            f"({self.cut_short} in a transaction), {self.beside} changes of all rows, {super().figures}"
        )
