"""Transactions of a worker that are cut short, be they stored or not: each is done again, and counts once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat.database import Database
from satcat.errors import CatalogueUnreachableError
from satcat.models import account_slots, download_attempts
from satcat.sandbox import Sandbox

from .conftest import TIMING

#: No heartbeat comes between.
CALM = replace(TIMING, beat=60)
#: The writes of a worker, in their order: looking for the dead, taking, announcing, naming, and how it ended.
WRITES = range(1, 6)
TAKEN = 2


@pytest.fixture(params=[True, False], ids=["stored", "not-stored"])
def cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Cut the nth write from now on short, when it is stored or just before."""

    def cut(nth: int) -> None:
        write, passes = Database.write, iter(range(1, 1000))

        @contextmanager
        def cut_short(database, **options):
            is_it = next(passes) == nth
            with write(database, **options) as connection:
                yield connection
                if is_it and not request.param:
                    raise CatalogueUnreachableError("satcat.db", "cut")
            if is_it:
                raise CatalogueUnreachableError("satcat.db", "cut")

        monkeypatch.setattr(Database, "write", cut_short)

    return cut


def outcomes(database: Database) -> list[str | None]:
    with database.read() as connection:
        assert set(connection.scalars(sa.select(account_slots.c.worker))) == {None}
        table = download_attempts
        return list(connection.scalars(sa.select(table.c.outcome).order_by(table.c.claim)))


@pytest.mark.parametrize("nth", WRITES)
def test_a_write_that_is_cut_short_costs_a_download_nothing(
    nth: int, cut: Callable[[int], None], publish: Callable[..., list[str]], run: Callable[..., Any],
    row: Callable[[str], Any], database: Database, sandbox: Sandbox, out: Path,
) -> None:  # fmt: skip
    (one,) = publish()
    cut(nth)
    report = run(workers=1, timing=CALM)
    assert (report.done, report.failed, report.skipped) == (1, 0, 0)
    assert row(one).status == "done" and [Path(row(one).path)] == list(out.iterdir())
    assert len(sandbox.log.matching("$value")) == 1
    lost = row(one).claim - 1
    assert outcomes(database) == ["lost"] * lost + ["done"]
    assert lost <= (nth == TAKEN)


@pytest.mark.parametrize("nth", [TAKEN, TAKEN + 1])
def test_a_failure_that_is_written_twice_counts_as_one_attempt(
    nth: int, cut: Callable[[int], None], publish: Callable[..., list[str]], run: Callable[..., Any],
    row: Callable[[str], Any], database: Database, sandbox: Sandbox, watcher: Any,
) -> None:  # fmt: skip
    (one,) = publish()
    sandbox.faults.next("status", status=404, n=9, match="$value")
    watcher.on_finish = lambda outcome: watcher.stop.set()
    cut(nth)
    run(workers=1, timing=CALM, progress=watcher, stop=watcher.stop)
    assert watcher.outcomes == ["retry"]
    assert (row(one).status, row(one).attempts) == ("queued", 1)
    assert outcomes(database) == ["lost"] * (row(one).claim - 1) + ["retry"]
