"""`satcat sync`: mirror, and follow."""

from __future__ import annotations

import re
import shlex
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn

import click

from satcat import wording
from satcat.cli import options
from satcat.cli.frame import Settings, complain
from satcat.cli.frame import command as satcat_command
from satcat.cli.source import source
from satcat.errors import (
    CatalogueBusyError,
    CatalogueLockedError,
    FilterError,
    IncompleteError,
    SourceError,
)

if TYPE_CHECKING:
    from satcat.api.base import SatelliteAPI
    from satcat.catalogue import Catalogue
    from satcat.filters import SearchFilters
    from satcat.sync.report import ScopeReport, SyncReport

_SPAN = re.compile(r"(\d{1,6}(?:\.\d+)?)\s*(s|min|m|h|d)", re.ASCII)
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
_LONGEST = 36_500 * 86_400  # a hundred years; much more, and dates end


def span(_ctx: click.Context, param: click.Parameter, value: str | None) -> timedelta | None:
    """Read `90s`, `15m`, `1h`, `2d`."""
    if value is None:
        return None
    found = _SPAN.fullmatch(value.strip())
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not 0.0 < seconds <= _LONGEST:
        raise click.BadParameter(
            f"{value!r} is no span of time: write 90s, 15m, 1h or 2d", param=param
        )
    return timedelta(seconds=seconds)


@satcat_command(
    exits=(3, 4, 6),
    example="""
    satcat sync --collection SENTINEL-2 --level L2A --tile 30TWM --start 2024-06-01 --end 2024-06-30
    satcat sync
    """,
)
@options.filters
@click.option(
    "--scope", metavar="NAME", help="Only this scope; with filters: the name to save them under."
)
@click.option(
    "--dry-run", is_flag=True, help="Only say how many products, requests and hours it would take."
)
@click.option(
    "--yes", is_flag=True, help="Do not ask before mirroring more than a million products."
)
@click.option(
    "--overlap",
    metavar="SPAN",
    default="1h",
    show_default=True,
    callback=span,
    help="How far to look back for what the source shows late.",
)
@click.option(
    "--recheck",
    metavar="N",
    type=click.IntRange(0),
    default=5,
    show_default=True,
    help="Requests to spend on listing again what was proven longest ago.",
)
@click.option(
    "--max-delete",
    metavar="N",
    type=click.IntRange(0),
    help="Believe at most N missing products at once.  [default: 1 % and 1,000]",
)
@click.option(
    "--every",
    metavar="SPAN",
    callback=span,
    help="Do not end: sync again every 15m, also after outages.",
)
@click.option("--moved", is_flag=True, help="Accept that the catalogue's address has changed.")
@click.pass_obj  # fmt: skip
def command(
    settings: Settings, /, *, filters: SearchFilters, scope: str | None, dry_run: bool, every: timedelta | None,
    **how: Any,
) -> int:  # fmt: skip
    """Mirror products of the source, and follow what changes there.

    With filters: saves them as a scope and syncs it. With --scope alone: that scope. Without: all scopes. An
    interrupted sync goes on where it stopped; a finished one follows publications, changes and deletions. Needs no
    account. What changes in a product's life, as --cloud and --online, makes no scope: mirror without it, filter offline.
    """
    from satcat import memory

    wanted = filters if filters.set_names else None
    with source(settings) as api:
        if dry_run:
            return _plan(api, wanted)
        memory.return_large_blocks()
        if every is None:
            return _sync(settings, api, wanted, scope, how)
        return _repeat(every, lambda: _sync(settings, api, wanted, scope, how))


def _plan(api: SatelliteAPI, filters: SearchFilters | None) -> int:
    from satcat.sync import engine

    if filters is None:
        raise FilterError("--dry-run says what new filters would take: give filters")
    plan = engine.plan(api, filters)
    click.echo(
        f"{wording.count(plan.products, 'product')}, about {wording.count(plan.requests, 'request')} "
        f"and {wording.duration(plan.seconds)}; nothing was stored"
    )
    return 0


def _sync(
    settings: Settings,
    api: SatelliteAPI,
    filters: SearchFilters | None,
    scope: str | None,
    how: dict[str, Any],
) -> int:
    from satcat import progress
    from satcat.sync import scopes
    from satcat.sync.report import SyncOptions

    if filters is not None:
        scopes.check(filters, api)  # before a catalogue is made for what cannot be mirrored
    with settings.open(create=filters is not None) as catalogue:
        report = catalogue.sync(
            api, filters, scope=scope, options=SyncOptions(**how),
            progress=progress.of_sync(quiet=settings.quiet), confirm=_confirm if sys.stdin.isatty() else None,
        )  # fmt: skip
        empty = _empty(catalogue, report) if filters is not None else set()
    for done in report.scopes:
        _tell(settings, done)
        if done.name in empty:
            settings.say(
                f"{done.name}: the source lists nothing of the kind; if that is a mistake: "
                f"satcat {settings.chosen}scopes remove {shlex.quote(done.name)}"
            )
    if report.error is not None:
        complain(f"products that only downloads need: {report.error}")
    return report.exit_code


def _empty(catalogue: Catalogue, report: SyncReport) -> set[str]:
    """Complete scopes without a product. They may be meant, but a misspelt collection looks just the same."""
    from satcat.sync import scopes

    with catalogue.database.read() as connection:
        return {
            done.name
            for done in report.scopes
            if done.complete and not scopes.count(connection, scopes.find(connection, done.name))
        }


def _repeat(every: timedelta, once: Callable[[], int]) -> NoReturn:
    """Sync now and then for ever; what may pass (the source or the server is down, another sync runs) ends nothing."""
    while True:
        began = time.monotonic()
        try:
            once()
        except (SourceError, IncompleteError, CatalogueBusyError, CatalogueLockedError) as error:
            complain(str(error))
        time.sleep(max(0.0, every.total_seconds() - (time.monotonic() - began)))


def _confirm(products: int) -> bool:
    return click.confirm(f"Mirror {wording.count(products, 'product')}?", err=True)


def _tell(settings: Settings, done: ScopeReport) -> None:
    """One line for a scope, and one for each thing that is not as it should be."""
    parts = [f"{done.added:,} added", f"{done.changed:,} changed", f"{done.deleted:,} deleted"]
    parts += [f"{done.left:,} no longer fit"] if done.left else []
    parts += [f"{done.late:,} were late"] if done.late else []
    end = (
        f"complete as of {wording.moment(done.followed_to)} UTC"
        if done.complete
        else "NOT COMPLETE"
    )
    settings.say(
        f"{done.name}: {', '.join(parts)}; {wording.count(done.requests, 'request')}; {end}"
    )
    if done.open_windows:
        settings.say(
            f"{done.name}: {wording.count(done.open_windows, 'window')} not finished; run satcat sync again"
        )
    if done.open_rejects:
        settings.say(
            f"{done.name}: {wording.count(done.open_rejects, 'record')} could not be stored; "
            'see `satcat sql "SELECT * FROM sync_rejects"`'
        )
    for warning in done.warnings:
        settings.say(f"{done.name}: {warning}")
    if done.error is not None:
        complain(f"{done.name}: {done.error}")
