"""`satcat sql`: read-only SQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import click

from satcat.cli import wording
from satcat.cli.frame import Settings
from satcat.cli.frame import command as satcat_command
from satcat.cli.output import Output, output


@satcat_command(
    exits=(3,),
    example="""
    satcat sql "SELECT platform, count(*) AS n, avg(cloud_cover) FROM products GROUP BY platform"
    """,
)
@click.argument("statement")
@output
@click.pass_obj
def command(settings: Settings, statement: str, out: Output) -> None:
    """Run one read-only SQL statement on the catalogue.

    `satcat schema` explains the tables. Writing statements are refused; to mark products by SQL, use any SQLite tool.
    """
    with settings.open() as catalogue, catalogue.sql(statement) as result:
        place = {name: number for number, name in enumerate(_distinct(result.columns))}
        total = out.write(result.rows, list(place), get=lambda row, name: row[place[name]])
    if out.format == "table":
        settings.say(wording.count(total, "row"))


def _distinct(columns: Iterable[str]) -> Iterator[str]:
    """The columns' names; `id` a second time is `id_2`."""
    seen: Counter[str] = Counter()
    for name in columns:
        seen[name] += 1
        yield name if seen[name] == 1 else f"{name}_{seen[name]}"
