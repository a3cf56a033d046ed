"""`satcat report calendar`: a year of one tile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from satcat.cli import options
from satcat.cli.frame import Settings
from satcat.cli.frame import command as satcat_command
from satcat.cli.mirrored import insist, tell
from satcat.cli.output import Output, output

if TYPE_CHECKING:
    from satcat.filters import SearchFilters
    from satcat.reports.calendar import Day

_LEGEND = "0 … 9: cloud in tens of percent, of the day's clearest product; ?: unknown; ·: nothing; /: not mirrored"
_DAYS = 31


@satcat_command(
    name="calendar",
    exits=(3, 6),
    example="""
    satcat report calendar --tile 30TWM --level L2A --year 2024
    satcat report calendar --tile 30TWM --year 2024 -f csv
    """,
)
@options.filters
@click.option("--year", metavar="YEAR", type=int, help="[default: the last one with products]")
@options.strict
@output
@click.pass_obj  # fmt: skip
def calendar_command(
    settings: Settings, /, *, filters: SearchFilters, year: int | None, strict: bool, out: Output
) -> None:
    """Show a year of one tile day by day, with its cloud cover, offline.

    For scripts (-f csv, json) a row a day, whether or not anything was sensed.
    """
    from satcat.reports import calendar

    with settings.open() as catalogue:
        days = list(catalogue.calendar(filters, year))
        survey = catalogue.survey(filters.within(calendar.interval(days[0].date.year)))
        tell(settings, survey)
        if out.format == "table" and out.columns is None:
            out.lines(_drawn(days))
            settings.say(_LEGEND)
        else:
            out.write(days, calendar.COLUMNS, get=getattr)
    insist(survey, strict=strict)


def _drawn(days: Iterable[Day]) -> Iterator[str]:
    """A line a month, a character a day."""
    months: dict[str, list[str]] = {}
    for day in days:
        months.setdefault(f"{day.date:%Y-%m}", []).append(_mark(day))
    yield "         " + "".join(f"{day:<5}" for day in range(1, _DAYS + 1, 5)).rstrip()
    for month, marks in months.items():
        yield f"{month}  {''.join(marks)}".rstrip()


def _mark(day: Day) -> str:
    if day.products:
        return "?" if day.cloud_cover is None else str(min(int(day.cloud_cover // 10), 9))
    if day.mirrored == "ahead":
        return " "
    return "·" if day.products == 0 else "/"
