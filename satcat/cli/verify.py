"""`satcat verify`: what the mirror holds against what the source lists, and files against their checksums."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import click

from satcat import wording
from satcat.cli.frame import Settings
from satcat.cli.frame import command as satcat_command
from satcat.cli.source import source
from satcat.errors import DifferencesError, FilterError
from satcat.terminal import printable

if TYPE_CHECKING:
    from satcat.sync.verdict import VerifyReport


def _share(
    _ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[int, int] | None:
    """Read `2/10`."""
    if value is None:
        return None
    found = re.fullmatch(r"(\d+)/(\d+)", value)
    if found is None:
        raise click.BadParameter(f"{value!r} is no share: write 2/10", param=param)
    return int(found[1]), int(found[2])


@satcat_command(
    exits=(3, 4, 6, 8),
    example="""
    satcat verify
    satcat verify --files --subset 1/30
    """,
)
@click.option("--scope", metavar="NAME", help="Only this scope.")
@click.option(
    "--repair", is_flag=True, help="Put right what differs; with --files: queue bad files again."
)
@click.option(
    "--budget",
    metavar="N",
    type=click.IntRange(1),
    help="Spend about N requests, on what was proven longest ago; then exit 6.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as JSON.")
@click.option("--moved", is_flag=True, help="Accept that the catalogue's address has changed.")
@click.option("--files", is_flag=True, help="Only hash the downloaded files again, offline.")
@click.option(
    "--subset",
    metavar="N/T",
    callback=_share,
    help="With --files: the N-th of T parts of all files.",
)
@click.pass_obj  # fmt: skip
def command(
    settings: Settings, *, scope: str | None, repair: bool, budget: int | None, as_json: bool, moved: bool,
    files: bool, subset: tuple[int, int] | None,
) -> int:  # fmt: skip
    """Show that the mirror holds exactly what the source lists.

    First checks the catalogue in itself. Then follows the source, lists the ids and modification dates of every window,
    compares them with what is stored, and compares one page of products per scope in full. Each difference is named.
    """
    if files:
        if scope or budget or as_json or moved:
            raise FilterError("--files goes with --repair and --subset alone: it asks no source")
        return _files(settings, subset, repair=repair)
    if subset:
        raise FilterError("--subset goes with --files")
    report = _verify(settings, scope, budget, repair=repair, moved=moved)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=1, default=str))
    else:
        _print(settings, report)
    return report.exit_code


def _verify(
    settings: Settings, scope: str | None, budget: int | None, *, repair: bool, moved: bool
) -> VerifyReport:
    from satcat import progress
    from satcat.sync.report import SyncOptions

    with source(settings) as api, settings.open() as catalogue:
        return catalogue.verify(
            api, scope=scope, repair=repair, budget=budget, options=SyncOptions(moved=moved),
            progress=progress.of_sync(quiet=settings.quiet),
        )  # fmt: skip


def _print(settings: Settings, report: VerifyReport) -> None:
    lines = [
        f"catalogue: {f.kind}: {f.id + ' ' if f.id else ''}{f.detail}" for f in report.findings
    ]
    lines += [f"mended: {detail}" for detail in report.mended]
    lines += [f"{d.kind}: {d}" + (f" [{d.where}]" if d.where else "") for d in report.differences]
    lines += [
        f"the source did not list completely: {where}" for where in report.incomplete_listings
    ]
    for line in lines:
        click.echo(printable(line))
    click.echo(
        f"compared {wording.count(report.products_compared, 'product')} in "
        f"{wording.count(report.windows_compared, 'window')}, {report.products_sampled:,} of them in full, "
        f"with {wording.count(report.requests, 'request')}"
    )
    for number, what in (
        (report.news, "came as news before the comparison"),
        (report.pending, "changed too recently to count"),
        (report.windows_unfinished, "windows were never finished: run satcat sync"),
        (report.windows_left, "windows are left: the budget was spent; run it again"),
        (report.open_rejects, "records could not be stored: see the table sync_rejects"),
    ):
        if number:
            settings.say(f"{number:,} {what}")
    left = len(report.findings) + len(report.left)
    if left:
        settings.say(
            f"{wording.count(left, 'difference')} left; `satcat verify --repair` mends them"
        )
    elif report.exit_code == 0:
        click.echo("the mirror holds exactly what the source lists")


def _files(settings: Settings, subset: tuple[int, int] | None, *, repair: bool) -> int:
    from satcat import progress
    from satcat.downloads import check

    def show(checked: check.CheckedFile) -> None:
        watch.file()
        if checked.state is not check.FileState.OK:
            watch.clear()
            where = checked.path or checked.product_id
            click.echo(printable(f"{checked.state}: {where}: {checked.detail}"))

    with settings.open() as catalogue:
        size = check.size_of(catalogue.database, subset)
        watch = progress.of_files("hashing", quiet=settings.quiet, size=size)
        try:
            report = check.verify_files(
                catalogue.database, subset=subset, requeue=repair, on_file=show, on_bytes=watch.advance
            )  # fmt: skip
        finally:
            watch.end()
    bad = [c for c in report.problems if c.state is not check.FileState.UNCHECKED]
    click.echo(
        f"{wording.count(report.ok, 'file')} right ({wording.size(report.bytes)}), {len(bad)} missing or altered, "
        f"{len(report.problems) - len(bad)} that cannot be checked"
    )
    if any(c.state is check.FileState.MISSING for c in bad):
        settings.say("files that were moved are found again by `satcat adopt DIR`")
    if bad and repair:
        settings.say(f"queued {wording.count(len(bad), 'product')} again")
    elif bad:
        settings.say("`satcat verify --files --repair` queues them again")
    return DifferencesError.exit_code if bad and not repair else 0
