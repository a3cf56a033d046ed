"""The tables of the first release.

Revision: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from satcat.migrations import on_postgresql, on_sqlite

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Text that sorts by code points in PostgreSQL too.
TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
INSTANT = sa.Text().with_variant(sa.DateTime(timezone=True), "postgresql")
JSON = sa.Text().with_variant(postgresql.JSONB(), "postgresql")
FOOTPRINT = sa.LargeBinary().with_variant(on_postgresql.Geometry(), "postgresql")
SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

TILE_COVERAGE = """
CREATE VIEW tile_coverage AS
SELECT
    p.tile_id,
    p.product_type,
    count(*) AS products,
    min(p.sensing_start) AS first_sensing,
    max(p.sensing_start) AS last_sensing,
    min(p.cloud_cover) AS min_cloud_cover,
    avg(p.cloud_cover) AS mean_cloud_cover,
    count(CASE WHEN p.cloud_cover <= 20 THEN 1 END) AS clear_products,
    CAST(sum(p.size_bytes) AS bigint) AS size_bytes,
    count(d.product_id) AS downloaded
FROM products AS p
LEFT JOIN downloads AS d ON d.product_id = p.id AND d.status = 'done' AND d.include IS NULL
WHERE p.tile_id IS NOT NULL
GROUP BY p.tile_id, p.product_type
"""


def upgrade() -> None:
    on_server = op.get_bind().dialect.name == "postgresql"
    now = sa.text(
        "clock_timestamp()" if on_server else "(strftime('%Y-%m-%dT%H:%M:%f000Z', 'now'))"
    )
    op.create_table(
        "account_slots",
        sa.Column("account", TEXT, nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("worker", TEXT),
        sa.Column("claim", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_until", INSTANT),
        sa.PrimaryKeyConstraint("account", "slot", name="pk_account_slots"),
    )
    op.create_table(
        "deleted_products",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("name", TEXT),
        sa.Column("collection", TEXT),
        sa.Column("sensing_start", INSTANT),
        sa.Column("deletion_date", INSTANT),
        sa.Column("deletion_cause", TEXT),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("noticed_at", INSTANT, nullable=False),
        sa.Column("record", JSON),
        sa.CheckConstraint("kind IN ('deleted', 'vanished')", name="ck_deleted_products_kind"),
        sa.PrimaryKeyConstraint("id", name="pk_deleted_products"),
    )
    op.create_index("ix_deleted_products_name", "deleted_products", ["name"])
    op.create_table(
        "download_attempts",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("product_id", TEXT, nullable=False),
        sa.Column("claim", sa.Integer(), nullable=False),
        sa.Column("worker", TEXT, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.Column("bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("outcome", TEXT),
        sa.Column("error", TEXT),
        sa.PrimaryKeyConstraint("id", name="pk_download_attempts"),
    )
    op.create_index("ix_download_attempts_product", "download_attempts", ["product_id"])
    op.create_table(
        "downloads",
        sa.Column("product_id", TEXT, nullable=False),
        sa.Column("status", TEXT, server_default="queued", nullable=False),
        sa.Column("priority", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("include", TEXT),
        sa.Column("requested_at", INSTANT, server_default=now, nullable=False),
        sa.Column("not_before", INSTANT),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", TEXT),
        sa.Column("worker", TEXT),
        sa.Column("claim", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_until", INSTANT),
        sa.Column("path", TEXT),
        sa.Column("size_bytes", sa.BigInteger()),
        sa.Column("bytes_done", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("checksum_algorithm", TEXT),
        sa.Column("checksum", TEXT),
        sa.Column("verification", TEXT, server_default="none", nullable=False),
        sa.Column("started_at", INSTANT),
        sa.Column("finished_at", INSTANT),
        sa.Column("verified_at", INSTANT),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'done', 'failed', 'offline', 'bad_at_source', 'cancelled', 'gone')",
            name="ck_downloads_status",
        ),
        sa.CheckConstraint(
            "verification IN ('checksum', 'manifest', 'structure', 'size_only', 'none')",
            name="ck_downloads_verification",
        ),
        sa.PrimaryKeyConstraint("product_id", name="pk_downloads"),
    )
    op.create_index("ix_downloads_queue", "downloads", ["status", "priority", "requested_at"])
    op.create_table(
        "products",
        sa.Column("pk", SERIAL, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("collection", TEXT, nullable=False),
        sa.Column("product_type", TEXT),
        sa.Column("processing_level", TEXT),
        sa.Column("processing_baseline", TEXT),
        sa.Column("platform", TEXT),
        sa.Column("instrument", TEXT),
        sa.Column("tile_id", TEXT),
        sa.Column("relative_orbit", sa.Integer()),
        sa.Column("absolute_orbit", sa.Integer()),
        sa.Column("orbit_direction", TEXT),
        sa.Column("polarisation", TEXT),
        sa.Column("cloud_cover", sa.Double()),
        sa.Column("sensing_start", INSTANT, nullable=False),
        sa.Column("sensing_end", INSTANT),
        sa.Column("origin_date", INSTANT),
        sa.Column("publication_date", INSTANT),
        sa.Column("modification_date", INSTANT),
        sa.Column("eviction_date", INSTANT),
        sa.Column("online", sa.Boolean()),
        sa.Column("size_bytes", sa.BigInteger()),
        sa.Column("s3_path", TEXT),
        sa.Column("md5", TEXT),
        sa.Column("blake3", TEXT),
        sa.Column("west", sa.Double()),
        sa.Column("south", sa.Double()),
        sa.Column("east", sa.Double()),
        sa.Column("north", sa.Double()),
        sa.Column("footprint", FOOTPRINT),
        sa.Column("attributes", JSON, server_default="{}", nullable=False),
        sa.Column("content_hash", TEXT, nullable=False),
        sa.Column("first_seen_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("pk", name="pk_products"),
        sa.UniqueConstraint("id", name="uq_products_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_products_collection", "products", ["collection", "sensing_start"])
    op.create_index("ix_products_name", "products", ["name"])
    op.create_index(
        "ix_products_tile",
        "products",
        [
            "tile_id",
            "product_type",
            "sensing_start",
            "cloud_cover",
            "collection",
            "processing_level",
            "size_bytes",
        ],
        sqlite_where=sa.text("tile_id IS NOT NULL"),
        postgresql_where=sa.text("tile_id IS NOT NULL"),
    )
    op.create_table(
        "scopes",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("url", TEXT, nullable=False),
        sa.Column("collection", TEXT, nullable=False),
        sa.Column("filters", TEXT, nullable=False),
        sa.Column("slices", TEXT, nullable=False),
        sa.Column("sensing_start", INSTANT),
        sa.Column("sensing_end", INSTANT),
        sa.Column("created_at", INSTANT, server_default=now, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_scopes"),
        sa.UniqueConstraint("name", name="uq_scopes_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "sync_runs",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("scope_id", sa.Integer()),
        sa.Column("scope", TEXT),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", TEXT, nullable=False),
        sa.Column("requests", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("added", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("changed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("deleted", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("outcome", TEXT),
        sa.Column("error", TEXT),
        sa.Column("report", JSON),
        sa.CheckConstraint("kind IN ('sync', 'verify')", name="ck_sync_runs_kind"),
        sa.PrimaryKeyConstraint("id", name="pk_sync_runs"),
    )
    op.create_table(
        "tile_months",
        sa.Column("tile_id", TEXT, nullable=False),
        sa.Column("product_type", TEXT, nullable=False),
        sa.Column("month", TEXT, nullable=False),
        sa.Column("collection", TEXT, nullable=False),
        sa.Column("products", sa.Integer(), nullable=False),
        sa.Column("clear_products", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("clear_days", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "tile_id", "collection", "product_type", "month", name="pk_tile_months"
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tile_years",
        sa.Column("tile_id", TEXT, nullable=False),
        sa.Column("product_type", TEXT, nullable=False),
        sa.Column("year", TEXT, nullable=False),
        sa.Column("collection", TEXT, nullable=False),
        sa.Column("products", sa.Integer(), nullable=False),
        sa.Column("clear_products", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "tile_id", "collection", "product_type", "year", name="pk_tile_years"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_tile_months_month",
        "tile_months",
        [
            "month",
            "tile_id",
            "collection",
            "product_type",
            "products",
            "clear_products",
            "size_bytes",
        ],
    )
    op.create_table(
        "tiles",
        sa.Column("tile_id", TEXT, nullable=False),
        sa.Column("grid", TEXT, nullable=False),
        sa.Column("epsg", sa.Integer()),
        sa.Column("west", sa.Double(), nullable=False),
        sa.Column("south", sa.Double(), nullable=False),
        sa.Column("east", sa.Double(), nullable=False),
        sa.Column("north", sa.Double(), nullable=False),
        sa.Column("footprint", FOOTPRINT, nullable=False),
        sa.Column("area_km2", sa.Double(), nullable=False),
        sa.Column("land", sa.Boolean()),
        sa.CheckConstraint("grid IN ('mgrs', 'wrs2')", name="ck_tiles_grid"),
        sa.PrimaryKeyConstraint("tile_id", name="pk_tiles"),
    )
    op.create_table(
        "scope_products",
        sa.Column("scope_id", SERIAL, nullable=False),
        sa.Column("slice", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("pk", SERIAL, nullable=False),
        sa.ForeignKeyConstraint(
            ["pk"], ["products.pk"], name="fk_scope_products_pk", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["scope_id"], ["scopes.id"], name="fk_scope_products_scope_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("scope_id", "slice", "pk", name="pk_scope_products"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_scope_products_pk", "scope_products", ["pk"])
    op.create_table(
        "sync_cursors",
        sa.Column("scope_id", SERIAL, nullable=False),
        sa.Column("slice", sa.Integer(), nullable=False),
        sa.Column("feed", TEXT, nullable=False),
        sa.Column("position", INSTANT, nullable=False),
        sa.CheckConstraint(
            "feed IN ('publication', 'modification', 'deletion')", name="ck_sync_cursors_feed"
        ),
        sa.ForeignKeyConstraint(
            ["scope_id"], ["scopes.id"], name="fk_sync_cursors_scope_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("scope_id", "slice", "feed", name="pk_sync_cursors"),
    )
    op.create_table(
        "sync_lateness",
        sa.Column("scope_id", SERIAL, nullable=False),
        sa.Column("product_id", TEXT, nullable=False),
        sa.Column("publication_date", INSTANT, nullable=False),
        sa.Column("noticed_at", INSTANT, nullable=False),
        sa.Column("late_seconds", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["scope_id"], ["scopes.id"], name="fk_sync_lateness_scope_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("scope_id", "product_id", name="pk_sync_lateness"),
    )
    op.create_table(
        "sync_rejects",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("scope_id", SERIAL, nullable=False),
        sa.Column("slice", sa.Integer(), nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("feed", TEXT, nullable=False),
        sa.Column("product_id", TEXT),
        sa.Column("position", INSTANT),
        sa.Column("error", TEXT, nullable=False),
        sa.Column("raw", TEXT),
        sa.Column("first_at", INSTANT, nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
        sa.Column("resolved_at", INSTANT),
        sa.CheckConstraint("kind IN ('reject', 'warning')", name="ck_sync_rejects_kind"),
        sa.ForeignKeyConstraint(
            ["scope_id"], ["scopes.id"], name="fk_sync_rejects_scope_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_sync_rejects"),
    )
    op.create_index("ix_sync_rejects_scope", "sync_rejects", ["scope_id", "resolved_at"])
    op.create_table(
        "sync_windows",
        sa.Column("id", SERIAL, nullable=False),
        sa.Column("scope_id", SERIAL, nullable=False),
        sa.Column("slice", sa.Integer(), nullable=False),
        sa.Column("window_start", INSTANT),
        sa.Column("window_end", INSTANT),
        sa.Column("status", TEXT, server_default="pending", nullable=False),
        sa.Column("published_before", INSTANT),
        sa.Column("resume_at", INSTANT),
        sa.Column("seen_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("seen_digest", TEXT),
        sa.Column("server_count", sa.Integer()),
        sa.Column("id_digest", TEXT),
        sa.Column("listed_at", INSTANT),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("error", TEXT),
        sa.CheckConstraint(
            "status IN ('pending', 'complete', 'mismatch')", name="ck_sync_windows_status"
        ),
        sa.ForeignKeyConstraint(
            ["scope_id"], ["scopes.id"], name="fk_sync_windows_scope_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_sync_windows"),
    )
    op.create_index("ix_sync_windows_scope", "sync_windows", ["scope_id", "slice", "window_start"])
    derived = on_postgresql.DERIVED if on_server else on_sqlite.DERIVED
    for statement in (*derived, TILE_COVERAGE):
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    raise NotImplementedError("an empty catalogue is a new file")
