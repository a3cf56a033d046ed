"""A catalogue with something of everything: what was mirrored, deleted and went wrong, and a queue in every state."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from satcat import integrity, times
from satcat.api.http import HttpClient, Retries
from satcat.api.odata import ODataAPI
from satcat.columns import Instant
from satcat.copying.run import CopyReport, copy
from satcat.database import Database
from satcat.filters import SearchFilters
from satcat.models import (
    STATUSES,
    account_slots,
    download_attempts,
    downloads,
    metadata,
    products,
    sync_lateness,
    tiles,
)
from satcat.products import SOURCE_COLUMNS, content_hash
from satcat.sandbox import REMOVED, Sandbox
from satcat.sync.engine import sync
from tests.engines import Catalogues, plainly

JUNE = SearchFilters(collection="SENTINEL-2", start_date="2024-06-01", end_date="2024-06-30")
ONE_TILE = SearchFilters(
    collection="SENTINEL-2", tile_id="30TWM", start_date="2024-06-01", end_date="2024-06-30"
)
POINT = struct.pack("<BIdd", 1, 1, -0.1, 1 / 3)
MOMENT = times.parse("2024-06-04T11:06:19.024001Z")

#: What sources seldom say, and databases keep in their own ways.
ODD: dict[str, dict[str, Any]] = {
    "nothing": {"attributes": {}},
    "quotes": {"name": 'it\'s "quoted", back\\slashed,\ttabbed\nand \\N', "s3_path": "\\."},
    "unicode": {"name": "Ünïcödé 衛星 🛰\u2028", "attributes": {"ключ": "значение\u007f"}},
    "edges": {"cloud_cover": 0.1 + 0.2, "size_bytes": 2**63 - 1, "absolute_orbit": 2**31 - 1},
    "zero below zero": {"cloud_cover": -0.0, "west": -0.0, "attributes": {"zero": -0.0}},
    "large": {"cloud_cover": 1e308, "east": 5e-324, "attributes": {"large": 1e308, "small": 5e-324}},
    "numbers": {
        "attributes": {
            "whole": 1.0, "16": 1e16, "17": 6.354329768696349e16, "22": 1e22, "int": 2**63 - 1, "least": -(2**63),
            "third": 1 / 3, "true": True, "null": None, "text": "1.0",
        }
    },
    "old": {"sensing_start": times.parse("0001-01-01T00:00:00Z"), "tile_id": None},
    "late": {"sensing_end": times.parse("9999-12-31T23:59:59.999999Z"), "online": False},
    "empty": {"product_type": "", "md5": "", "tile_id": "30TWM"},
    "point": {"footprint": POINT},
}  # fmt: skip


@pytest.fixture(scope="session")
def small(catalogues: Catalogues, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty catalogue with few tiles, so that copying and comparing them takes no time."""
    address = catalogues.new(tmp_path_factory.mktemp("small") / "small.db")
    keep_few_tiles(address)
    yield address
    catalogues.drop(address)


@pytest.fixture(scope="session")
def full(
    catalogues: Catalogues, small: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The catalogue; not to be written to."""
    address = catalogues.new(tmp_path_factory.mktemp("full") / "full.db", like=small)
    fill(address)
    yield address
    catalogues.drop(address)


@pytest.fixture
def source(new_catalogue: Callable[..., str], full: str) -> str:
    """A catalogue with something of everything, for a test to change."""
    return new_catalogue(full)


@pytest.fixture
def target(new_catalogue: Callable[..., str], small: str) -> str:
    """Where to copy to: an empty catalogue."""
    return new_catalogue(small)


def keep_few_tiles(address: str) -> None:
    plainly(address, "DELETE FROM tiles WHERE tile_id NOT LIKE '30T%' AND tile_id NOT LIKE '31T%'")


def fill(address: str) -> None:
    """Put something of everything into an empty catalogue."""
    with (
        Sandbox(products=0, now="2024-07-01T00:00:00Z") as sandbox,
        Database.open(address) as opened,
    ):
        api = ODataAPI(
            catalogue_url=sandbox.catalogue_url,
            http=HttpClient(retries=Retries(attempts=2, first_wait=0.01, longest_wait=0.05)),
        )
        _mirror(sandbox, opened, api)
        api.close()
        with opened.write() as connection:
            _add_odd(connection)
            _add_queue(connection)


def _mirror(sandbox: Sandbox, database: Database, api: ODataAPI) -> None:
    ids = []
    for k in range(60):
        sensed = f"2024-06-{1 + k % 28:02d}T10:{k:02d}:00Z"
        tile = "30TWM" if k % 3 else "31TCJ"
        ids.append(
            sandbox.catalogue.publish(sensing_start=sensed, sensing_end=sensed, tile_id=tile)
        )
    sandbox.catalogue.modify(ids[3], wire={"Name": REMOVED}, touch=False)
    sandbox.catalogue.modify(ids[4], wire={"ContentLength": "much"}, touch=False)
    assert sync(database, api, JUNE).exit_code == 6
    sync(database, api, ONE_TILE)
    for each in ids[10:14]:
        sandbox.catalogue.delete(each)
    sandbox.catalogue.delete(ids[15], record=False)
    sandbox.catalogue.publish_random(5)
    sync(database, api)
    with database.write() as connection:  # the last number is not that of the last row
        last = sa.select(sa.func.max(products.c.pk)).scalar_subquery()
        connection.execute(sa.delete(products).where(products.c.pk == last))


def _add_odd(connection: sa.Connection) -> None:
    for name, overrides in ODD.items():
        values: dict[str, Any] = dict.fromkeys(SOURCE_COLUMNS)
        values |= {"id": f"odd {name}", "source": "cdse", "name": name, "collection": "SENTINEL-2",
                   "sensing_start": MOMENT, "attributes": {}} | overrides  # fmt: skip
        values |= {"content_hash": content_hash(values)}
        connection.execute(
            sa.insert(products).values(first_seen_at=MOMENT, changed_at=MOMENT, **values)
        )


def _add_queue(connection: sa.Connection) -> None:
    for number, status in enumerate(STATUSES):
        connection.execute(
            sa.insert(downloads).values(
                product_id=f"download {number}", status=status, priority=-number, include="*_B04*\n*.xml",
                claim=number, worker="host:1:2", lease_until=MOMENT, path=f"/data/{number}.zip",
                size_bytes=2**40, error="it's broken" if number % 2 else None,
            )
        )  # fmt: skip
        connection.execute(
            sa.insert(download_attempts).values(
                product_id=f"download {number}", claim=1, worker="host:1:2", started_at=MOMENT
            )
        )
    connection.execute(sa.insert(downloads).values(product_id="by default"))
    connection.execute(
        sa.insert(sync_lateness).values(
            scope_id=1,
            product_id="late",
            publication_date=MOMENT,
            noticed_at=MOMENT,
            late_seconds=0.1,
        )
    )
    connection.execute(sa.insert(account_slots).values(account="a", slot=1, claim=3))
    connection.execute(sa.update(tiles).where(tiles.c.tile_id == "30TWM").values(land=None))


def copied(source: str, target: str) -> CopyReport:
    """Copy a catalogue."""
    with Database.open(source) as opened:
        return copy(opened, target)


def assert_equal(source: str, target: str) -> None:
    """As drivers give them, row by row; and the copy is as whole in itself as the source."""
    left, right = dump(source), dump(target)
    for name in left.keys() - {"account_slots"}:
        assert left[name] == right[name], name
    assert findings(source) == findings(target)


def findings(address: str) -> set[str]:
    """What `satcat db check` finds."""
    with Database.open(address) as opened, opened.read() as connection:
        return set(map(str, integrity.check(connection)))


def dump(address: str) -> dict[str, list[tuple[str, ...]]]:
    """All rows of the tables, as the driver alone gives them; values that mean the same are the same text."""
    found = {}
    for table in metadata.sorted_tables:
        columns = ", ".join(_shown(column, "://" in address) for column in table.columns)
        rows = plainly(address, f"SELECT {columns} FROM {table.name}")
        names = [column.name for column in table.columns]
        found[table.name] = sorted(tuple(map(_plain, row, names)) for row in rows)
    return found


def _shown(column: sa.Column[Any], on_server: bool) -> str:
    name = column.name
    if on_server and name == "footprint":
        return f"ST_AsBinary({name})"
    if on_server and isinstance(column.type, Instant):
        return f"""to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
    return name


def _plain(value: Any, column: str) -> str:
    if column in ("attributes", "record", "report") and value is not None:
        text = value if isinstance(value, str) else json.dumps(value)
        value = json.dumps(json.loads(text, parse_int=_number, parse_float=_number), sort_keys=True)
    if isinstance(value, float):
        value = value or 0.0
    return repr(int(value) if isinstance(value, bool) else value)


def _number(text: str) -> float:
    return float(text) or 0.0  # decimals have no zero below zero
