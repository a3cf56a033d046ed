"""`satcat report scopes`: completeness and freshness of what is mirrored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from satcat import times, wording
from satcat.cli.frame import Settings
from satcat.cli.frame import command as satcat_command
from satcat.cli.output import Output, output
from satcat.cli.table import Words

if TYPE_CHECKING:
    from satcat.reports.status import ScopeStatus

_COLUMNS = (
    "scope", "collection", "filters", "sensing_start", "sensing_end", "products", "state", "windows", "windows_complete",
    "windows_mismatched", "open_rejects", "followed_to", "age_seconds", "last_run", "last_run_at", "last_run_outcome",
)  # fmt: skip
_SHOWN = (
    "scope", "products", "state", "windows_complete", "windows", "open_rejects", "followed_to", "age_seconds",
)  # fmt: skip
_WORDS: dict[str, Words] = {"age_seconds": wording.duration}


@satcat_command(name="scopes", exits=(3,), example="satcat report scopes -f json")
@output
@click.pass_obj
def scopes_command(settings: Settings, /, *, out: Output) -> None:
    """Report how complete and how fresh each scope is, offline.

    `state` is complete where every window was listed whole and no record is open, else unfinished. `followed_to` is the
    source's clock up to which changes are known, `age_seconds` how long ago that is.
    """
    with settings.open() as catalogue:
        scopes = catalogue.status().scopes
    out.write((_row(scope) for scope in scopes), _COLUMNS, in_table=_SHOWN, words=_WORDS)
    if not scopes:
        settings.say("nothing is mirrored yet; `satcat sync --help` says how to begin")


def _row(status: ScopeStatus) -> dict[str, Any]:
    scope, run = status.scope, status.last_run
    is_complete = status.windows and status.complete == status.windows and not status.open_rejects
    age = (times.now() - status.followed_to).total_seconds() if status.followed_to else None
    return {
        "scope": scope.name,
        "collection": scope.collection,
        "filters": str(scope.filters),
        "sensing_start": scope.interval.start,
        "sensing_end": scope.interval.end,
        "products": status.products,
        "state": "complete" if is_complete else "unfinished",
        "windows": status.windows,
        "windows_complete": status.complete,
        "windows_mismatched": status.mismatched,
        "open_rejects": status.open_rejects,
        "followed_to": status.followed_to,
        "age_seconds": None if age is None else max(0.0, age),
        "last_run": run.kind if run else None,
        "last_run_at": run.started_at if run else None,
        "last_run_outcome": (run.outcome or "not ended") if run else None,
    }
