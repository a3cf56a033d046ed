"""A fleet on PostgreSQL: whoever is killed or stopped and whatever the server suffers, nothing is lost or done twice."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from satcat.database import Database
from satcat.downloads import slots
from satcat.sandbox import Sandbox
from tests.postgres import OwnServer, Server

from .fleet import Fleet
from .soak import Soak
from .soak_worker import Orders
from .test_soak import assert_all_is_done_once, mixed, orders

__all__ = ["mixed", "orders"]  # fixtures


@pytest.fixture(scope="module")
def server(postgres: Server) -> Iterator[OwnServer]:
    """A server that may be restarted."""
    if isinstance(postgres, OwnServer):
        yield postgres
        return
    own = OwnServer()
    yield own
    own.stop()


@pytest.fixture(scope="module")
def catalogues(server: OwnServer) -> Server:
    """These tests' catalogues are in PostgreSQL, whatever those of others are in."""
    return server


@pytest.mark.parametrize(
    ("strikes", "number", "processes", "seed"),
    [
        pytest.param(25, 8, 4, 3, id="short"),
        pytest.param(250, 60, 8, 4, id="long", marks=[pytest.mark.long, pytest.mark.timeout(2400)]),
    ],
)
def test_a_fleet_loses_nothing_and_does_nothing_twice_whatever_its_server_suffers(
    strikes: int, number: int, processes: int, seed: int, mixed: Callable[..., Any], orders: Orders,
    sandbox: Sandbox, database: Database, out: Path, run: Callable[..., Any], server: OwnServer,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    orders = replace(orders, lease=2.0, beat=0.25)
    fleet = Fleet(orders, sandbox, mixed(number), seed, server, processes=processes)
    began = time.monotonic()
    try:
        with fleet.truth.watched(out) as wrong:
            fleet.rage(until=lambda: fleet.struck >= strikes and fleet.restarts > 0)
            fleet.settle(120)
            run()  # which cleans up
    finally:
        fleet.close()
        with capsys.disabled():
            sys.stdout.write(f"\n{fleet.figures}, {time.monotonic() - began:.0f} s\n")
    assert wrong == {}
    assert fleet.odd == []
    assert fleet.crowd() <= slots.MOST
    assert_all_is_done_once(fleet, database, out)
    assert_all_was_fetched(fleet)


def assert_all_was_fetched(soak: Soak) -> None:
    """The source, too, says that every product was fetched."""
    asked = " ".join(request.path for request in soak.sandbox.log.matching("$value"))
    assert [one for one in soak.people.ids if one not in asked] == []
