"""`satcat download`: the worker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from satcat import wording
from satcat.api.filenames import Layout
from satcat.cli.frame import Settings
from satcat.cli.frame import command as satcat_command
from satcat.cli.source import source
from satcat.errors import DownloadsFailedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from satcat.catalogue import Catalogue
    from satcat.downloads.report import DownloadReport


@satcat_command(
    exits=(3, 4, 5, 7),
    example="""
    export CDSE_USERNAME=me@example.org CDSE_PASSWORD=…
    satcat download --out products
    satcat download > failed.txt || satcat mark --ids failed.txt
    """,
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("products"),
    show_default=True,
    help="Where files go.",
)
@click.option(
    "--layout",
    type=click.Choice([str(layout) for layout in Layout]),
    default=str(Layout.FLAT),
    show_default=True,
    help="Folders in DIR for files; the date is that of sensing. What is there already stays where it is.",
)
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(1, 4),
    default=4,
    show_default=True,
    help="Files at a time; all workers of a catalogue together never exceed 4.",
)
@click.option("--limit", metavar="N", type=click.IntRange(1), help="At most N products.")
@click.option(
    "--follow", is_flag=True, help="Do not end: wait for new marks, and for a source that is down."
)
@click.option(
    "--json", "events", is_flag=True, help="Events for machines on stdout, one JSON object a line; see the README."
)  # fmt: skip
@click.pass_obj  # fmt: skip
def command(
    settings: Settings, *, out: Path, layout: str, workers: int, limit: int | None, follow: bool,
    events: bool,
) -> int:  # fmt: skip
    """Download what is marked, and check every file.

    A file gets its name only when its size and its strongest published checksum are right. Run again, it goes on after any
    interruption, in the midst of a file where the source allows it. Credentials come from CDSE_USERNAME, CDSE_PASSWORD and
    CDSE_TOTP, else from ~/.netrc. The ids of what failed go to stdout, one a line, as `satcat mark --ids` reads them; the
    reasons to stderr.

    A source that is down is waited for, five minutes or, with --follow, for as long as it takes. Offline products are parked
    and looked at again, first after two hours. Ctrl-C gives every row back and keeps the bytes; a second one ends at once.
    """
    from satcat import progress
    from satcat.downloads.report import DownloadReport

    report = DownloadReport()
    out = out.expanduser()  # no shell does it in a satcat.toml, nor after --out=
    with source(settings, tell_waits=False) as api, settings.open() as catalogue:
        queued, size = _expected(catalogue)
        known = not (follow or limit)
        watching = progress.of_downloads(
            quiet=settings.quiet, files=queued if known else None, size=size if known else None, events=events
        )  # fmt: skip
        try:
            with watching as watch:
                catalogue.download(
                    api, out=out, layout=layout, workers=workers, limit=limit, follow=follow,
                    progress=watch, stop=watch.stop, report=report,
                )  # fmt: skip
        except BaseException:
            if not events:
                _tell_ended(settings, report, out, watching.failed)
            raise
        if events:
            if watch.stop.is_set():  # nobody reads the events any more
                raise BrokenPipeError
            return DownloadsFailedError.exit_code if watch.failed else 0
        _tell(settings, report, out, queued)
        return _list_failed(settings, catalogue, watch.failed)


def _expected(catalogue: Catalogue) -> tuple[int, int | None]:
    """Files and bytes that are queued; None where nobody knows, as of parts that are still to be listed."""
    from satcat.downloads import marks

    with catalogue.database.read() as connection:
        queued = marks.counts(connection)["queued"]
    return queued.rows, None if queued.unknown else queued.bytes


def _tell(settings: Settings, report: DownloadReport, out: Path, queued: int) -> None:
    """Say what the run did of the `queued` files that there were when it began."""
    if not report.done + report.failed + report.skipped:
        said = "nothing was waiting; `satcat mark` asks for downloads, `satcat queue` shows them"
        if queued:
            said = "another worker took what was waiting; `satcat queue` shows what came of it"
        settings.say(said)
        return
    settings.say(_summary(report, out))


def _tell_ended(
    settings: Settings, report: DownloadReport, out: Path, failed: Iterable[str]
) -> None:
    """Say what a run did that ended before its time. The catalogue is not asked: it may be the reason."""
    if report.done + report.failed + report.skipped or report.bytes:
        settings.say(_summary(report, out))
    for product_id in failed:
        click.echo(product_id)


def _summary(report: DownloadReport, out: Path) -> str:
    rate = report.bytes / report.seconds if report.seconds else 0.0
    parts = [f"{wording.count(report.done, 'file')} in {out}, checked"]
    parts += [
        f"{wording.size(report.bytes)} in {wording.duration(report.seconds)} ({wording.size(rate)}/s)"
    ]
    parts += [f"{report.failed:,} failed"] if report.failed else []
    parts += [f"{report.skipped:,} skipped"] if report.skipped else []
    return "; ".join(parts)


def _list_failed(settings: Settings, catalogue: Catalogue, failed: Iterable[str]) -> int:
    """Print the ids of this run's failures, and why."""
    from satcat.downloads import marks

    ids = set(failed)
    if not ids:
        return 0
    with catalogue.database.read() as connection:
        for failure in marks.failures(connection):
            if failure.product_id in ids:
                name, reason = (
                    failure.name or failure.product_id,
                    failure.error or "no reason given",
                )
                settings.say(f"{failure.status}: {name}: {reason.removeprefix(f'{name}: ')}")
                click.echo(failure.product_id)
    settings.say("`satcat queue retry` tries them again")
    return DownloadsFailedError.exit_code
