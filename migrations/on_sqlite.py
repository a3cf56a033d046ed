"""What the first release's tables have beside them in SQLite: the R*Tree, and the counts, both kept by triggers."""

from __future__ import annotations

# Times become days since 2000-01-01: small enough for the index's float32. It rounds outward, so nothing is lost.
# A footprint that crosses 180 degrees (west > east) gets a second entry under the negative key.
_BOXES = """
    INSERT INTO products_rtree
    SELECT NEW.pk, NEW.west, CASE WHEN NEW.west > NEW.east THEN 180 ELSE NEW.east END, NEW.south, NEW.north,
           julianday(NEW.sensing_start) - 2451544.5, julianday(NEW.sensing_start) - 2451544.5
    WHERE NEW.west IS NOT NULL;
    INSERT INTO products_rtree
    SELECT -NEW.pk, -180, NEW.east, NEW.south, NEW.north,
           julianday(NEW.sensing_start) - 2451544.5, julianday(NEW.sensing_start) - 2451544.5
    WHERE NEW.west > NEW.east;
"""
_NO_BOXES = "DELETE FROM products_rtree WHERE pk IN (OLD.pk, -OLD.pk);"

# Triggers, and not the program that writes, keep what is derived from products: people delete rows with any tool, and
# most tools leave foreign keys off.
_SPATIAL_INDEX = (
    "CREATE VIRTUAL TABLE products_rtree USING rtree(pk, west, east, south, north, first_day, last_day)",
    f"CREATE TRIGGER products_rtree_insert AFTER INSERT ON products BEGIN {_BOXES} END",
    f"""CREATE TRIGGER products_rtree_update
    AFTER UPDATE OF pk, west, south, east, north, sensing_start ON products
    BEGIN {_NO_BOXES} {_BOXES} END""",
    f"""CREATE TRIGGER products_delete AFTER DELETE ON products
    BEGIN {_NO_BOXES} DELETE FROM scope_products WHERE pk = OLD.pk; END""",
)

# The bit of a day in its month, the first day's being 1.
_BIT = "(1 << (CAST(substr({}.sensing_start, 9, 2) AS INTEGER) - 1))"
_COUNT_IN = f"""
    INSERT INTO tile_months
        (tile_id, product_type, month, collection, products, clear_products, size_bytes, days, clear_days)
    SELECT NEW.tile_id, coalesce(NEW.product_type, ''), substr(NEW.sensing_start, 1, 7), NEW.collection,
           1, coalesce(NEW.cloud_cover <= 20, 0), coalesce(NEW.size_bytes, 0), {_BIT.format("NEW")},
           CASE WHEN NEW.cloud_cover <= 20 THEN {_BIT.format("NEW")} ELSE 0 END
    WHERE NEW.tile_id IS NOT NULL
    ON CONFLICT DO UPDATE SET
        products = products + 1,
        clear_products = clear_products + excluded.clear_products,
        size_bytes = size_bytes + excluded.size_bytes,
        days = days | excluded.days,
        clear_days = clear_days | excluded.clear_days;
"""
_SAME_MONTH = """
    tile_id = OLD.tile_id AND product_type = coalesce(OLD.product_type, '')
    AND month = substr(OLD.sensing_start, 1, 7) AND collection = OLD.collection
"""


def _same_day(clear: str = "") -> str:
    """SQL for: there is another product of the same tile, type and day. An unknown type and an empty one are the same.

    The plus keeps SQLite on the index of tiles.
    """
    day = "substr(OLD.sensing_start, 1, 10)"
    among = f"""SELECT 1 FROM products AS p WHERE p.tile_id = OLD.tile_id
        AND p.sensing_start >= {day} AND p.sensing_start < {day} || '~' AND +p.collection = OLD.collection {clear}"""
    return f"""(EXISTS ({among} AND p.product_type IS OLD.product_type)
        OR coalesce(OLD.product_type, '') = '' AND EXISTS ({among} AND coalesce(p.product_type, '') = ''))"""


_COUNT_OUT = f"""
    UPDATE tile_months SET
        products = products - 1,
        clear_products = clear_products - coalesce(OLD.cloud_cover <= 20, 0),
        size_bytes = size_bytes - coalesce(OLD.size_bytes, 0),
        days = CASE WHEN {_same_day()} THEN days ELSE days & ~{_BIT.format("OLD")} END,
        clear_days = CASE WHEN {_same_day("AND p.cloud_cover <= 20")} THEN clear_days
                          ELSE clear_days & ~{_BIT.format("OLD")} END
    WHERE {_SAME_MONTH};
    DELETE FROM tile_months WHERE {_SAME_MONTH} AND products <= 0;
"""
_SAME_YEAR = """
    tile_id = OLD.tile_id AND product_type = OLD.product_type AND year = substr(OLD.month, 1, 4)
    AND collection = OLD.collection
"""
# What is counted per month is summed up per year, whoever changes it.
_TILE_MONTHS = (
    f"CREATE TRIGGER tile_months_insert AFTER INSERT ON products BEGIN {_COUNT_IN} END",
    f"""CREATE TRIGGER tile_months_update
    AFTER UPDATE OF tile_id, product_type, sensing_start, collection, cloud_cover, size_bytes ON products
    BEGIN {_COUNT_OUT} {_COUNT_IN} END""",
    f"CREATE TRIGGER tile_months_delete AFTER DELETE ON products BEGIN {_COUNT_OUT} END",
    """CREATE TRIGGER tile_years_insert AFTER INSERT ON tile_months BEGIN
    INSERT INTO tile_years (tile_id, product_type, year, collection, products, clear_products, size_bytes)
    SELECT NEW.tile_id, NEW.product_type, substr(NEW.month, 1, 4), NEW.collection, NEW.products, NEW.clear_products,
           NEW.size_bytes
    WHERE true
    ON CONFLICT DO UPDATE SET
        products = products + excluded.products,
        clear_products = clear_products + excluded.clear_products,
        size_bytes = size_bytes + excluded.size_bytes; END""",
    f"""CREATE TRIGGER tile_years_update AFTER UPDATE OF products, clear_products, size_bytes ON tile_months BEGIN
    UPDATE tile_years SET
        products = products + NEW.products - OLD.products,
        clear_products = clear_products + NEW.clear_products - OLD.clear_products,
        size_bytes = size_bytes + NEW.size_bytes - OLD.size_bytes
    WHERE {_SAME_YEAR}; END""",
    f"""CREATE TRIGGER tile_years_delete AFTER DELETE ON tile_months BEGIN
    UPDATE tile_years SET
        products = products - OLD.products,
        clear_products = clear_products - OLD.clear_products,
        size_bytes = size_bytes - OLD.size_bytes
    WHERE {_SAME_YEAR};
    DELETE FROM tile_years WHERE {_SAME_YEAR} AND products <= 0; END""",
)

#: Statements that make all of it, in order.
DERIVED = (*_SPATIAL_INDEX, *_TILE_MONTHS)
