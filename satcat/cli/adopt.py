"""`satcat adopt`: files that are here already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING

import click

from satcat import wording
from satcat.cli.frame import Settings
from satcat.cli.frame import command as satcat_command
from satcat.cli.output import Output, output
from satcat.errors import DifferencesError

if TYPE_CHECKING:
    from satcat.downloads.adopt import Adopted, AdoptReport

#: What things turn out to be; a test holds them to `downloads.examine.State`.
STATES = (
    "right", "superseded", "duplicate", "partial", "corrupt", "unverified", "ambiguous", "unreadable", "deleted",
    "unknown",
)  # fmt: skip
_IN_TABLE = ("state", "size_bytes", "path", "detail")


@satcat_command(
    exits=(3, 8),
    example="""
    satcat adopt /data/sentinel
    satcat adopt /data/sentinel --dry-run --only corrupt --only partial -f csv -o damaged.csv
    """,
)
@click.argument("places", metavar="DIR…", nargs=-1, required=True, type=click.Path())
@click.option("--quick", is_flag=True, help="Compare sizes, hash nothing.")
@click.option(
    "--rehash", is_flag=True, help="Also hash what was recorded and has not changed since."
)
@click.option("--queue", is_flag=True, help="Queue the products of what is partial or corrupt.")
@click.option("--dry-run", is_flag=True, help="Record nothing.")
@click.option(
    "--only", metavar="STATE", type=click.Choice(STATES), multiple=True, help="Print only these; again for more."
)  # fmt: skip
@output
@click.pass_obj  # fmt: skip
def command(
    settings: Settings, *, places: tuple[str, ...], quick: bool, rehash: bool, queue: bool, dry_run: bool,
    only: tuple[str, ...], out: Output,
) -> int:  # fmt: skip
    """Take over products that are on disk already: check them, and record the right ones as done.

    Looks through folders for zips, SAFE and SEN3 folders and single files, offline, and moves nothing. A product is known
    by its name, or by what a renamed zip or folder says itself; it is checked against the published size and checksum, or
    by its manifest. Run it again to go on where it was stopped: what is recorded and has not changed is not hashed again.

    \b
    right       recorded as done
    superseded  the same, and the catalogue has a newer version of the scene
    duplicate   right, and another file of the product is recorded
    partial     files, or the end, are missing
    corrupt     altered, or something else altogether
    unverified  nothing tells whether it is whole: no manifest, or --quick
    ambiguous   several products have this name, and nothing tells which it is
    unreadable  for the reason given
    deleted     no longer at the source; not recorded
    unknown     named as a product, but none of the catalogue's

    Exits 8 if anything of the catalogue is partial, corrupt, unverified, ambiguous or unreadable.
    """  # noqa: D301 - \b is a character that click heeds
    from satcat import progress
    from satcat.downloads import adopt

    report = adopt.AdoptReport()
    options = adopt.AdoptOptions(quick=quick, dry_run=dry_run, rehash=rehash, queue=queue)
    columns = [field.name for field in fields(adopt.Adopted)]
    watch = progress.of_files("checking", quiet=settings.quiet)

    def shown(found: Iterator[Adopted]) -> Iterator[Adopted]:
        for adopted in found:
            nameless = out.format == "ids" and adopted.product_id is None
            if not nameless and (not only or adopted.state in only):
                watch.clear()
                yield adopted

    with settings.open() as catalogue:
        try:
            found = adopt.adopt(
                catalogue.database, places, options, report=report, on_found=watch.file, on_bytes=watch.advance
            )  # fmt: skip
            out.write(
                shown(found), columns, get=getattr, in_table=_IN_TABLE, words={"size_bytes": wording.size}
            )  # fmt: skip
        finally:
            watch.end()
    _tell(settings, report, dry_run=dry_run, queue=queue)
    return 0 if report.is_right else DifferencesError.exit_code


def _tell(settings: Settings, report: AdoptReport, *, dry_run: bool, queue: bool) -> None:
    states = {str(state): number for state, number in report.states.items()}
    parts = [f"{states[name]:,} {name}" for name in STATES if name in states]
    settings.say(", ".join(parts) or "no product was found")
    would = "would be " if dry_run else ""
    settings.say(
        f"{wording.count(report.recorded, 'product')} {would}recorded as done; {wording.size(report.bytes)} right; "
        f"{wording.count(report.others, 'other file')} passed over"
    )
    damaged = states.get("partial", 0) + states.get("corrupt", 0)
    if queue and not dry_run:
        settings.say(f"queued {wording.count(report.queued, 'product')} to be downloaded")
    elif damaged:
        settings.say("with --queue, `satcat adopt` queues what is partial or corrupt")
