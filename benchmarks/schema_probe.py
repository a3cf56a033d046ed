"""How large a catalogue gets, how fast it takes products in, and how its commonest queries run.

    python benchmarks/schema_probe.py --products 1000000

Products are made up: S2 tiles over three years, 20-vertex footprints, 14 attributes left over. Prints one line a figure.
"""

from __future__ import annotations

import argparse
import math
import random
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import shapely
import sqlalchemy as sa

from satcat import integrity, select, tiles
from satcat.database import Database
from satcat.filters import SearchFilters
from satcat.models import products, scopes
from satcat.products import SatelliteImage
from satcat.sync import store

PAGE = 1000


def made_up(count: int, tile_count: int) -> Iterator[list[SatelliteImage]]:
    """Pages of products, ascending by sensing start as a source lists them."""
    chance = random.Random(1)
    begin = datetime(2021, 1, 1, tzinfo=UTC)
    step = timedelta(days=3 * 365) / count
    corners = {}
    for row in tiles.rows():
        if row.grid == "mgrs" and row.land and row.west < row.east:
            corners[row.tile_id] = ((row.west + row.east) / 2, (row.south + row.north) / 2)
        if len(corners) == tile_count:
            break
    ids = list(corners)
    page = []
    for n in range(count):
        tile = ids[n % tile_count]
        start = begin + n * step
        page.append(_product(n, tile, corners[tile], start, chance))
        if len(page) == PAGE:
            yield page
            page = []
    if page:
        yield page


def _product(
    n: int, tile: str, centre: tuple[float, float], start: datetime, chance: random.Random
) -> SatelliteImage:
    lon, lat = centre
    ring = [
        (lon + 0.6 * math.cos(a * math.tau / 20), lat + 0.5 * math.sin(a * math.tau / 20))
        for a in range(20)
    ]
    area = shapely.Polygon(ring)
    west, south, east, north = area.bounds
    level = "L2A" if n % 2 else "L1C"
    stamp = start.strftime("%Y%m%dT%H%M%S")
    name = f"S2A_MSI{level}_{stamp}_N0510_R{n % 143:03d}_T{tile}_{stamp}.SAFE"
    return SatelliteImage(
        id=f"{chance.getrandbits(128):032x}",
        source="cdse",
        name=name,
        collection="SENTINEL-2",
        product_type=f"S2MSI{level[1:]}",
        processing_level=level,
        processing_baseline="05.10",
        platform="S2A",
        instrument="MSI",
        tile_id=tile,
        relative_orbit=n % 143,
        absolute_orbit=n,
        cloud_cover=round(chance.uniform(0, 100), 6),
        sensing_start=start,
        sensing_end=start,
        origin_date=start,
        publication_date=start + timedelta(hours=6),
        modification_date=start + timedelta(hours=6, minutes=3),
        online=True,
        size_bytes=chance.randrange(10**8, 10**9),
        s3_path=f"/eodata/Sentinel-2/MSI/{level}/{start:%Y/%m/%d}/{name}",
        md5=f"{chance.getrandbits(128):032x}",
        blake3=f"{chance.getrandbits(256):064x}",
        west=west,
        south=south,
        east=east,
        north=north,
        footprint=shapely.to_wkb(area),
        attributes={f"attribute{k}": f"value {n * k}" for k in range(14)},
    )


def timed(what: str, run: object, times: int = 3) -> None:
    """Print the best of a few runs."""
    best = math.inf
    for _ in range(times):
        began = time.perf_counter()
        result = run()  # type: ignore[operator]
        best = min(best, time.perf_counter() - began)
    print(f"{what:52} {best * 1000:10.1f} ms   ({result})", flush=True)


def probe(path: Path, count: int, tile_count: int) -> None:
    """Fill a catalogue, then query it."""
    with Database.open(path, create=True) as database:
        with database.write() as connection:
            scope = sa.insert(scopes).values(
                name="all", source="cdse", url="x", collection="SENTINEL-2"
            )
            connection.execute(scope.values(filters="{}", slices="[]"))
        spent = {"store": 0.0}
        for page in made_up(count, tile_count):
            began = time.perf_counter()
            with database.write() as connection:
                store.store(connection, page, scope_id=1, at=page[0].sensing_start)
            spent["store"] += time.perf_counter() - began
        print(f"store: {count / spent['store']:.0f} products/s in transactions of {PAGE}")
        began = time.perf_counter()
        with database.write() as connection:
            store.store(connection, page, scope_id=1, at=page[0].sensing_start)
        print(f"store unchanged: {len(page) / (time.perf_counter() - began):.0f} products/s")
        size = sum(f.stat().st_size for f in path.parent.iterdir() if f.name == path.name)
        print(f"size: {size / count:.0f} bytes/product")
        for analysed in (False, True):
            if analysed:
                with database.write() as connection:
                    connection.exec_driver_sql("ANALYZE")
            print("with ANALYZE" if analysed else "without ANALYZE")
            _queries(database, tile_count)
        with database.read() as connection:
            timed("integrity, all of it", lambda: len(list(integrity.check(connection))), 1)


def _queries(database: Database, tile_count: int) -> None:
    with database.read() as connection:
        tile = connection.scalar(sa.select(products.c.tile_id).limit(1))
        lon, lat = connection.execute(sa.select(products.c.west, products.c.north).limit(1)).one()
        month = {"start_date": "2022-06-01", "end_date": "2022-06-30"}
        year = {"start_date": "2022-01-01", "end_date": "2022-12-31"}
        box = (lon, lat - 1, lon + 1, lat)
        s2 = {"collection": "SENTINEL-2"}
        clear = {"processing_level": "L2A", "tile_id": tile, "cloud_cover": 20}
        cases: dict[str, dict[str, Any]] = {
            "tile, month": {"tile_id": tile, **month},
            "collection, level, tile, month, cloud": {**s2, **clear, **month},
            "point, month": {"point": (lon + 0.5, lat - 0.5), **month},
            "collection, type, box, month": {**s2, "product_type": "S2MSI2A", "bbox": box, **month},
            "box, year": {"bbox": box, **year},
            "collection, month (count)": {**s2, **month},
        }
        for what, fields in cases.items():
            filters = SearchFilters(**fields)
            timed(what, lambda f=filters: select.count(connection, f))
        newest = SearchFilters(collection="SENTINEL-2")
        timed(
            "newest ten of the collection",
            lambda: len(list(select.iterate(connection, newest, limit=10))),
        )
        view = sa.text("SELECT count(*) FROM tile_coverage")
        timed("tile_coverage, all of it", lambda: connection.scalar(view), 1)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--tiles", type=int, default=1000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        probe(Path(folder) / "satcat.db", options.products, options.tiles)


if __name__ == "__main__":
    main()
