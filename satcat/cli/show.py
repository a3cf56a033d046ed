"""`satcat show`: one product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from satcat import times, wording
from satcat.cli.frame import Settings
from satcat.cli.frame import command as satcat_command
from satcat.cli.output import Output, output
from satcat.errors import SatcatError
from satcat.products import RESULT_COLUMNS
from satcat.terminal import printable

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from satcat.products import SatelliteImage


@satcat_command(
    exits=(3,),
    example="satcat show S2B_MSIL2A_20240604T105619_N0510_R094_T30TWM_20240604T125003",
)
@click.argument("which", metavar="ID|NAME")
@output
@click.pass_obj
def command(settings: Settings, which: str, out: Output) -> None:
    """Show all that is known of one product, offline.

    Takes its id, the first eight or more characters of the id, or its name with or without suffix.
    """
    from satcat import select

    with settings.open() as catalogue, catalogue.database.read() as connection:
        found = select.find(connection, which)
        if not found:
            raise SatcatError(_not_found(connection, which))
        if out.format == "table" and out.columns is None and out.path is None:
            for product in found:
                _print(product, _download(connection, product.id))
        else:
            out.write(found, RESULT_COLUMNS, get=getattr, more=["footprint"])


def _print(product: SatelliteImage, download: str | None) -> None:
    from satcat import footprints

    shown: dict[str, Any] = {
        name: getattr(product, name) for name in RESULT_COLUMNS if name != "attributes"
    }
    shown["footprint"] = footprints.to_wkt(product.footprint) if product.footprint else None
    shown["download"] = download
    shown |= {f"attributes: {name}": value for name, value in sorted(product.attributes.items())}
    known = {name: value for name, value in shown.items() if value is not None}
    width = max(map(len, known))
    for name, value in known.items():
        text = times.to_text(value) if hasattr(value, "tzinfo") else str(value)
        click.echo(printable(f"{name:<{width}}  {text}"))
    unknown = [name for name, value in shown.items() if value is None and name != "download"]
    click.echo(f"{'unknown':<{width}}  {', '.join(unknown) or 'nothing'}\n")


def _download(connection: Connection, product_id: str) -> str | None:
    """The state of the product's download in words, None if nobody asked for it."""
    import sqlalchemy as sa

    from satcat.models import downloads

    row = connection.execute(
        sa.select(downloads).where(downloads.c.product_id == product_id)
    ).first()
    if row is None:
        return None
    checked = None if row.verification == "none" else f"checked by {row.verification}"
    parts = row.include and f"only {wording.patterns(row.include)}"
    return ", ".join(part for part in (row.status, parts, row.path, checked, row.error) if part)


def _not_found(connection: Connection, which: str) -> str:
    import sqlalchemy as sa

    from satcat.canonical import UNSTORABLE
    from satcat.models import deleted_products as gone

    named = sa.select(gone).where(sa.or_(gone.c.id == which, gone.c.name == which))
    row = None if UNSTORABLE.search(which) else connection.execute(named).first()
    if row is None:
        return f"no product {which!r} is mirrored; `satcat status` says what is"
    when = wording.moment(row.deletion_date or row.noticed_at)
    cause = f": {row.deletion_cause}" if row.deletion_cause else ""
    return f"product {row.id} ({row.name}) was {row.kind} at the source on {when} UTC{cause}"
