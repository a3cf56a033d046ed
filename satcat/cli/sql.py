"""`satcat sql`: read-only SQL."""

from __future__ import annotations

import click

from satcat.cli import wording
from satcat.cli.frame import Settings
from satcat.cli.frame import command as satcat_command
from satcat.cli.output import Output, output


@satcat_command(
    exits=(2, 3),
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
        total = out.write(result.rows, result.columns)
    if out.format == "table":
        settings.say(wording.count(total, "row"))
