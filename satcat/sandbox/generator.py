"""A catalogue's worth of made-up products: the same ones for the same number and seed.

About nine in ten are Sentinel-2, L1C and L2A of each tile and pass; up to a few thousand they lie
in twelve neighbouring tiles of northern Spain, above that the region grows over Europe. Some were
reprocessed under a newer baseline, and now and then two ids have one name. The rest are Sentinel-1,
-3 and -5P, and orbit files.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache, partial
from itertools import islice

import shapely

from satcat import tiles
from satcat.sandbox import others, sentinel2
from satcat.sandbox.records import Record
from satcat.sandbox.sentinel2 import Datatake

#: The days that a generated catalogue covers, the second not included.
SPAN = (date(2024, 1, 1), date(2025, 1, 1))

#: Package sizes in bytes, from and up to: small, so that a page of checksums is made in no time.
PACKAGE_BYTES = (6_000, 26_000)

# Shares of the other kinds, per mille of all products.
_SHARES = (
    (others.sentinel1, 25),
    (partial(others.sentinel1, detected=False), 15),
    (others.sentinel3, 25),
    (others.sentinel5p, 15),
    (others.orbit_file, 10),
)
# Products that one tile has in a year, at least: some 73 to 146 passes, two levels each.
_PER_TILE = 200
_EUROPE = (-10, 36, 30, 58)


@lru_cache(maxsize=2)
def generate(
    n: int, seed: int = 1, package_bytes: tuple[int, int] = PACKAGE_BYTES
) -> tuple[Record, ...]:
    """`n` products of the year 2024, by publication date and id."""
    rng = random.Random(f"{seed} {n}")
    records = [
        make(rng, random_instant(rng), rng.randrange(*package_bytes))
        for make, share in _SHARES
        for _ in range(n * share // 1000)
    ]
    records += islice(_sentinel2(rng, n - len(records), package_bytes), n - len(records))
    records.sort(key=lambda record: (record.publication_date, record.id))
    return tuple(records)


def random_instant(rng: random.Random) -> datetime:
    """Some instant of the span, to the millisecond."""
    start, end = (datetime.combine(day, time(), UTC) for day in SPAN)
    return start + timedelta(
        milliseconds=rng.randrange(int((end - start) / timedelta(milliseconds=1)))
    )


def _sentinel2(rng: random.Random, n: int, package_bytes: tuple[int, int]) -> Iterator[Record]:
    """At least `n` products, of passes picked at random, so that no tile or month lacks."""
    looks = _looks(_tiles(n))
    rng.shuffle(looks)
    sky: dict[date, float] = {}
    for datatake, tile_id, footprint in looks:
        day = datatake.sensing_start.date()
        base = sky.setdefault(day, sentinel2.cloud_cover(rng, day))
        cloud = sentinel2.cloud_cover(rng, day, base)
        make = partial(sentinel2.make, rng, datatake, tile_id, footprint, cloud)
        yield make(level="L1C", size_bytes=rng.randrange(*package_bytes))
        record = make(level="L2A", size_bytes=rng.randrange(*package_bytes))
        yield record
        fate = rng.random()
        if fate < 0.02:
            later = timedelta(days=rng.randrange(20, 60))
            yield make(
                baseline="05.11", reprocessed=later, size_bytes=rng.randrange(*package_bytes)
            )
        elif fate < 0.025:
            yield replace(
                record,
                id=sentinel2.new_id(rng),
                publication_date=record.publication_date + timedelta(hours=1),
                modification_date=record.modification_date + timedelta(hours=1),
            )


def _looks(tile_ids: Sequence[str]) -> list[tuple[Datatake, str, str]]:
    """Every pass over every tile in the span, with the part of the tile that it sees."""
    return [
        (datatake, tile_id, footprint)
        for tile_id in tile_ids
        for track, footprint in sentinel2.tracks(tile_id).items()
        for datatake in _passes(track)
    ]


@lru_cache(maxsize=256)
def _passes(track: int) -> list[Datatake]:
    return list(sentinel2.passes(track, *SPAN))


def _tiles(n: int) -> Sequence[str]:
    """As many tiles as `n` products need, the nearest to the first one."""
    wanted = max(2, -(-n // _PER_TILE))
    if wanted <= len(sentinel2.TILES):
        return sentinel2.TILES[:wanted]
    centre = tiles.footprint(sentinel2.TILES[0]).centroid
    found = tiles.intersecting(shapely.box(*_EUROPE))
    return sorted(found, key=lambda tile_id: tiles.footprint(tile_id).centroid.distance(centre))[
        :wanted
    ]
