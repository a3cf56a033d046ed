"""`satcat sql`: read-only SQL."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress

import click

from satcat import wording
from satcat.cli.frame import Settings
from satcat.cli.frame import command as satcat_command
from satcat.cli.output import Output, output
from satcat.errors import FilterError
from satcat.exports.rows import Rows


@satcat_command(
    exits=(3,),
    example="""
    satcat sql "SELECT platform, count(*) AS n, avg(cloud_cover) FROM products GROUP BY platform"
    satcat sql "SELECT name FROM products WHERE tile_id = :tile" --param tile=30TWM -f csv
    satcat sql - < report.sql
    """,
)
@click.argument("statement", metavar="SQL|-")
@click.option(
    "--param",
    metavar="NAME=VALUE",
    multiple=True,
    help="A value for :NAME in the SQL, bound and never pasted; again for more.",
)
@click.option(
    "--time-limit",
    metavar="SECONDS",
    type=click.FloatRange(0, min_open=True),
    help="Break off after so long.  [default: never]",
)
@output
@click.pass_obj  # fmt: skip
def command(
    settings: Settings, statement: str, param: tuple[str, ...], time_limit: float | None, out: Output
) -> None:  # fmt: skip
    """Run one read-only SQL statement on the catalogue.

    Instead of SQL, - reads it from standard input. `satcat schema` explains the tables and shows reports. A parameter's
    VALUE that is written as a number is one, anything else is text. Writing statements are refused; to mark products by
    SQL, use any SQLite tool, or psql.
    """
    from satcat.readonly import sqlite

    sqlite.bound_memory()
    params = _params(param)
    if statement == "-":
        statement = sys.stdin.read()
    with (
        settings.open() as catalogue,
        catalogue.sql(statement, params, seconds=time_limit) as result,
    ):
        place = {name: number for number, name in enumerate(_distinct(result.columns))}
        columns = out.choose(list(place))
        pick = [place[name] for name in columns]
        total = out.put(Rows(columns, ([row[at] for at in pick] for row in result.rows)))
    if out.format == "table":
        settings.say(wording.count(total, "row"))


def _params(given: Iterable[str]) -> dict[str, str | float]:
    params: dict[str, str | float] = {}
    for text in given:
        name, value = _param(text)
        if name in params:
            raise FilterError(f"--param {text}: {name} has a value already")
        params[name] = value
    return params


def _param(text: str) -> tuple[str, str | float]:
    """A parameter's name and value; 004033 is no number, for it would lose its zeros, nor are nan, inf or 30 digits."""
    name, equals, value = text.partition("=")
    name = name.strip().removeprefix(":")
    if not equals or not name.isidentifier():
        raise FilterError(f"--param {text}: write NAME=VALUE")
    for kind, largest in ((int, 2**63 - 1), (float, sys.float_info.max)):
        with suppress(ValueError):
            if str(number := kind(value)) == value and abs(number) <= largest:
                return name, number
    return name, value


def _distinct(columns: Iterable[str]) -> Iterator[str]:
    """The columns' names; `id` a second time is `id_2`."""
    stated = list(columns)
    taken: set[str] = set()
    for name in stated:
        others = (f"{name}_{number}" for number in itertools.count(2))
        free = (other for other in others if other not in taken and other not in stated)
        taken.add(one := next(free) if name in taken else name)
        yield one
