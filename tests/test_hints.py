"""What is said where filters find nothing: what may have been meant."""

from __future__ import annotations

from typing import Any

import pytest
import shapely

from satcat import footprints, hints
from satcat.database import Database
from satcat.filters import SearchFilters


@pytest.fixture
def catalogue(database: Database, add_products: Any) -> Database:
    shape = footprints.of(shapely.box(-4, 41, -3, 42))
    place = {
        "footprint": shape.wkb, "west": shape.west, "south": shape.south, "east": shape.east, "north": shape.north,
    }  # fmt: skip
    radar = {
        "collection": "SENTINEL-1",
        "product_type": "IW_GRDH_1S",
        "processing_level": "L1",
        "platform": "S1A",
    }
    add_products(
        place, {**place, "product_type": "S2MSI1C", "processing_level": "L1C"}, {**place, **radar}
    )
    return database


def said(catalogue: Database, **fields: Any) -> list[str]:
    with catalogue.read() as connection:
        return hints.hints(connection, SearchFilters(**fields))


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({"product_type": "s2msi2a"}, "--product-type s2msi2a: did you mean S2MSI2A"),
        ({"product_type": "S2MSIL2A"}, "--product-type S2MSIL2A: did you mean S2MSI2A?"),
        ({"product_type": "GRD"}, "--product-type GRD: among those mirrored are IW_GRDH_1S, S2MSI1C, S2MSI2A"),
        ({"collection": "SENTINEL-1", "product_type": "GRD"}, "--product-type GRD: among those mirrored are IW_GRDH_1S"),
        ({"processing_level": "L3"}, "--level L3: among those mirrored are L1, L1C, L2A"),
        ({"collection": "SENTINEL-2A"}, "--collection SENTINEL-2A: did you mean SENTINEL-2 or SENTINEL-1?"),
        ({"platform": "S9Z"}, "--platform S9Z: among those mirrored are S1A, S2B"),
        ({"point": (41.5, -3.5)}, "--point: no product touches it, but with latitude and longitude swapped some do"),
        ({"bbox": (41.2, -3.6, 41.4, -3.5)}, "--bbox: no product touches it, but with latitude"),
        ({"geometry": "POLYGON ((41.2 -3.6, 41.3 -3.5, 41.2 -3.5, 41.2 -3.6))"}, "--geometry: no product touches it"),
        ({"name": "S2A_MSIL2A_2024"}, "write S2A_MSIL2A_2024* or --contains S2A_MSIL2A_2024"),
        ({"contains": "*L2A*"}, "--contains *L2A*: * stands for itself there; write --name '*L2A*'"),
        ({"contains": "msil2a"}, "--contains msil2a: capitals matter"),
        ({"name": "s2a_*"}, "--name s2a_*: capitals matter"),
        ({"cloud_cover": 0.2}, "--cloud 0.2: that is in percent"),
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_what_may_have_been_meant_is_said(
    catalogue: Database, fields: dict[str, Any], hint: str
) -> None:
    (line,) = said(catalogue, **fields)
    assert hint in line


@pytest.mark.parametrize(
    "fields",
    [
        {"product_type": "S2MSI2A", "processing_level": "L1C", "platform": "S2B", "collection": "SENTINEL-2"},
        {"point": (-3.5, 41.5)},
        {"point": (120.0, 10.0)},
        {"point": (120.0, 95 - 10.0)},
        {"bbox": (170, -3, -170, -2)},
        {"geometry": "POINT (-3.5 41.5)"},
        {"name": "S2A*"},
        {"contains": "N0510"},
        {"cloud_cover": 20},
        {"cloud_cover": 0},
    ],
    ids=str,
)  # fmt: skip
def test_where_nothing_comes_to_mind_nothing_is_said(
    catalogue: Database, fields: dict[str, Any]
) -> None:
    assert said(catalogue, **fields) == []


def test_an_empty_catalogue_has_no_hints_of_values(database: Database) -> None:
    assert said(database, product_type="S2MSI2A", collection="SENTINEL-2", point=(41, -3)) == []
