"""Products, and the hash that shows any later alteration of a row."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from satcat.database import Database
from satcat.integrity import altered
from satcat.models import products
from satcat.products import SOURCE_COLUMNS, SatelliteImage, canonical_attributes, content_hash
from tests.engines import Catalogues

SENSED = datetime(2024, 6, 4, 11, 6, 19, 24_000, UTC)


def image(**overrides: Any) -> SatelliteImage:
    given = {
        "id": "7", "source": "cdse", "name": "S2B_…", "collection": "SENTINEL-2", "sensing_start": SENSED,
    }  # fmt: skip
    return SatelliteImage(**given | overrides)


#: What PostGIS takes for a footprint.
POINT = struct.pack("<BIdd", 1, 1, -0.1, 1 / 3)


def stored(connection: sa.Connection, product: SatelliteImage) -> None:
    values = {name: getattr(product, name) for name in SOURCE_COLUMNS}
    kept = {"content_hash": product.content_hash, "first_seen_at": SENSED, "changed_at": SENSED}
    connection.execute(
        sa.insert(products), values | {"attributes": dict(product.attributes)} | kept
    )


@pytest.fixture(scope="module")
def scratch(catalogues: Catalogues, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One catalogue for all examples; each empties it first."""
    address = catalogues.new(tmp_path_factory.mktemp("products") / "satcat.db")
    with Database.open(address) as opened:
        yield opened


def test_a_product_goes_by_the_names_that_sat_download_gave_it():
    product = image(platform="S2B", tile_id="30TWM", name="S2B_MSIL2A")
    assert (product.uuid, product.date) == ("20240604_S2B", "20240604")
    assert (product.sensor, product.brother, product.identifier) == (
        "Sentinel-2",
        "B",
        "Sentinel-2B",
    )
    assert (product.filename, product.tile) == ("S2B_MSIL2A", "30TWM")


@pytest.mark.parametrize(
    ("platform", "collection", "sensor", "brother"),
    [
        ("S1A", "SENTINEL-1", "Sentinel-1", "A"),
        ("S5P", "SENTINEL-5P", "Sentinel-5", "P"),
        ("S6A", "SENTINEL-6", "Sentinel-6", "A"),
        (None, "CCM", "CCM", ""),
    ],
)
def test_mission_and_satellite_are_read_from_the_platform(platform, collection, sensor, brother):
    product = image(platform=platform, collection=collection)
    assert (product.sensor, product.brother) == (sensor, brother)


def test_a_product_without_platform_is_named_by_its_collection():
    assert image(platform=None).uuid == "20240604_SENTINEL-2"


def test_the_fields_of_a_product_are_the_columns_of_its_table():
    ours = {"pk", "content_hash"}
    assert {f.name for f in fields(SatelliteImage)} == {c.name for c in products.columns} - ours
    assert set(SOURCE_COLUMNS) == {f.name for f in fields(SatelliteImage)} - {
        "first_seen_at",
        "changed_at",
    }


def test_the_hash_covers_every_field_that_the_source_told():
    other = {
        str: "other", float: 33.25, int: 33, bool: True, datetime: SENSED + timedelta(hours=1), bytes: b"\1",
    }  # fmt: skip
    base = image()
    seen = {base.content_hash}
    for column in fields(SatelliteImage):
        value = {"new": 1} if column.name == "attributes" else other[_kind(str(column.type))]
        changed = replace(base, **{column.name: value}).content_hash
        if column.name in SOURCE_COLUMNS:
            assert changed not in seen, column.name
            seen.add(changed)
        else:
            assert changed == base.content_hash, column.name


def _kind(annotation: str) -> type:
    kinds = {
        "str": str,
        "float": float,
        "int": int,
        "bool": bool,
        "datetime": datetime,
        "bytes": bytes,
    }
    return kinds[annotation.partition(" ")[0]]


def test_the_hash_never_changes_from_release_to_release():
    # A stored hash must stay valid: if this fails, the canonical form has changed, and every catalogue with it.
    product = image(
        cloud_cover=10.0, online=True, size_bytes=1000, footprint=b"\0\1", west=-3.5,
        attributes={"b": 1.0, "a": "é", "c": None, "d": False},
    )  # fmt: skip
    assert product.content_hash == "8c593676a95e1bf7504f31c2166df2cc"


def test_numbers_are_hashed_in_their_shortest_form_from_release_to_release():
    numbers = [0.1, 1e-5, 1e-7, 5e-324, 1e16, 1.5e-300, 123456789012345680.0, -0.0, 1e22, 2**63 - 1]
    written = ["0.1", "0.00001", "1e-7", "5e-324", "10000000000000000", "1.5e-300"]
    written += ["123456789012345680", "0", "10000000000000000000000", "9223372036854775807"]
    for number, text in zip(numbers, written, strict=True):
        assert canonical_attributes({"a": number}) == f'{{"a":{text}}}'


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"cloud_cover": 10.0}, {"cloud_cover": 10}),
        ({"attributes": {"a": 1, "b": 2}}, {"attributes": {"b": 2.0, "a": 1.0}}),
        ({"footprint": b"\1\2"}, {"footprint": memoryview(b"\1\2")}),
        ({"attributes": {"a": None}}, {"attributes": {"a": None}}),
    ],
)
def test_equal_products_hash_alike_in_whatever_form_a_database_gives_them(one, other):
    assert image(**one).content_hash == image(**other).content_hash


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"attributes": {"a": "1"}}, {"attributes": {"a": 1}}),
        ({"attributes": {"a": None}}, {"attributes": {}}),
        ({"attributes": {"a": True}}, {"attributes": {"a": 1}}),
        ({"online": False}, {"online": None}),
        ({"cloud_cover": 0.0}, {"cloud_cover": None}),
        ({"name": "S2A"}, {"name": "s2a"}),
    ],
)
def test_different_products_hash_differently(one, other):
    assert image(**one).content_hash != image(**other).content_hash


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
SCALAR = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | TEXT
    | st.floats(allow_nan=False, allow_infinity=False)
)
MOMENT = st.datetimes(timezones=st.just(UTC))
DEGREES = st.floats(-90, 90)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.builds(
        SatelliteImage,
        id=TEXT, source=st.sampled_from(["cdse", "usgs"]), name=TEXT, collection=TEXT, sensing_start=MOMENT,
        cloud_cover=st.none() | st.floats(allow_nan=False, allow_infinity=False), relative_orbit=st.none() | st.integers(0, 400),
        tile_id=st.none() | TEXT, product_type=st.none() | TEXT, sensing_end=st.none() | MOMENT,
        online=st.none() | st.booleans(), size_bytes=st.none() | st.integers(0, 2**40),
        west=DEGREES, south=st.floats(-90, 0), east=DEGREES, north=st.floats(0, 90), footprint=st.none() | st.binary(),
        attributes=st.dictionaries(TEXT, SCALAR, max_size=5),
    )
)  # fmt: skip
def test_the_hash_can_be_worked_out_again_from_the_stored_row(scratch, product):
    if scratch.engine.dialect.name == "postgresql" and product.footprint is not None:
        product = replace(product, footprint=POINT)  # which takes no other bytes
    with scratch.write() as connection:
        connection.execute(sa.delete(products))
        stored(connection, product)
        row = connection.execute(sa.select(products)).mappings().one()
        assert content_hash(row) == row["content_hash"] == product.content_hash
        assert list(altered(connection)) == []
