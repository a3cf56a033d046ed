"""`satcat schema`: the tables explained."""

from __future__ import annotations

import difflib

import click

from satcat import schema
from satcat.cli.frame import Settings
from satcat.cli.frame import command as satcat_command
from satcat.errors import FilterError


@satcat_command(
    example="""
    satcat schema downloads
    satcat sql "SELECT status, count(*) FROM downloads GROUP BY status"
    """,
)
@click.argument("table", required=False)
@click.pass_obj
def command(settings: Settings, table: str | None) -> None:
    """Explain the catalogue's tables and columns.

    Without TABLE: all public tables, the names of the bookkeeping ones, and reports in SQL to copy and change. Needs no
    catalogue; if --db is a URL of PostgreSQL, the reports are in its SQL.
    """
    if table is None:
        on_server = settings.db.startswith("postgres")
        click.echo(schema.CONVENTIONS_ON_SERVER if on_server else schema.CONVENTIONS)
        for name, page in schema.PAGES.items():
            if page.public:
                _print(name, page)
        inner = ", ".join(name for name, page in schema.PAGES.items() if not page.public)
        click.echo(f"\nBookkeeping, not for writing (`satcat schema NAME` explains): {inner}")
        for example in schema.EXAMPLES:
            click.echo(f"\n-- {example.question}\n{example.spelt(on_server=on_server)};")
        return
    table = table.lower()  # SQL does not mind capitals either
    if table not in schema.PAGES:
        near = difflib.get_close_matches(table, schema.PAGES, n=3) or list(schema.PAGES)
        raise FilterError(f"there is no table {table!r}; there are {', '.join(near)}")
    _print(table, schema.PAGES[table])


def _print(name: str, page: schema.Page) -> None:
    click.echo(f"\n{name}: {page.what}" + ("" if page.public else " (bookkeeping)"))
    width = max(map(len, page.columns))
    for column, meaning in page.columns.items():
        click.echo(f"  {column:<{width}}  {meaning}")
