"""How late products become visible is known, so that people can choose the overlap."""

from __future__ import annotations

from satcat.reports.status import status
from satcat.sync import lateness, scopes
from satcat.sync.engine import sync
from satcat.sync.report import SyncOptions

from .conftest import ALL, fill


def test_lateness_is_summed_up_for_status(database, sandbox, api):
    fill(sandbox, 5)
    sync(database, api, ALL)
    for hours in (2, 5, 30):
        sandbox.clock.advance(hours * 3600)
        fill(sandbox, 1)  # says that it was published on 30 June
        sandbox.clock.advance(60)
        sync(database, api)
    with database.read() as connection:
        (scope,) = status(connection).scopes
    late = scope.lateness
    assert late is not None
    assert late.late == 3
    day = 86_400.0
    assert [round(x / 3600) for x in (late.median, late.p99, late.longest)] == [31, 31, 61]
    assert late.longest > day


def test_what_comes_within_the_overlap_though_it_missed_a_sweep_counts_as_late(
    database, sandbox, api
):
    fill(sandbox, 5)
    sync(database, api, ALL)
    sandbox.clock.advance(1800)
    hidden = sandbox.clock.now()
    sandbox.clock.advance(60)
    sync(database, api)
    sandbox.catalogue.publish_random(
        1, sensing_start="2024-06-15T10:00:00Z", publication_date=hidden, modification_date=hidden
    )
    sandbox.clock.advance(60)
    sync(database, api, options=SyncOptions(recheck=0))
    with database.read() as connection:
        (scope,) = scopes.listing(connection)
        late = lateness.summary(connection, scope)
    assert late is not None
    assert 60 <= late.longest < 300


def test_nothing_is_late_when_all_is_well(database, sandbox, api):
    fill(sandbox, 5)
    for _ in range(3):
        sync(database, api, ALL)
        sandbox.clock.advance(600)
        sandbox.catalogue.publish_random(1, sensing_start="2024-06-15T10:00:00Z")
        sandbox.clock.advance(60)
    with database.read() as connection:
        (scope,) = scopes.listing(connection)
        assert lateness.summary(connection, scope) is None
