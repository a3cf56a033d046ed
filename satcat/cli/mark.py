"""`satcat mark`: ask for downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from satcat import wording
from satcat.cli import options
from satcat.cli.frame import Settings
from satcat.cli.frame import command as satcat_command
from satcat.cli.mirrored import insist, suggest, tell
from satcat.cli.selection import ids_option, selection, tell_unclear

if TYPE_CHECKING:
    from satcat.catalogue import Catalogue
    from satcat.choice import Choice
    from satcat.downloads.marks import Marked
    from satcat.filters import SearchFilters


@satcat_command(
    exits=(3, 6),
    example="""
    satcat mark --tile 30TWM --cloud 20 --start 2024-06-01 --end 2024-06-30 --online
    satcat mark --level L2A --start 2024-01-01 --latest --best cloud --per tile,month --not-downloaded
    satcat mark --tile 30TWM --cloud 20 --include "*_B0[48]_10m.jp2" --include "*MTD*.xml"
    """,
)
@options.filters
@options.selection
@click.option("--all", "everything", is_flag=True, help="Every product of the catalogue.")
@ids_option
@click.option(
    "--priority",
    metavar="N",
    type=click.IntRange(-1000, 1000),
    help="Higher ones come first.  [default: 0]",
)
@click.option(
    "--include",
    metavar="PATTERN",
    multiple=True,
    help="Only these files of each product, as '*_B0[48]_10m.jp2'; again for more.",
)
@click.option("--dry-run", is_flag=True, help="Only say what it would ask for.")
@options.strict
@click.pass_obj  # fmt: skip
def command(
    settings: Settings, *, filters: SearchFilters, choice: Choice, everything: bool, ids: str | None,
    priority: int | None, include: tuple[str, ...], dry_run: bool, strict: bool,
) -> int:  # fmt: skip
    """Ask for products to be downloaded.

    Takes filters, --ids or --all. Says how many, how many bytes, and about how long that takes at 4 × 20 MB/s. What failed,
    was cancelled or gone is asked for again; what is queued, running or done stays as it is, but a new --priority counts for
    all that waits.

    With --include only matching files are fetched, into a folder named like the product, and the package's manifest with
    them. A pattern fits a file's name or its path in the package; * is any text, ? one character, [48] one of these.
    Patterns add to those that a product has; without --include it is asked for whole.
    """
    with settings.open() as catalogue:
        which = selection(filters, ids, everything=everything, choice=choice)
        if ids is None:
            survey = catalogue.survey(filters)
            tell(settings, survey)
            insist(survey, strict=strict)
        marked = catalogue.mark(
            which, priority=priority, include=include or None, dry_run=dry_run, **choice
        )
        _tell(settings, marked, include, dry_run=dry_run)
        if ids is None and not (marked.new or marked.requeued or marked.widened or marked.already):
            suggest(settings, catalogue, filters)
        _warn(settings, catalogue, marked, dry_run=dry_run)
    return tell_unclear(marked)


def _tell(settings: Settings, marked: Marked, include: tuple[str, ...], *, dry_run: bool) -> None:
    number = marked.new + marked.requeued + marked.widened
    did = "would mark" if dry_run else "marked"
    if include:
        unknown = " (how many bytes shows when their packages are listed)" if number else ""
        click.echo(f"{did} parts of {wording.count(number, 'product')}{unknown}")
    else:
        click.echo(f"{did} {wording.count(number, 'product')}" + (_size(marked) if number else ""))
    if marked.requeued:
        settings.say(f"{marked.requeued:,} of them again")
    if marked.widened:
        more = "more files" if include else "the whole, not only parts"
        settings.say(f"{marked.widened:,} of them for {more}")
    if marked.folders:
        settings.say(f"{wording.count(marked.folders, 'folder')} with parts of them stay on disk")
    if marked.moved:
        gets = "would get" if dry_run else "got"
        settings.say(
            f"{wording.count(marked.moved, 'product')} asked for already {gets} this priority"
        )
    if marked.already:
        settings.say(
            f"{wording.count(marked.already, 'product')} asked for already; `satcat queue` shows them"
        )


def _warn(settings: Settings, catalogue: Catalogue, marked: Marked, *, dry_run: bool) -> None:
    """Say so if what is queued now is more than the source lets one account transfer."""
    from satcat.cli.overview import quota_warning
    from satcat.downloads import overview, quota

    if not marked.bytes_total:
        return
    with catalogue.database.read() as connection:
        to_come = overview.left(connection)[0] + (marked.bytes_total if dry_run else 0)
        transferred = sum(quota.transferred(connection))
    if transferred + to_come > quota.QUOTA:
        settings.say(quota_warning(transferred, to_come))


def _size(marked: Marked) -> str:
    """How many bytes that is, and how long they take."""
    from satcat.downloads.quota import CONNECTIONS, RATE

    seconds = marked.bytes_total / (CONNECTIONS * RATE)
    size = wording.size(marked.bytes_total) + (
        f" and {marked.unknown_sizes:,} of unknown size" if marked.unknown_sizes else ""
    )
    speed = f"about {wording.duration(max(1.0, seconds))} at {CONNECTIONS} × {RATE // 10**6} MB/s"
    return f" ({size}, {speed})"
