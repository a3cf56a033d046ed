"""A catalogue of made-up products, the same for the same arguments, of any size.

    python -m benchmarks.made_up big.db --rows 1e7

Four years of Sentinel-2 (68 % of the rows: L1C and L2A of each scene, some L2A processed twice), Sentinel-1 (16 %) and
Sentinel-3 (16 %), in the order of their sensing starts. Tiles are the grid's own; the other two repeat 26,000 and 11,000
frames along their orbits, across 180° too, as the satellites do. Rows are as large as real ones less
most attributes; content hashes are of the right length only. Indexes and what triggers keep are made at the end, in bulk.
"""

from __future__ import annotations

import argparse
import math
import sqlite3
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import shapely

from satcat import footprints, tiles
from satcat.database import Database
from satcat.globe import normal
from satcat.models import products

BEGIN = np.datetime64("2021-01-01T00:00:00.000000")
DAYS = 4 * 365
TILES = 12_000
_CHUNK = 20_000  # scenes made at a time
_ROWS_PER_SCENE = 1.5  # about
_COLUMNS = [column.name for column in products.columns if column.name != "pk"]


class Outline(NamedTuple):
    """A footprint and its box, as stored."""

    west: float
    south: float
    east: float
    north: float
    wkb: bytes


def outline(geometry: Any) -> Outline:
    stored = footprints.of(geometry)
    return Outline(stored.west, stored.south, stored.east, stored.north, stored.wkb)


class World(NamedTuple):
    """What products are made from: each tile's whole and partial footprints, and the frames of two orbits."""

    tiles: list[str]
    of_tile: list[list[Outline]]
    radar: list[Outline]
    ocean: list[Outline]


@cache
def world(tile_count: int = TILES) -> World:
    land = [row for row in tiles.rows() if row.grid == "mgrs" and row.land]
    chosen = land[:: max(1, len(land) // tile_count)][:tile_count]
    return World(
        [row.tile_id for row in chosen],
        [_parts(shapely.from_wkb(row.footprint)) for row in chosen],
        _frames(26_000, length=1.6, width=2.4),
        _frames(11_000, length=11.0, width=12.0),
    )


def _parts(tile: Any) -> list[Outline]:
    """A tile as four orbits see it: whole, and cut by the edge of the swath on either side."""
    if len(shapely.get_parts(tile)) > 1:
        return [outline(tile)] * 4
    west, south, east, north = tile.bounds
    wide = east - west
    edges = ((0.0, 0.0, 1.0, 1.0), (0.35, 0.2, 1.0, 1.0), (0.0, 0.0, 0.6, 0.45))
    cut = [outline(tile)]
    for left, right, upper, lower in edges:
        swath = shapely.Polygon([
            (west + left * wide, north + 1), (west + upper * wide, north + 1),
            (west + lower * wide, south - 1), (west + right * wide, south - 1),
        ])  # fmt: skip
        piece = shapely.intersection(tile, swath)
        cut.append(outline(piece) if piece.geom_type == "Polygon" else cut[0])
    return cut


def _frames(count: int, length: float, width: float) -> list[Outline]:
    """Frames of `length` by `width` degrees of arc along an orbit inclined by 98.5°."""
    along = np.arange(count) * (360.0 * 14 / 360) * 1.0007
    u = np.radians(along)
    node = np.radians(np.arange(count) * 222.4 % 360)
    tilt = math.radians(98.5)
    corners = []
    for du, dv in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        a, b = u + math.radians(du * length / 2), math.radians(dv * width / 2)
        x, y, z = np.cos(a) * math.cos(b), np.sin(a) * math.cos(b), np.full_like(a, math.sin(b))
        y, z = y * math.cos(tilt) - z * math.sin(tilt), y * math.sin(tilt) + z * math.cos(tilt)
        x, y = x * np.cos(node) - y * np.sin(node), x * np.sin(node) + y * np.cos(node)
        corners.append((np.degrees(np.arctan2(y, x)), np.degrees(np.arcsin(np.clip(z, -1, 1)))))
    rings = np.stack([np.column_stack(corner) for corner in corners], axis=1).round(6)
    return [outline(normal(shapely.Polygon(ring), 100)) for ring in rings]


def rows(count: int, seed: int = 1, tile_count: int = TILES) -> Iterator[list[tuple[Any, ...]]]:
    """Lists of rows, in the order of the columns of `products` less pk."""
    made, scene, of = 0, 0, world(tile_count)
    step = DAYS * 86_400_000_000 * _ROWS_PER_SCENE / count  # microseconds
    while made < count:
        chance = np.random.default_rng((seed, scene))
        starts = BEGIN + ((scene + np.arange(_CHUNK)) * step).astype("timedelta64[us]")
        page = list(_chunk(of, chance, starts))[: count - made]
        scene, made = scene + _CHUNK, made + len(page)
        yield page


def _chunk(of: World, chance: Any, starts: Any) -> Iterator[tuple[Any, ...]]:
    size = len(starts)
    at = [text + "Z" for text in np.datetime_as_string(starts, unit="us").tolist()]
    late = [
        [text + "Z" for text in np.datetime_as_string(starts + np.timedelta64(by, "s"), unit="us").tolist()]
        for by in (180, 6 * 3600, 300 * 86_400)
    ]  # fmt: skip
    family = np.searchsorted([0.485, 0.725], chance.random(size)).tolist()
    where = chance.integers(0, 2**31, size).tolist()
    cloud = (100 * chance.beta(0.5, 0.6, size)).round(6).tolist()
    sizes = chance.integers(10**8, 10**9, size).tolist()
    again = (chance.random(size) < 0.1).tolist()
    digits = chance.bytes(32 * 3 * size).hex()
    makers = (_sentinel_2, _sentinel_1, _sentinel_3)
    for n in range(size):
        moment = (at[n], late[0][n], late[1][n], late[2][n])
        yield from makers[family[n]](
            of,
            where[n],
            moment,
            cloud[n],
            sizes[n],
            digits[192 * n : 192 * n + 192],
            again=again[n],
        )


def _sentinel_2(
    of: World, where: int, at: tuple[str, ...], cloud: float, size: int, digits: str, *, again: bool
) -> Iterator[tuple[Any, ...]]:
    place = where % len(of.tiles)
    tile, shape, orbit = of.tiles[place], of.of_tile[place][where >> 20 & 3], 1 + where % 143
    stamp, platform = _stamp(at[0]), "S2A" if where & 1 else "S2B"
    versions = [("L1C", "05.10", 2), ("L2A", "05.10", 2)] + ([("L2A", "05.11", 3)] if again else [])
    for number, (level, baseline, published) in enumerate(versions):
        name = (
            f"{platform}_MSI{level}_{stamp}_N{baseline.replace('.', '')}_R{orbit:03d}_T{tile}_"
            f"{_stamp(at[published])}.SAFE"
        )
        yield _row(
            digits, number, name, "SENTINEL-2", f"S2MSI{level[1:]}", level, baseline, platform, "MSI", tile, orbit,
            None, None, cloud, at, published, size, shape,
        )  # fmt: skip


def _sentinel_1(
    of: World, where: int, at: tuple[str, ...], cloud: float, size: int, digits: str, *, again: bool
) -> Iterator[tuple[Any, ...]]:
    frame = where % len(of.radar)
    name = f"S1A_IW_GRDH_1SDV_{_stamp(at[0])}_{_stamp(at[1])}_{where % 60000:06d}_{digits[:6].upper()}_{digits[6:10].upper()}"
    yield _row(
        digits, 0, name, "SENTINEL-1", "IW_GRDH_1S", "L1", None, "S1A", "C-SAR", None, 1 + frame % 175,
        "ASCENDING" if frame & 1 else "DESCENDING", "VV&VH", None, at, 2, size, of.radar[frame],
    )  # fmt: skip


def _sentinel_3(
    of: World, where: int, at: tuple[str, ...], cloud: float, size: int, digits: str, *, again: bool
) -> Iterator[tuple[Any, ...]]:
    frame, platform = where % len(of.ocean), "S3A" if where & 1 else "S3B"
    for number, published in enumerate((2, 3) if again else (2,)):
        orbit = 1 + frame % 385
        name = (
            f"{platform}_OL_1_EFR____{_stamp(at[0])}_{_stamp(at[1])}_{_stamp(at[published])}_0179_{where % 120:03d}_"
            f"{orbit:03d}_2340_PS1_O_NT_00{3 + number}.SEN3"
        )
        yield _row(
            digits, number, name, "SENTINEL-3", "OL_1_EFR___", "L1", f"00{3 + number}", platform, "OLCI", None, orbit,
            "DESCENDING", None, cloud, at, published, size, of.ocean[frame],
        )  # fmt: skip


def _stamp(text: str) -> str:
    return text[:4] + text[5:7] + text[8:13] + text[14:16] + text[17:19]


def _row(
    digits: str, number: int, name: str, collection: str, kind: str, level: str, baseline: str | None,
    platform: str, instrument: str, tile: str | None, orbit: int, direction: str | None,
    polarisation: str | None, cloud: float | None, at: tuple[str, ...], published: int, size: int, shape: Outline,
) -> tuple[Any, ...]:  # fmt: skip
    d = digits[64 * number : 64 * number + 64]
    id_ = f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:32]}"
    folder = f"/eodata/{collection}/{at[0][:4]}/{at[0][5:7]}/{at[0][8:10]}/{name}"
    return (
        id_, "cdse", name, collection, kind, level, baseline, platform, instrument, tile, orbit,
        None, direction, polarisation, cloud, at[0], at[1], at[2], at[published], at[published], None,
        1, size, folder, d[32:], d, shape.west, shape.south, shape.east, shape.north, shape.wkb,
        '{"processorVersion":"05.10"}', d[::-1], at[published], at[published],
    )  # fmt: skip


_DAY = "julianday(sensing_start) - 2451544.5"
_BOXES = f"""
    INSERT INTO products_rtree
    SELECT pk, west, iif(west > east, 180, east), south, north, {_DAY}, {_DAY} FROM products WHERE west IS NOT NULL
    UNION ALL SELECT -pk, -180, east, south, north, {_DAY}, {_DAY} FROM products WHERE west > east
"""
_BIT = "1 << (CAST(substr(sensing_start, 9, 2) AS INTEGER) - 1)"
_MONTHS = f"""
    INSERT INTO tile_months
    SELECT tile_id, coalesce(product_type, ''), substr(sensing_start, 1, 7), collection,
           count(*), count(CASE WHEN cloud_cover <= 20 THEN 1 END), coalesce(sum(size_bytes), 0),
           sum(DISTINCT {_BIT}), coalesce(sum(DISTINCT CASE WHEN cloud_cover <= 20 THEN {_BIT} END), 0)
    FROM products WHERE tile_id IS NOT NULL GROUP BY 1, 2, 3, 4
"""


def fill(path: Path, count: int, *, seed: int = 1, tile_count: int = TILES) -> None:
    """Make a catalogue of so many products."""
    Database.open(path, create=True).close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000; PRAGMA temp_store = MEMORY"
    )
    made = (
        "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = 'products' AND sql IS NOT NULL"
    )
    later = [row for row in connection.execute(made) if row[0] in ("index", "trigger")]
    connection.execute("BEGIN")
    for kind, name, _ in later:
        connection.execute(f"DROP {kind} {name}")
    marks = ", ".join("?" * len(_COLUMNS))
    insert = f"INSERT INTO products ({', '.join(_COLUMNS)}) VALUES ({marks})"
    for page in rows(count, seed, tile_count):
        connection.executemany(insert, page)
    _say("rows")
    for statement in (_BOXES, _MONTHS, *(sql for _, _, sql in later)):
        connection.execute(statement)
        _say(" ".join(statement.split())[:60])
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()


_BEGAN = time.monotonic()


def _say(what: str) -> None:
    print(f"{time.monotonic() - _BEGAN:8.1f} s  {what}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--rows", type=float, default=1e6)
    parser.add_argument("--tiles", type=int, default=TILES)
    options = parser.parse_args()
    fill(options.path, int(options.rows), tile_count=options.tiles)


if __name__ == "__main__":
    main()
