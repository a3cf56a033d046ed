"""A sandbox without products, a source that reads it, and the truth to compare catalogues with."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa

from satcat.api.http import HttpClient, Retries
from satcat.api.odata import ODataAPI
from satcat.database import Database
from satcat.filters import SearchFilters
from satcat.models import products, scope_products
from satcat.sandbox import Sandbox

NOW = "2024-07-01T00:00:00Z"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An empty catalogue; its clock starts at NOW."""
    with Sandbox(products=0, now=NOW) as running:
        yield running


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[ODataAPI]:
    """The sandbox as a source."""
    source = source_of(sandbox)
    yield source
    source.close()


def source_of(sandbox: Sandbox, first_wait: float = 0.01) -> ODataAPI:
    """A new client of the sandbox; its retries hardly wait."""
    return ODataAPI(
        catalogue_url=sandbox.catalogue_url,
        download_url=sandbox.download_url,
        token_url=sandbox.token_url,
        http=HttpClient(
            retries=Retries(attempts=4, first_wait=first_wait, longest_wait=5 * first_wait)
        ),
    )


def fill(sandbox: Sandbox, n: int, **fields: Any) -> list[str]:
    """Publish `n` products of June 2024, a minute apart, each published an hour after it was sensed."""
    ids = []
    for k in range(n):
        sensed = f"2024-06-{1 + k % 28:02d}T{10 + k // 28 % 12:02d}:{k // 336 % 60:02d}:00Z"
        dated = {"sensing_start": sensed, "sensing_end": sensed, "publication_date": "2024-06-30T00:00:00Z",
                 "modification_date": "2024-06-30T00:00:00Z", "origin_date": "2024-06-30T00:00:00Z"}  # fmt: skip
        ids.append(sandbox.catalogue.publish(**dated | fields))
    return ids


ALL = SearchFilters(collection="SENTINEL-2", start_date="2024-06-01", end_date="2024-06-30")


def truth(sandbox: Sandbox, filters: SearchFilters = ALL) -> dict[str, dict[str, Any]]:
    """What the sandbox lists for a collection and interval, field by field, from its own records."""
    return {
        record.id: {
            "name": record.name,
            "collection": record.collection,
            "product_type": record.product_type,
            "tile_id": record.tile_id,
            "sensing_start": record.sensing_start,
            "publication_date": record.publication_date,
            "modification_date": record.modification_date,
            "online": record.online,
            "cloud_cover": record.cloud_cover,
            "size_bytes": None if record.checksums == "late" else record.size_bytes,
        }
        for record in list(sandbox.catalogue.products.values())
        if record.collection == filters.collection and record.sensing_start in filters.interval
    }


def mirrored(database: Database, scope_id: int | None = None) -> dict[str, dict[str, Any]]:
    """What the catalogue holds, in the same form; of one scope or of all."""
    names = ["name", "collection", "product_type", "tile_id", "sensing_start", "publication_date",
             "modification_date", "online", "cloud_cover", "size_bytes"]  # fmt: skip
    query = sa.select(products.c.id, *(products.c[name] for name in names))
    if scope_id is not None:
        mine = sa.select(scope_products.c.pk).where(scope_products.c.scope_id == scope_id)
        query = query.where(products.c.pk.in_(mine))
    with database.read() as connection:
        return {row.id: {n: getattr(row, n) for n in names} for row in connection.execute(query)}


def moment(text: str) -> datetime:
    """An instant."""
    from satcat import times

    return times.parse(text)
