"""What is derived in an SQLite file, and the file itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection

from satcat.integrity import counts
from satcat.integrity.finding import Finding, hash_of
from satcat.products import SOURCE_COLUMNS


def check(connection: Connection) -> Iterator[Finding]:
    """Damage to the file, rows that refer to nothing, a spatial index or counts that do not follow from the products."""
    yield from _file(connection)
    yield from _references(connection)
    yield from _spatial_index(connection)
    yield from _tile_months(connection)


def _file(connection: Connection) -> Iterator[Finding]:
    for (line,) in connection.exec_driver_sql("PRAGMA integrity_check"):
        if line != "ok":
            yield Finding("file", line)


def _references(connection: Connection) -> Iterator[Finding]:
    for table, rowid, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check"):
        yield Finding(
            "reference", f"row {rowid} of {table} refers to a row of {parent} that is not there"
        )


# What the index must hold. A box across 180° is two entries, the one from -180° on under the negative key.
_BOXES = """
    SELECT pk, west, iif(west > east, 180, east) AS east, south, north,
           julianday(sensing_start) - 2451544.5 AS day, id
    FROM products WHERE west IS NOT NULL
    UNION ALL
    SELECT -pk, -180, east, south, north, julianday(sensing_start) - 2451544.5, id
    FROM products WHERE west > east
"""


def _bounds(low: str, high: str, least: str, most: str) -> str:
    """SQL for: an entry's range holds a box's, and not much more. Its numbers are float32, rounded outward."""
    slack = "0.00001 + abs({0}) / 1000000"
    return (
        f"r.{low} BETWEEN b.{least} - ({slack.format('b.' + least)}) AND b.{least}"
        f" AND r.{high} BETWEEN b.{most} AND b.{most} + ({slack.format('b.' + most)})"
    )


_NOT_INDEXED = f"""
    SELECT b.id FROM ({_BOXES}) AS b LEFT JOIN products_rtree AS r ON r.pk = b.pk
    WHERE r.pk IS NULL OR NOT (
        {_bounds("west", "east", "west", "east")} AND {_bounds("south", "north", "south", "north")}
        AND {_bounds("first_day", "last_day", "day", "day")})
    UNION
    SELECT coalesce(p.id, 'key ' || r.pk) FROM products_rtree AS r LEFT JOIN products AS p ON p.pk = abs(r.pk)
    WHERE p.pk IS NULL OR p.west IS NULL OR r.pk < 0 AND p.west <= p.east
"""


def _spatial_index(connection: Connection) -> Iterator[Finding]:
    said = connection.exec_driver_sql("SELECT rtreecheck('products_rtree')").scalar_one()
    if said != "ok":
        yield Finding("spatial index", str(said).splitlines()[0])
    for (product,) in connection.exec_driver_sql(_NOT_INDEXED):
        yield Finding("spatial index", f"does not hold {product} as it is")


# distinct powers of two add up to their union
_BIT = "1 << (CAST(substr(sensing_start, 9, 2) AS INTEGER) - 1)"
_MONTHS = f"""
    SELECT tile_id, coalesce(product_type, ''), substr(sensing_start, 1, 7), collection,
           count(*), count(CASE WHEN cloud_cover <= 20 THEN 1 END), coalesce(sum(size_bytes), 0),
           sum(DISTINCT {_BIT}), coalesce(sum(DISTINCT CASE WHEN cloud_cover <= 20 THEN {_BIT} END), 0)
    FROM products WHERE tile_id IS NOT NULL GROUP BY 1, 2, 3, 4
"""
_YEARS = """
    SELECT tile_id, product_type, substr(month, 1, 4), collection, sum(products), sum(clear_products), sum(size_bytes)
    FROM tile_months GROUP BY 1, 2, 3, 4
"""


def _tile_months(connection: Connection) -> Iterator[Finding]:
    for true, kept in counts.pairs(_MONTHS, _YEARS):
        for left, right in ((true, kept), (kept, true)):
            rows = connection.exec_driver_sql(
                f"SELECT * FROM ({left}) EXCEPT SELECT * FROM ({right})"
            )
            for row in rows:
                yield Finding("tile_months", f"{row[0]} {row[1]} {row[2]} is not counted right")


def altered(connection: Connection) -> Iterator[str]:
    """Ids of products whose content hash does not fit what the row holds, damaged as it may be."""
    names = ", ".join(("content_hash", *SOURCE_COLUMNS))
    rows = connection.exec_driver_sql(f"SELECT {names} FROM products ORDER BY pk")
    for row in rows:
        if _hash(dict(zip(SOURCE_COLUMNS, row[1:], strict=True))) != row[0]:
            yield str(row[1])


def _hash(values: dict[str, Any]) -> str | None:
    """The content hash of a row as SQLite holds it; None if it cannot be one of ours."""
    try:
        values["attributes"] = json.loads(values["attributes"])
    except (TypeError, ValueError):
        return None
    if values["online"] in (0, 1):
        values["online"] = bool(values["online"])
    return hash_of(values)


def rebuild(connection: Connection) -> None:
    """Make the spatial index and the counts again from the products."""
    made = "SELECT sql FROM sqlite_master WHERE name = 'products_rtree'"
    definition = connection.exec_driver_sql(made).scalar_one()
    connection.exec_driver_sql("DROP TABLE products_rtree")  # emptied, a damaged tree stays damaged
    connection.exec_driver_sql(definition)
    connection.exec_driver_sql(
        f"""INSERT INTO products_rtree (pk, west, east, south, north, first_day, last_day)
        SELECT pk, west, east, south, north, day, day FROM ({_BOXES})"""
    )
    counts.rebuild(connection, _MONTHS, _YEARS)
