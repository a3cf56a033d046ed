"""`satcat status`: how complete and how old the mirror is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from satcat import wording
from satcat.cli.frame import Settings
from satcat.cli.frame import command as satcat_command
from satcat.cli.output import Output

if TYPE_CHECKING:
    from satcat.reports.status import LastRun, ScopeStatus, Status
    from satcat.sync.lateness import Lateness


@satcat_command(exits=(3,), example="satcat status")
@click.pass_obj
def command(settings: Settings) -> None:
    """Show how complete and how old the mirror is, and what the queue holds."""
    with settings.open() as catalogue:
        state = catalogue.status()
        name, size = catalogue.database.name, catalogue.database.size_bytes()
    click.echo(f"{name}: {wording.count(state.products, 'product')}, {wording.size(size)} on disk")
    rows = [_row(scope) for scope in state.scopes]
    if rows:
        click.echo()
        Output().write(rows, list(rows[0]))
    else:
        click.echo("nothing is mirrored yet; `satcat sync --help` says how to begin")
    for scope in state.scopes:
        if scope.lateness is not None:
            click.echo(f"{scope.scope.name}: {_late(scope.lateness)}")
    click.echo(f"\ndownloads: {_queue(state)}")


def _row(status: ScopeStatus) -> dict[str, Any]:
    mismatched = f", {status.mismatched} mismatched" if status.mismatched else ""
    return {
        "scope": status.scope.name,
        "sensing time": str(status.scope.interval),
        "products": status.products,
        "windows done": f"{status.complete} of {status.windows}{mismatched}",
        "rejects": status.open_rejects,
        "followed": wording.ago(status.followed_to),
        "last run": _run(status.last_run),
    }


def _late(late: Lateness) -> str:
    return (
        f"{wording.count(late.late, 'product')} became visible late, up to {wording.duration(late.longest)} after "
        f"the publication date (half within {wording.duration(late.median)}, 99 % within "
        f"{wording.duration(late.p99)}); `satcat sync --overlap` may reach that far back"
    )


def _run(run: LastRun | None) -> str:
    if run is None:
        return "never"
    return f"{run.kind} {run.outcome or 'not ended'}, {wording.ago(run.started_at)}"


def _queue(state: Status) -> str:
    parts = [
        f"{tally.rows:,} {name.replace('_', ' ')} ({wording.size(tally.bytes)})"
        for name, tally in state.downloads.items()
        if tally.rows
    ]
    return ", ".join(parts) or "nothing is marked"
