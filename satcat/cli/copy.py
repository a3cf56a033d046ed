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
    from satcat.copying.run import CopyReport
    from satcat.database import Database
    from satcat.sync.report import SyncProgress


@satcat_command(
    exits=(3, 8),
    example="""
    satcat copy satcat.db /backup/satcat.db
    satcat copy --check satcat.db /backup/satcat.db
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

    SRC and DST are paths or URLs. SRC may be in use: what is copied is what it holds at the start. DST must be new, or
    empty; it cannot be used until it is whole. After an interruption the same command goes on. Digests of every
    table are compared in the end. Files of products, and your own tables, are not copied.
    """
    from satcat import progress
    from satcat.database import Database

    watch = progress.of_sync(quiet=settings.quiet)
    with Database.open(source) as opened:
        try:
            if check:
                tables = _compare(opened, target, watch)
            else:
                tables = _copy(settings, opened, target, watch)
        finally:
            watch.end()
    columns = ("table", "rows", "rows_in_dst", "different", "digest", "digest_of_dst")
    out.write(
        map(_row, tables), columns, in_table=columns[:5] if check else ("table", "rows", "digest")
    )
    different = [found for found in tables if not found.equal]
    if different:
        what = ", ".join(f"{found.table} ({found.example})" for found in different)
        raise DifferencesError(f"{target} differs from {source} in {what}")
    if check:
        settings.say(f"{target} equals {source}")


def _compare(source: Database, where: str, watch: SyncProgress) -> list[Compared]:
    from satcat.copying.comparing import compare
    from satcat.database import Database

    with Database.open(where) as target:
        return compare(source, target, watch)


def _copy(settings: Settings, source: Database, where: str, watch: SyncProgress) -> list[Compared]:
    from satcat.copying.run import copy

    started = time.monotonic()
    report = copy(source, where, watch)
    _tell(settings, report, source, where, time.monotonic() - started)
    return report.tables


def _tell(
    settings: Settings, report: CopyReport, source: Database, where: str, seconds: float
) -> None:
    rows = sum(found.source.rows for found in report.tables)
    there = rows - report.written
    settings.say(
        f"{where} equals {source.name} as of {wording.moment(report.at)}: "
        f"{wording.count(report.products, 'product')}, {wording.count(rows, 'row')} in all "
        f"({there:,} were there), in {wording.duration(seconds)}"
    )
    if report.own:
        settings.say(f"your own tables and views are not copied: {', '.join(report.own)}")
    if report.running:
        settings.say(
            f"{wording.count(report.running, 'download')} ran meanwhile: workers of {where} take them over when "
            "their leases are over"
        )


def _row(found: Compared) -> dict[str, object]:
    return {
        "table": found.table,
        "rows": found.source.rows,
        "rows_in_dst": found.target.rows,
        "digest": str(found.source),
        "digest_of_dst": str(found.target),
        "different": found.different,
    }
