"""The counts per tile and month, and per year: what both engines keep alike of what they count in their own SQL."""

from __future__ import annotations

from sqlalchemy import Connection

MONTHS = "tile_id, product_type, month, collection, products, clear_products, size_bytes, days, clear_days"
YEARS = "tile_id, product_type, year, collection, products, clear_products, size_bytes"


def pairs(months: str, years: str) -> tuple[tuple[str, str], ...]:
    """SELECTs of what must be kept, each with one of what is."""
    return (
        (months, f"SELECT {MONTHS} FROM tile_months"),
        (years, f"SELECT {YEARS} FROM tile_years"),
    )


def rebuild(connection: Connection, months: str, years: str) -> None:
    """Keep what these SELECTs count."""
    connection.exec_driver_sql("DELETE FROM tile_months")
    connection.exec_driver_sql(f"INSERT INTO tile_months ({MONTHS}) {months}")
    # triggers of SQLite sum months up; from sums that were wrong nothing right comes
    connection.exec_driver_sql("DELETE FROM tile_years")
    connection.exec_driver_sql(f"INSERT INTO tile_years ({YEARS}) {years}")
