"""What is derived in PostgreSQL. The server itself sees to references and to its indexes."""

from __future__ import annotations

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy import Connection

from satcat.integrity import counts
from satcat.integrity.finding import Finding, hash_of
from satcat.models import products
from satcat.products import SOURCE_COLUMNS

_BATCH = 1000  # rows in memory at once
_DAY = "extract(day FROM sensing_start AT TIME ZONE 'UTC')"
_BIT = f"(1 << (CAST({_DAY} AS integer) - 1))"
_MONTHS = f"""
    SELECT tile_id, coalesce(product_type, '') AS product_type,
           to_char(sensing_start AT TIME ZONE 'UTC', 'YYYY-MM') AS month, collection,
           CAST(count(*) AS integer), CAST(count(*) FILTER (WHERE cloud_cover <= 20) AS integer),
           CAST(coalesce(sum(size_bytes), 0) AS bigint),
           bit_or({_BIT}), coalesce(bit_or({_BIT}) FILTER (WHERE cloud_cover <= 20), 0)
    FROM products WHERE tile_id IS NOT NULL GROUP BY 1, 2, 3, 4
"""
_YEARS = """
    SELECT tile_id, product_type, left(month, 4), collection, CAST(sum(products) AS integer),
           CAST(sum(clear_products) AS integer), CAST(sum(size_bytes) AS bigint)
    FROM tile_months GROUP BY 1, 2, 3, 4
"""
_OFF = """
    SELECT name, tgname IS NULL FROM unnest(CAST(%(names)s AS text[])) AS name LEFT JOIN pg_trigger
        ON tgname = name AND tgrelid = CAST('products' AS regclass)
    WHERE tgenabled IS DISTINCT FROM 'O' ORDER BY 1
"""
_TRIGGERS = [f"tile_months_{event}" for event in ("insert", "update", "delete", "truncate")]
_INVALID = """
    SELECT CAST(indexrelid AS regclass) FROM pg_index
    WHERE indrelid = CAST('products' AS regclass) AND NOT (indisvalid AND indisready) ORDER BY 1
"""
_MISSING = "is missing: make a whole catalogue of this one by `satcat copy`"
_PLACES = ("ix_products_place", "ix_products_place_180")
_INDEXES = "SELECT indexname FROM pg_indexes WHERE tablename = 'products' AND schemaname = current_schema()"


def check(connection: Connection) -> Iterator[Finding]:
    """Counts that do not follow from the products, and what keeps them and the spatial index right being switched off."""
    for (name,) in connection.exec_driver_sql(_INVALID):
        yield Finding("spatial index", f"the index {name} is not valid: REINDEX it")
    for name in sorted(set(_PLACES) - _indexes(connection)):
        yield Finding("spatial index", f"the index {name} {_MISSING}")
    for name, is_missing in connection.exec_driver_sql(_OFF, {"names": _TRIGGERS}):
        advice = _MISSING if is_missing else "is disabled: enable it"
        yield Finding("tile_months", f"the trigger {name} {advice}")
    for true, kept in counts.pairs(_MONTHS, _YEARS):
        differing = (
            f"(({true}) EXCEPT ({kept})) UNION (({kept}) EXCEPT ({true})) ORDER BY 1, 2, 3, 4"
        )
        for row in connection.exec_driver_sql(differing):
            yield Finding("tile_months", f"{row[0]} {row[1]} {row[2]} is not counted right")


def _indexes(connection: Connection) -> set[str]:
    return set(connection.exec_driver_sql(_INDEXES).scalars())


def altered(connection: Connection) -> Iterator[str]:
    """Ids of products whose content hash does not fit what the row holds."""
    columns = [products.c[name] for name in SOURCE_COLUMNS]
    statement = sa.select(products.c.content_hash, *columns).order_by(products.c.pk)
    for row in connection.execute(statement, execution_options={"yield_per": _BATCH}):
        if hash_of(dict(zip(SOURCE_COLUMNS, row[1:], strict=True))) != row[0]:
            yield str(row[1])


def rebuild(connection: Connection) -> None:
    """Make the spatial index and the counts again from the products."""
    for index in sorted(set(_PLACES) & _indexes(connection)):
        connection.exec_driver_sql(f"REINDEX INDEX {index}")
    counts.rebuild(connection, _MONTHS, _YEARS)
