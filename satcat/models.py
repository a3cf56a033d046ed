"""The tables of a catalogue, for SQLite and for PostgreSQL; no behaviour.

Names and columns of the public tables are a contract (see `satcat schema`). The rest is bookkeeping: documented, but not
for others to write. Migrations make the tables; a test holds them against these definitions.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
    text,
)

from satcat.columns import Footprint, Instant, Json, Text, utc_now

#: The newest migration. A constant, so that opening a catalogue does not load Alembic; a test holds it to the truth.
SCHEMA_VERSION = "0001"

#: What a download may be; see the page `satcat schema`.
STATUSES = ("queued", "running", "done", "failed", "offline", "bad_at_source", "cancelled", "gone")


#: Batch rebuilds keep only constraints that have a name.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Only INTEGER PRIMARY KEY is a rowid in SQLite.
_Serial = BigInteger().with_variant(Integer(), "sqlite")

products = Table(
    "products",
    metadata,
    Column("pk", _Serial, primary_key=True),
    Column("id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("collection", Text, nullable=False),
    Column("product_type", Text),
    Column("processing_level", Text),
    Column("processing_baseline", Text),
    Column("platform", Text),
    Column("instrument", Text),
    Column("tile_id", Text),
    Column("relative_orbit", Integer),
    Column("absolute_orbit", Integer),
    Column("orbit_direction", Text),
    Column("polarisation", Text),
    Column("cloud_cover", Double),
    Column("sensing_start", Instant, nullable=False),
    Column("sensing_end", Instant),
    Column("origin_date", Instant),
    Column("publication_date", Instant),
    Column("modification_date", Instant),
    Column("eviction_date", Instant),
    Column("online", Boolean),
    Column("size_bytes", BigInteger),
    Column("s3_path", Text),
    Column("md5", Text),
    Column("blake3", Text),
    Column("west", Double),
    Column("south", Double),
    Column("east", Double),
    Column("north", Double),
    Column("footprint", Footprint),
    Column("attributes", Json, nullable=False, server_default="{}"),
    Column("content_hash", Text, nullable=False),
    Column("first_seen_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    UniqueConstraint("id"),
    sqlite_autoincrement=True,
)
Index("ix_products_name", products.c.name)
Index("ix_products_collection", products.c.collection, products.c.sensing_start)
Index(
    "ix_products_tile",
    *(
        products.c[
            name
        ]  # the last three are what reports count, so that they read this index alone
        for name in (
            "tile_id",
            "product_type",
            "sensing_start",
            "cloud_cover",
            "collection",
            "processing_level",
            "size_bytes",
        )
    ),
    sqlite_where=products.c.tile_id.is_not(None),
    postgresql_where=products.c.tile_id.is_not(None),
)

#: The R*Tree over footprints and sensing time, made and kept by the migration's triggers (SQLite only). Times are days
#: since 2000-01-01: as a float32 such a number is right to about two minutes, and the index rounds outward.
#: A footprint that crosses 180° has a second entry, with the negative key.
products_rtree = Table(
    "products_rtree",
    MetaData(),  # not of our metadata: its shadow tables are SQLite's own business
    Column("pk", Integer, primary_key=True),
    *(Column(name, Double) for name in ("west", "east", "south", "north", "first_day", "last_day")),
)

deleted_products = Table(
    "deleted_products",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text),
    Column("collection", Text),
    Column("sensing_start", Instant),
    Column("deletion_date", Instant),
    Column("deletion_cause", Text),
    Column("kind", Text, nullable=False),
    Column("noticed_at", Instant, nullable=False),
    Column("record", Json),
    CheckConstraint("kind IN ('deleted', 'vanished')", name="kind"),
)
Index("ix_deleted_products_name", deleted_products.c.name)

tiles = Table(
    "tiles",
    metadata,
    Column("tile_id", Text, primary_key=True),
    Column("grid", Text, nullable=False),
    Column("epsg", Integer),
    Column("west", Double, nullable=False),
    Column("south", Double, nullable=False),
    Column("east", Double, nullable=False),
    Column("north", Double, nullable=False),
    Column("footprint", Footprint, nullable=False),
    Column("area_km2", Double, nullable=False),
    Column("land", Boolean),
    CheckConstraint("grid IN ('mgrs', 'wrs2')", name="grid"),
)

downloads = Table(
    "downloads",
    metadata,
    Column("product_id", Text, primary_key=True),
    Column("status", Text, nullable=False, server_default="queued"),
    Column("priority", Integer, nullable=False, server_default=text("0")),
    Column("include", Text),
    Column("requested_at", Instant, nullable=False, server_default=utc_now()),
    Column("not_before", Instant),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("error", Text),
    Column("worker", Text),
    Column("claim", Integer, nullable=False, server_default=text("0")),
    Column("lease_until", Instant),
    Column("path", Text),
    Column("size_bytes", BigInteger),
    Column("bytes_done", BigInteger, nullable=False, server_default=text("0")),
    Column("checksum_algorithm", Text),
    Column("checksum", Text),
    Column("verification", Text, nullable=False, server_default="none"),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    Column("verified_at", Instant),
    CheckConstraint(f"status IN {STATUSES}", name="status"),
    CheckConstraint(
        "verification IN ('checksum', 'manifest', 'structure', 'size_only', 'none')",
        name="verification",
    ),
)
Index("ix_downloads_queue", downloads.c.status, downloads.c.priority, downloads.c.requested_at)

tile_months = Table(
    "tile_months",
    metadata,
    Column("tile_id", Text, nullable=False),
    Column("product_type", Text, nullable=False),
    Column("month", Text, nullable=False),
    Column("collection", Text, nullable=False),
    Column("products", Integer, nullable=False),
    Column("clear_products", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("days", Integer, nullable=False),
    Column("clear_days", Integer, nullable=False),
    # the order in which reports put rows together and list them, so that none has to be sorted
    PrimaryKeyConstraint("tile_id", "collection", "product_type", "month"),
    sqlite_with_rowid=False,
)
Index(
    "ix_tile_months_month",
    *(
        tile_months.c[name]
        for name in (
            "month",
            "tile_id",
            "collection",
            "product_type",
            "products",
            "clear_products",
            "size_bytes",
        )
    ),
)

tile_years = Table(
    "tile_years",
    metadata,
    Column("tile_id", Text, nullable=False),
    Column("product_type", Text, nullable=False),
    Column("year", Text, nullable=False),
    Column("collection", Text, nullable=False),
    Column("products", Integer, nullable=False),
    Column("clear_products", Integer, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    PrimaryKeyConstraint("tile_id", "collection", "product_type", "year"),
    sqlite_with_rowid=False,
)

scopes = Table(
    "scopes",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("name", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("collection", Text, nullable=False),
    Column("filters", Text, nullable=False),
    Column("slices", Text, nullable=False),
    Column("sensing_start", Instant),
    Column("sensing_end", Instant),
    Column("created_at", Instant, nullable=False, server_default=utc_now()),
    UniqueConstraint("name"),
    sqlite_autoincrement=True,
)


def _scope() -> Column[Any]:
    return Column("scope_id", ForeignKey("scopes.id", ondelete="CASCADE"), primary_key=True)


scope_products = Table(
    "scope_products",
    metadata,
    _scope(),
    Column("slice", Integer, primary_key=True, server_default=text("0")),
    Column("pk", ForeignKey("products.pk", ondelete="CASCADE"), primary_key=True),
    sqlite_with_rowid=False,
)
Index("ix_scope_products_pk", scope_products.c.pk)

sync_windows = Table(
    "sync_windows",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("scope_id", ForeignKey("scopes.id", ondelete="CASCADE"), nullable=False),
    Column("slice", Integer, nullable=False),
    Column("window_start", Instant),
    Column("window_end", Instant),
    Column("status", Text, nullable=False, server_default="pending"),
    Column("published_before", Instant),
    Column("resume_at", Instant),
    Column("seen_count", Integer, nullable=False, server_default=text("0")),
    Column("seen_digest", Text),
    Column("server_count", Integer),
    Column("id_digest", Text),
    Column("listed_at", Instant),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("error", Text),
    CheckConstraint("status IN ('pending', 'complete', 'mismatch')", name="status"),
)
Index(
    "ix_sync_windows_scope",
    sync_windows.c.scope_id,
    sync_windows.c.slice,
    sync_windows.c.window_start,
)

sync_cursors = Table(
    "sync_cursors",
    metadata,
    _scope(),
    Column("slice", Integer, primary_key=True),
    Column("feed", Text, primary_key=True),
    Column("position", Instant, nullable=False),
    CheckConstraint("feed IN ('publication', 'modification', 'deletion')", name="feed"),
)

sync_rejects = Table(
    "sync_rejects",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("scope_id", ForeignKey("scopes.id", ondelete="CASCADE"), nullable=False),
    Column("slice", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("feed", Text, nullable=False),
    Column("product_id", Text),
    Column("position", Instant),
    Column("error", Text, nullable=False),
    Column("raw", Text),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("resolved_at", Instant),
    CheckConstraint("kind IN ('reject', 'warning')", name="kind"),
)
Index("ix_sync_rejects_scope", sync_rejects.c.scope_id, sync_rejects.c.resolved_at)

sync_lateness = Table(
    "sync_lateness",
    metadata,
    Column("scope_id", ForeignKey("scopes.id", ondelete="CASCADE"), primary_key=True),
    Column("product_id", Text, primary_key=True),
    Column("publication_date", Instant, nullable=False),
    Column("noticed_at", Instant, nullable=False),
    Column("late_seconds", Double, nullable=False),
)

sync_runs = Table(
    "sync_runs",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("scope_id", Integer),
    Column("scope", Text),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("version", Text, nullable=False),
    Column("requests", Integer, nullable=False, server_default=text("0")),
    Column("added", Integer, nullable=False, server_default=text("0")),
    Column("changed", Integer, nullable=False, server_default=text("0")),
    Column("deleted", Integer, nullable=False, server_default=text("0")),
    Column("outcome", Text),
    Column("error", Text),
    Column("report", Json),
    CheckConstraint("kind IN ('sync', 'verify')", name="kind"),
)

download_attempts = Table(
    "download_attempts",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("product_id", Text, nullable=False),
    Column("claim", Integer, nullable=False),
    Column("worker", Text, nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("bytes", BigInteger, nullable=False, server_default=text("0")),
    Column("outcome", Text),
    Column("error", Text),
)
Index("ix_download_attempts_product", download_attempts.c.product_id)

account_slots = Table(
    "account_slots",
    metadata,
    Column("account", Text, primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("worker", Text),
    Column("claim", Integer, nullable=False, server_default=text("0")),
    Column("lease_until", Instant),
)

#: Only while a catalogue is being copied here: it is half of one, and nobody but that copy may open it.
unfinished_copy = Table(
    "unfinished_copy",
    MetaData(),  # not of our metadata: no migration makes it
    Column("source", Text, nullable=False),
    Column("begun_at", Instant, nullable=False),
)
