"""What tests of reports share: scopes that are complete without a sync, and products with footprints."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Connection

from satcat import footprints, times
from satcat.database import Database
from satcat.filters import SearchFilters
from satcat.models import scopes, sync_windows
from satcat.products import SatelliteImage
from satcat.sync.store import store


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as opened:
        yield opened


@pytest.fixture
def keep(connection: Connection) -> Callable[..., None]:
    """Put products into the catalogue."""

    def kept(*images: SatelliteImage) -> None:
        store(connection, images, scope_id=None, at=times.now())

    return kept


@pytest.fixture
def mirror(connection: Connection) -> Callable[..., None]:
    """Make a scope that is complete, on an interval of sensing starts."""

    def made(start: str | None, end: str | None, **filters: Any) -> None:
        whole = SearchFilters(**{"collection": "SENTINEL-2"} | filters)
        bounds = [None if text is None else times.parse_bound(text) for text in (start, end)]
        number = len(connection.execute(sa.select(scopes.c.id)).all()) + 1
        row = {
            "id": number, "name": f"scope {number}", "source": "cdse", "url": "http://127.0.0.1",
            "collection": whole.collection, "filters": whole.to_json(), "slices": json.dumps([whole.to_json()]),
            "sensing_start": bounds[0], "sensing_end": bounds[1],
        }  # fmt: skip
        connection.execute(sa.insert(scopes).values(row))
        window = {"window_start": bounds[0], "window_end": bounds[1], "status": "complete"}
        connection.execute(sa.insert(sync_windows).values(scope_id=number, slice=0, **window))

    return made


@pytest.fixture
def make_over(make_product: Callable[..., SatelliteImage]) -> Callable[..., SatelliteImage]:
    """Make a product with a footprint, a geometry in normal form."""

    def made(shape: BaseGeometry, **overrides: Any) -> SatelliteImage:
        held = footprints.of(shape)
        box = {name: getattr(held, name) for name in ("west", "south", "east", "north")}
        return make_product(footprint=held.wkb, **box, **overrides)

    return made
