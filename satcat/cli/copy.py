"""`satcat copy`: one catalogue into another."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from satcat import wording
from satcat.cli.frame import Settings
from satcat.cli.frame import command as satcat_command
from satcat.cli.output import Output, output
from satcat.errors import DifferencesError

if TYPE_CHECKING:
    from satcat.copying.comparing import Compared
    from satcat.database import Database
    from satcat.sync.report import SyncProgress


@satcat_command(
    exits=(3, 8),
    example="""
    satcat copy satcat.db postgresql://satcat@db.example.org/satcat
    satcat copy --check satcat.db postgresql://satcat@db.example.org/satcat
    """,
)
@click.argument("source", metavar="SRC")
@click.argument("target", metavar="DST")
@click.option(
    "--check", is_flag=True, help="Copy nothing: only compare two catalogues, table by table."
)
@output
@click.pass_obj
def command(settings: Settings, /, *, out: Output, source: str, target: str, check: bool) -> None:
    """Copy a catalogue into a new one, and show that both are equal.

    SRC and DST are paths or URLs, so that a catalogue can move between SQLite and PostgreSQL. SRC may be in use:
    what is copied is what it holds at the start. DST must be new or empty; it cannot be used until it is whole. After
    an interruption the same command goes on, with what SRC holds then. In the end the digests of every table are
    compared, and shown. Downloaded files stay where they are; tables and views of your own are not copied.
    """
    from satcat import progress
    from satcat.database import Database

    watch = progress.of_sync(quiet=settings.quiet)
    with Database.open(source) as opened:
        try:
            tables = (
                _compare(opened, target, watch) if check else _copy(settings, opened, target, watch)
            )
        finally:
            watch.end()
    columns = ("table", "rows", "rows_in_dst", "different", "digest", "digest_of_dst")
    shown = columns[:5] if check else ("table", "rows", "digest")
    out.write(map(_row, tables), columns, in_table=shown)
    different = [found for found in tables if not found.equal]
    names = wording.without_password(target), wording.without_password(source)
    if different:
        what = ", ".join(f"{found.table} ({found.example})" for found in different)
        raise DifferencesError(f"{names[0]} differs from {names[1]} in {what}")
    if check:
        settings.say(f"{names[0]} equals {names[1]}")


def _compare(source: Database, where: str, watch: SyncProgress) -> list[Compared]:
    from satcat.copying.comparing import compare
    from satcat.database import Database

    with Database.open(where) as target:
        return compare(source, target, watch)


def _copy(settings: Settings, source: Database, where: str, watch: SyncProgress) -> list[Compared]:
    from satcat.copying.run import copy

    started = time.monotonic()
    report = copy(source, where, watch)
    seconds = max(time.monotonic() - started, 0.1)
    settings.say(
        f"{wording.without_password(where)} equals {source.name} as of {wording.moment(report.at)}: "
        f"{wording.count(report.products, 'product')}, {wording.count(report.written, 'row')} written "
        f"in {wording.duration(seconds)} ({report.written / seconds:,.0f} a second)"
    )
    if report.own:
        settings.say(f"not copied, for they are your own: {', '.join(report.own)}")
    if report.running:
        settings.say(
            f"{wording.count(report.running, 'download')} under way: what comes of it is known to {source.name} alone; "
            "a worker of the copy would begin it again"
        )
    return report.tables


def _row(found: Compared) -> dict[str, object]:
    return {
        "table": found.table,
        "rows": found.source.rows,
        "rows_in_dst": found.target.rows,
        "digest": str(found.source),
        "digest_of_dst": str(found.target),
        "different": found.different,
    }
