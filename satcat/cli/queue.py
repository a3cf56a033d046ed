"""`satcat queue`: the download queue."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from satcat import wording
from satcat.cli import options
from satcat.cli.frame import Settings, group
from satcat.cli.frame import command as satcat_command
from satcat.cli.output import Output, output
from satcat.cli.selection import ids_option, tell_unclear

if TYPE_CHECKING:
    from sqlalchemy import Connection

_STATUSES = ("queued", "running", "done", "failed", "offline", "bad_at_source", "cancelled", "gone")
_SHOWN = ("status", "attempts", "size_bytes", "name", "error")


@satcat_command(
    name="list",
    exits=(3,),
    example="""
    satcat queue
    satcat queue list --failed -f ids
    """,
)
@click.option(
    "--status", type=click.Choice(_STATUSES), multiple=True, help="Only these; again for more."
)
@click.option("--failed", is_flag=True, help="Only what ended without a file.")
@output
@click.pass_obj  # fmt: skip
def list_command(settings: Settings, *, status: tuple[str, ...], failed: bool, out: Output) -> None:
    """Show what is queued and what came of it."""
    from satcat.downloads import marks

    wanted = {*status, *(marks.FAILED if failed else ())}
    with settings.open() as catalogue, catalogue.database.read() as connection:
        more = marks.unusual_columns(connection)
        total = out.write(
            _rows(connection, wanted), _columns(), in_table=(*_SHOWN, *more),
            words={"size_bytes": wording.size, "include": wording.patterns},
        )  # fmt: skip
        if total == 0 or out.format == "table":
            tallies = marks.counts(connection)
            said = [
                f"{t.rows:,} {name} ({wording.size(t.bytes)})"
                for name, t in tallies.items()
                if t.rows
            ]
            settings.say(", ".join(said) or "nothing is marked")


def _columns() -> list[str]:
    from satcat.models import downloads

    columns = [column.name for column in downloads.columns]
    return [columns[0], "name", *columns[1:]]


def _rows(connection: Connection, statuses: set[str]) -> Iterator[dict[str, Any]]:
    """Rows of downloads with the product's name: who is being served first, then in the queue's order."""
    import sqlalchemy as sa

    from satcat.downloads import marks
    from satcat.models import downloads, products

    joined = downloads.outerjoin(products, products.c.id == downloads.c.product_id)
    size = marks.size_of_rows().label("size_bytes")
    others = [column for column in downloads.columns if column.name != "size_bytes"]
    query = sa.select(*others, size, products.c.name).select_from(joined)
    if statuses:
        query = query.where(downloads.c.status.in_(statuses))
    first = (downloads.c.status != "running", downloads.c.priority.desc())
    query = query.order_by(*first, downloads.c.requested_at, downloads.c.product_id)
    for row in connection.execute(query, execution_options={"yield_per": 1000}):
        yield dict(row._mapping)


@satcat_command(name="retry", exits=(3,), example="satcat queue retry")
@ids_option
@click.pass_obj
def retry_command(settings: Settings, *, ids: str | None) -> int:
    """Queue again what failed, was offline, gone or bad at the source; and end all waiting."""
    from satcat.downloads import marks

    which = None if ids is None else options.read_lines("--ids", ids)
    with settings.open() as catalogue, catalogue.database.write() as connection:
        again = marks.retry(connection, which)
    click.echo(f"queued {wording.count(again.rows, 'product')} again")
    return tell_unclear(again)


@group(
    commands=[list_command, retry_command],
    invoke_without_command=True,
    exits=(3,),
    example="""
    satcat queue
    satcat queue -f json
    satcat queue list --failed
    """,
)
@click.option(
    "-f", "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True,
    help="How to print the overview.",
)  # fmt: skip
@click.pass_context
def command(ctx: click.Context, form: str) -> None:
    """Show the download queue, or try failed downloads again.

    Alone it gives an overview: what waits, what runs and how fast, what failed and why, how many bytes are left and how long
    they take, and what was transferred in the last 30 days of the 12 TB that CDSE allows. `satcat queue list` shows rows.
    """
    if ctx.invoked_subcommand is None:
        _overview(ctx.obj, form)


def _overview(settings: Settings, form: str) -> None:
    from satcat.cli import overview
    from satcat.downloads.overview import overview as look

    with settings.open() as catalogue, catalogue.database.read() as connection:
        seen = look(connection)
    if form == "json":
        click.echo(overview.as_json(seen))
        return
    lines = list(overview.lines(seen, to_terminal=sys.stdout.isatty()))
    for line in lines:
        click.echo(line)
    if not lines:
        settings.say("nothing is marked; `satcat mark` asks for downloads")
