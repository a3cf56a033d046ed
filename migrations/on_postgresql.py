"""What the first release's tables have beside them in PostgreSQL: indexes over places, and counts kept by triggers.

Triggers work once per statement, on all its rows together, so that a page of a listing costs a few statements.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.types import UserDefinedType


class Geometry(UserDefinedType[bytes]):
    """PostGIS geometry in WGS 84, longitude first."""

    cache_ok = True

    def __init__(self, *_: Any) -> None:
        """What reflection finds in the parentheses does not matter: there is one kind."""

    def get_col_spec(self, **_: Any) -> str:
        """The type as DDL names it."""
        return "geometry(Geometry,4326)"


#: The indexes that the models know nothing of.
PLACES = ("ix_products_place", "ix_products_place_180")

# A footprint that crosses 180 degrees comes in two parts, one at either end of the world; moved to 0...360 it is one.
# The sensing start makes the indexes narrow in time too.
_PLACES = (
    """CREATE INDEX ix_products_place ON products USING gist (footprint, sensing_start) WHERE west <= east""",
    """CREATE INDEX ix_products_place_180 ON products USING gist (ST_ShiftLongitude(footprint), sensing_start)
    WHERE west > east""",
)

_MONTH = "to_char({}.sensing_start AT TIME ZONE 'UTC', 'YYYY-MM')"
# The bit of a day in its month, the first day's being 1.
_BIT = "(1 << (CAST(extract(day FROM {}.sensing_start AT TIME ZONE 'UTC') AS integer) - 1))"
_COUNTED = f"""
    SELECT p.tile_id, coalesce(p.product_type, ''), {_MONTH.format("p")}, p.collection,
           count(*), count(*) FILTER (WHERE p.cloud_cover <= 20), coalesce(sum(p.size_bytes), 0),
           bit_or({_BIT.format("p")}), coalesce(bit_or({_BIT.format("p")}) FILTER (WHERE p.cloud_cover <= 20), 0)
"""
_GROUPED = "WHERE p.tile_id IS NOT NULL GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
_COLUMNS = "tile_id, product_type, month, collection, products, clear_products, size_bytes, days, clear_days"
_YEAR_COLUMNS = "tile_id, product_type, year, collection, products, clear_products, size_bytes"

# Names mean these tables whatever the search path of whoever writes.
_FUNCTION = "LANGUAGE plpgsql SET search_path FROM CURRENT"

_COUNT_IN = f"""
CREATE FUNCTION satcat_count_in() RETURNS trigger {_FUNCTION} AS $$
BEGIN
    INSERT INTO tile_months AS held ({_COLUMNS})
    {_COUNTED} FROM added AS p {_GROUPED}
    ON CONFLICT (tile_id, collection, product_type, month) DO UPDATE SET
        products = held.products + excluded.products,
        clear_products = held.clear_products + excluded.clear_products,
        size_bytes = held.size_bytes + excluded.size_bytes,
        days = held.days | excluded.days,
        clear_days = held.clear_days | excluded.clear_days;
    INSERT INTO tile_years AS held ({_YEAR_COLUMNS})
    SELECT p.tile_id, coalesce(p.product_type, ''), left({_MONTH.format("p")}, 4), p.collection,
           count(*), count(*) FILTER (WHERE p.cloud_cover <= 20), coalesce(sum(p.size_bytes), 0)
    FROM added AS p {_GROUPED}
    ON CONFLICT (tile_id, collection, product_type, year) DO UPDATE SET
        products = held.products + excluded.products,
        clear_products = held.clear_products + excluded.clear_products,
        size_bytes = held.size_bytes + excluded.size_bytes;
    RETURN NULL;
END $$
"""

# Counts that rows were taken out of are made anew from the rows that are left. They are locked before that (by an upsert,
# for whoever recounts them at the same moment has deleted what was there): what others add is then seen, or added later.
_RECOUNT = f"""
CREATE FUNCTION satcat_recount(groups tile_months[]) RETURNS void {_FUNCTION} AS $$
BEGIN
    INSERT INTO tile_months AS held ({_COLUMNS})
    SELECT g.tile_id, g.product_type, g.month, g.collection, 0, 0, 0, 0, 0 FROM unnest(groups) AS g
    ORDER BY 1, 2, 3, 4
    ON CONFLICT (tile_id, collection, product_type, month) DO UPDATE SET products = held.products;
    DELETE FROM tile_months AS held USING unnest(groups) AS g
    WHERE held.tile_id = g.tile_id AND held.product_type = g.product_type AND held.month = g.month
        AND held.collection = g.collection;
    INSERT INTO tile_months ({_COLUMNS})
    {_COUNTED}
    FROM unnest(groups) AS g JOIN products AS p ON p.tile_id = g.tile_id AND p.collection = g.collection
        AND coalesce(p.product_type, '') = g.product_type
        AND p.sensing_start >= CAST(g.month || '-01 00:00+00' AS timestamptz)
        AND p.sensing_start < (CAST(g.month || '-01' AS timestamp) + interval '1 month') AT TIME ZONE 'UTC'
    {_GROUPED};
    INSERT INTO tile_years AS held ({_YEAR_COLUMNS})
    SELECT DISTINCT g.tile_id, g.product_type, left(g.month, 4), g.collection, 0, 0, 0 FROM unnest(groups) AS g
    ORDER BY 1, 2, 3, 4
    ON CONFLICT (tile_id, collection, product_type, year) DO UPDATE SET products = held.products;
    DELETE FROM tile_years AS held USING unnest(groups) AS g
    WHERE held.tile_id = g.tile_id AND held.product_type = g.product_type AND held.year = left(g.month, 4)
        AND held.collection = g.collection;
    INSERT INTO tile_years ({_YEAR_COLUMNS})
    SELECT m.tile_id, m.product_type, left(m.month, 4), m.collection,
           sum(m.products), sum(m.clear_products), sum(m.size_bytes)
    FROM tile_months AS m
    JOIN (SELECT DISTINCT tile_id, product_type, left(month, 4) AS year, collection FROM unnest(groups)) AS g
        ON m.tile_id = g.tile_id AND m.product_type = g.product_type AND m.collection = g.collection
        AND left(m.month, 4) = g.year
    GROUP BY 1, 2, 3, 4;
END $$
"""

_GROUP = (
    f"(p.tile_id, coalesce(p.product_type, ''), {_MONTH.format('p')}, p.collection, 0, 0, 0, 0, 0)"
)
_TAKEN = f"""
CREATE FUNCTION satcat_count_out() RETURNS trigger {_FUNCTION} AS $$
DECLARE groups tile_months[];
BEGIN
    SELECT array_agg(DISTINCT CAST({_GROUP} AS tile_months)) INTO groups
    FROM taken AS p WHERE p.tile_id IS NOT NULL;
    PERFORM satcat_recount(groups) WHERE groups IS NOT NULL;
    RETURN NULL;
END $$
"""
_MATTERS = "tile_id, product_type, sensing_start, collection, cloud_cover, size_bytes"


def _changed(of: str, other: str) -> str:
    """SQL for the rows of one state that are not so in the other, as far as anything is counted."""
    return f"""SELECT pk, {_MATTERS} FROM {of} WHERE tile_id IS NOT NULL
        EXCEPT SELECT pk, {_MATTERS} FROM {other}"""


_CHANGED = f"""
CREATE FUNCTION satcat_count_again() RETURNS trigger {_FUNCTION} AS $$
DECLARE groups tile_months[];
BEGIN
    SELECT array_agg(DISTINCT CAST({_GROUP} AS tile_months)) INTO groups
    FROM (({_changed("taken", "added")}) UNION ALL ({_changed("added", "taken")})) AS p;
    PERFORM satcat_recount(groups) WHERE groups IS NOT NULL;
    RETURN NULL;
END $$
"""

_EMPTIED = f"""
CREATE FUNCTION satcat_count_none() RETURNS trigger {_FUNCTION} AS $$
BEGIN
    DELETE FROM tile_months;
    DELETE FROM tile_years;
    RETURN NULL;
END $$
"""

_TRIGGERS = (
    """CREATE TRIGGER tile_months_insert AFTER INSERT ON products
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION satcat_count_in()""",
    """CREATE TRIGGER tile_months_update AFTER UPDATE ON products
    REFERENCING OLD TABLE AS taken NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION satcat_count_again()""",
    """CREATE TRIGGER tile_months_delete AFTER DELETE ON products
    REFERENCING OLD TABLE AS taken FOR EACH STATEMENT EXECUTE FUNCTION satcat_count_out()""",
    """CREATE TRIGGER tile_months_truncate AFTER TRUNCATE ON products
    FOR EACH STATEMENT EXECUTE FUNCTION satcat_count_none()""",
)

#: Statements that make all of it, in order.
DERIVED = (*_PLACES, _COUNT_IN, _RECOUNT, _TAKEN, _CHANGED, _EMPTIED, *_TRIGGERS)
