"""What the catalogue's tables and columns mean, in words: the page `satcat schema`.

Plain data, so that it loads nothing. A test holds it against the tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

#: What holds for all of them.
CONVENTIONS = """\
Times are UTC text, 2024-06-01T10:56:21.024000Z: they sort as time and SQLite's date functions read them. Compare them
with '2024-06-01' or with the full stored form, never with datetime('now'). NULL means unknown. Degrees are lon/lat,
WGS 84. The public tables keep their names and columns: your SQL keeps working. You may add tables, views and indexes of
your own. Write only to downloads: insert and delete rows, set priority, set status to queued or cancelled."""
CONVENTIONS_ON_SERVER = """\
Times are timestamptz, shown in UTC as 2024-06-01T10:56:21.024000Z; in psql, SET timezone = 'UTC' first. Compare them with
'2024-06-01' or with the full form. Footprints are PostGIS geometries, attributes jsonb. NULL means unknown. Degrees are
lon/lat, WGS 84. The public tables keep their names and columns: your SQL keeps working. You may add tables, views and
indexes of your own. Write only to downloads: insert and delete rows, set priority, set status to queued or cancelled."""


@dataclass(frozen=True, slots=True)
class Page:
    """A table or view: what a row is, and what each column holds."""

    what: str
    columns: MappingProxyType[str, str]
    public: bool = True


@dataclass(frozen=True, slots=True)
class Example:
    """A report that people need, as SQL to copy and change."""

    question: str
    sql: str
    on_server: str = ""

    def spelt(self, *, on_server: bool) -> str:
        """The SQL as SQLite has it, or PostgreSQL."""
        return (on_server and self.on_server) or self.sql


def _page(what: str, *, public: bool = True, **columns: str) -> Page:
    return Page(what, MappingProxyType(columns), public)


PAGES = {
    "products": _page(
        "What the source lists now, one row each.",
        pk="row number in this catalogue; never used again",
        id="the source's id: CDSE's uuid, USGS's entityId; unique",
        source="cdse or usgs",
        name="the product's name; duplicates exist",
        collection="SENTINEL-2",
        product_type="S2MSI2A",
        processing_level="L2A",
        processing_baseline="05.10",
        platform="S2A",
        instrument="MSI",
        tile_id="MGRS 30TWM, or WRS-2 203033",
        relative_orbit="the orbit's number in its repeat cycle",
        absolute_orbit="orbits since launch",
        orbit_direction="ASCENDING or DESCENDING",
        polarisation="radar only: VV, VV&VH",
        cloud_cover="percent",
        sensing_start="first instant that was sensed; what --start and --end test",
        sensing_end="last instant that was sensed",
        origin_date="when the source got the product from its maker",
        publication_date="when it became visible at the source",
        modification_date="when the source last changed its record",
        eviction_date="when it leaves the source's disks; NULL for never",
        online="1: can be downloaded at once; 0: in the source's archive",
        size_bytes="of the download; NULL for unknown",
        s3_path="where it is in the source's object store",
        md5="published checksum, hexadecimal",
        blake3="published checksum, hexadecimal",
        west="box of the footprint; west > east crosses 180 degrees",
        south="box of the footprint",
        east="box of the footprint",
        north="box of the footprint",
        footprint="outline, WKB",
        attributes="JSON of every attribute that has no column here",
        content_hash="of what the source said (half of its SHA-256), so that any later alteration shows",
        first_seen_at="when the mirror first held it",
        changed_at="when what the mirror holds of it last changed",
    ),
    "scope_products": _page(
        "Which products the source listed for which scope.",
        scope_id="scopes.id",
        slice="which part of the scope, where its tiles are too many for one request",
        pk="products.pk",
    ),
    "deleted_products": _page(
        "Products that the source deleted, or no longer has. A product is here or in products, never in both.",
        id="the source's id",
        name="its name",
        collection="its collection",
        sensing_start="its sensing start",
        deletion_date="when the source deleted it",
        deletion_cause="why, in the source's words",
        kind="deleted: by the source's word; vanished: without a word",
        noticed_at="when the mirror noticed",
        record="JSON of the row as it was, footprint as WKT; NULL if it was never held",
    ),
    "tiles": _page(
        "The tile grids, filled in when the catalogue is made.",
        tile_id="30TWM or 203033",
        grid="mgrs (Sentinel-2) or wrs2 (Landsat)",
        epsg="the tile's projection; NULL for wrs2",
        west="box of the tile; west > east crosses 180 degrees",
        south="box of the tile",
        east="box of the tile",
        north="box of the tile",
        footprint="outline, WKB",
        area_km2="on the ellipsoid",
        land="1: part of the tile is land; NULL for unknown",
    ),
    "downloads": _page(
        "What people want, and what came of it. Every column but product_id has a default. Sync never writes here.",
        product_id="products.id",
        status="queued, running, done, failed, offline, bad_at_source, cancelled or gone",
        priority="higher ones come first",
        include="NULL: the whole product; else patterns of the wanted files, one a line: *_B04_10m.jp2",
        requested_at="when it was asked for",
        not_before="wait until then",
        attempts="how often it was tried",
        error="why the last attempt failed",
        worker="who holds it now",
        claim="grows each time that a worker takes it",
        lease_until="the worker is given up if it does not report until then",
        path="the file, absolute, or a URL; the folder of the files that include asks for",
        size_bytes="of the file, or of the files together",
        bytes_done="arrived so far",
        checksum_algorithm="what the file was checked with",
        checksum="of the file, hexadecimal; NULL for a folder",
        verification="checksum, manifest, structure, size_only or none: what could be checked",
        started_at="when the last attempt began",
        finished_at="when the last attempt ended",
        verified_at="when the file was last found right",
    ),
    "tile_months": _page(
        "Counts per tile, product type and month, kept right by triggers (but not under INSERT OR REPLACE: it deletes silently).",
        tile_id="the tile",
        product_type="the type; empty for unknown",
        month="of the sensing start, 2024-06",
        collection="the collection",
        products="how many",
        clear_products="of these, with at most 20 % cloud",
        size_bytes="their sizes together, as far as known",
        days="on which days of the month: 1 for the first, 2 for the second, 4 for the third, and so on, together",
        clear_days="on which days with at most 20 % cloud",
    ),
    "tile_years": _page(
        "The sums of tile_months per year.",
        tile_id="the tile",
        product_type="the type; empty for unknown",
        year="of the sensing start, 2024",
        collection="the collection",
        products="how many",
        clear_products="of these, with at most 20 % cloud",
        size_bytes="their sizes together, as far as known",
    ),
    "tile_coverage": _page(
        "View: what the mirror holds per tile and product type.",
        tile_id="the tile",
        product_type="the type",
        products="how many",
        first_sensing="the oldest one's sensing start",
        last_sensing="the newest one's sensing start",
        min_cloud_cover="percent",
        mean_cloud_cover="percent, over the products that state it",
        clear_products="with at most 20 % cloud",
        size_bytes="their sizes together, as far as known",
        downloaded="how many are here as whole products",
    ),
    "scopes": _page(
        "What is mirrored.",
        public=False,
        id="number", name="name, for --scope", source="cdse or usgs", url="the catalogue it is mirrored from",
        collection="the collection", filters="JSON of the filters, less the interval",
        slices="JSON: the filters, cut into what one request can say",
        sensing_start="start of the interval; NULL for open", sensing_end="end of the interval; NULL for open",
        created_at="when it was made",
    ),
    "sync_windows": _page(
        "The ledger: intervals of sensing time that are listed as one unit, with the server's counts.",
        public=False,
        id="number", scope_id="scopes.id", slice="which part of the scope",
        window_start="start; NULL for open", window_end="end; NULL for open",
        status="pending, complete or mismatch", published_before="later publications are the cursors' business",
        resume_at="where an interrupted listing goes on", seen_count="ids listed so far",
        seen_digest="digest of the ids listed so far", server_count="how many the server counts",
        id_digest="digest of the ids that the server listed", listed_at="when it was last listed whole",
        attempts="listings begun since it was last complete", error="why it is not complete",
    ),
    "sync_cursors": _page(
        "Up to when publications, modifications and deletions have been followed.",
        public=False,
        scope_id="scopes.id", slice="which part of the scope", feed="publication, modification or deletion",
        position="followed up to here, by the source's clock",
    ),
    "sync_rejects": _page(
        "Records of the source that could not be stored, or only in part.",
        public=False,
        id="number", scope_id="scopes.id", slice="which part of the scope",
        kind="reject: not stored; warning: stored, but for a field that was unreadable or altered", feed="the listing it came from",
        product_id="its id, if it has one", position="where in the listing", error="what is wrong with it",
        raw="its JSON", first_at="first met", last_at="last met", resolved_at="when it was right, or gone",
    ),
    "sync_lateness": _page(
        "Products that became visible later than an earlier sweep had looked; helps to choose --overlap.",
        public=False,
        scope_id="scopes.id", product_id="products.id", publication_date="its publication date",
        noticed_at="when it was noticed", late_seconds="how late that was",
    ),
    "sync_runs": _page(
        "Every sync and verify.",
        public=False,
        id="number", kind="sync or verify", scope_id="scopes.id", scope="the scope's name",
        started_at="start", finished_at="end; NULL: still running, or killed", host="on which machine",
        pid="process id", version="of satcat", requests="sent", added="products", changed="products",
        deleted="products", outcome="how it ended", error="what went wrong", report="JSON of the details",
    ),
    "download_attempts": _page(
        "Every attempt to download.",
        public=False,
        id="number", product_id="products.id", claim="the claim of that attempt", worker="who", started_at="start",
        finished_at="end", bytes="fetched", outcome="how it ended", error="what went wrong",
    ),
    "account_slots": _page(
        "The connections of an account that are in use, over all workers of this catalogue.",
        public=False,
        account="digest of the account's name", slot="number", worker="who uses it",
        claim="grows each time that it is taken", lease_until="given up if not renewed until then",
    ),
}  # fmt: skip

EXAMPLES = (
    Example(
        "How many days with at most 20 % cloud did a tile have, month by month?",
        """\
SELECT substr(sensing_start, 1, 7) AS month, count(DISTINCT substr(sensing_start, 1, 10)) AS clear_days
FROM products
WHERE tile_id = '30TWM' AND product_type = 'S2MSI2A' AND cloud_cover <= 20 AND sensing_start >= '2024-01-01'
GROUP BY month ORDER BY month""",
        """\
SELECT to_char(sensing_start, 'YYYY-MM') AS month, count(DISTINCT CAST(sensing_start AS date)) AS clear_days
FROM products
WHERE tile_id = '30TWM' AND product_type = 'S2MSI2A' AND cloud_cover <= 20 AND sensing_start >= '2024-01-01'
GROUP BY month ORDER BY month""",
    ),
    Example(
        "What was the longest wait for a clear day, tile by tile?",
        """\
WITH days AS (
  SELECT DISTINCT tile_id, substr(sensing_start, 1, 10) AS day
  FROM products
  WHERE product_type = 'S2MSI2A' AND cloud_cover <= 20 AND sensing_start >= '2024-01-01' AND tile_id IS NOT NULL
), waits AS (
  SELECT tile_id, lag(day) OVER (PARTITION BY tile_id ORDER BY day) AS since, day AS until FROM days
)
SELECT tile_id, since, until, max(CAST(julianday(until) - julianday(since) AS INTEGER)) AS days
FROM waits WHERE since IS NOT NULL
GROUP BY tile_id ORDER BY days DESC, tile_id""",
        """\
WITH days AS (
  SELECT DISTINCT tile_id, CAST(sensing_start AS date) AS day
  FROM products
  WHERE product_type = 'S2MSI2A' AND cloud_cover <= 20 AND sensing_start >= '2024-01-01' AND tile_id IS NOT NULL
), waits AS (
  SELECT tile_id, lag(day) OVER (PARTITION BY tile_id ORDER BY day) AS since, day AS until FROM days
), longest AS (
  SELECT DISTINCT ON (tile_id) tile_id, since, until, until - since AS days
  FROM waits WHERE since IS NOT NULL ORDER BY tile_id, days DESC
)
SELECT * FROM longest ORDER BY days DESC, tile_id""",
    ),
    Example(
        "Which clear products have I not downloaded yet?",
        """\
SELECT p.id, p.name, p.size_bytes, d.status
FROM products AS p LEFT JOIN downloads AS d ON d.product_id = p.id
WHERE p.tile_id = '30TWM' AND p.cloud_cover <= 20 AND p.sensing_start >= '2024-06-01'
  AND (d.status IS NULL OR d.status <> 'done' OR d.include IS NOT NULL)
ORDER BY p.sensing_start""",
    ),
    Example(
        "Which scenes are here in several processing baselines?",
        """\
SELECT tile_id, product_type, substr(sensing_start, 1, 19) AS sensed, count(*) AS versions,
  group_concat(processing_baseline, ' ') AS baselines
FROM products
WHERE collection = 'SENTINEL-2' AND tile_id IS NOT NULL
GROUP BY tile_id, product_type, platform, sensed HAVING count(*) > 1
ORDER BY versions DESC, sensed DESC""",
        """\
SELECT tile_id, product_type, to_char(sensing_start, 'YYYY-MM-DD"T"HH24:MI:SS') AS sensed, count(*) AS versions,
  string_agg(processing_baseline, ' ' ORDER BY processing_baseline) AS baselines
FROM products
WHERE collection = 'SENTINEL-2' AND tile_id IS NOT NULL
GROUP BY tile_id, product_type, platform, sensed HAVING count(*) > 1
ORDER BY versions DESC, sensed DESC""",
    ),
    Example(
        "How many gigabytes is each tile, and how many of them do I hold?",
        """\
SELECT p.tile_id, count(*) AS products, round(sum(p.size_bytes) / 1e9, 1) AS gb,
  round(coalesce(sum(CASE WHEN d.status = 'done' THEN d.size_bytes END), 0) / 1e9, 1) AS gb_here
FROM products AS p LEFT JOIN downloads AS d ON d.product_id = p.id
WHERE p.tile_id IS NOT NULL
GROUP BY p.tile_id ORDER BY gb DESC""",
    ),
    Example(
        "Which files do I hold of products that the source has deleted since?",
        """\
SELECT t.name, t.deletion_date, t.deletion_cause, d.path
FROM deleted_products AS t JOIN downloads AS d ON d.product_id = t.id
WHERE d.path IS NOT NULL
ORDER BY t.deletion_date""",
    ),
)
