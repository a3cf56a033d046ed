"""Made-up Sentinel-2 products over real tiles, orbits and revisit times.

The swaths follow from one observed pass: on 2024-06-04 Sentinel-2B crossed northern Spain on
relative orbit 137 at 11:06 UTC. The next orbit to the east (94, 51, 8, … : 43 less, modulo 143)
lies 2.517° of longitude on, is flown 10 minutes earlier in the day, and 7 days later; each
satellite comes back after 10 days, two of them 5 days apart.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from uuid import UUID

import shapely

from satcat import tiles
from satcat.sandbox.records import TILE, Record, Shared, stamp

#: Neighbouring tiles in northern Spain, the first ones under two orbits.
TILES = (
    *("30TWM", "30TVM", "30TWN", "30TXM", "30TVN", "30TXN"),
    *("30TWL", "30TVL", "30TXL", "30TYM", "30TYN", "31TCG"),
)

TYPES = {"L1C": "S2MSI1C", "L2A": "S2MSI2A"}

_FIRST_PASS = date(2024, 6, 4)
_FIRST_TIME = time(11, 6, 19, 24000)
_ORBIT_SPACING = 360 / 143
# Where orbit 137's ground track would cross the equator if it kept its heading, which is that of
# 43° N.
_EQUATOR_CROSSING = -14.62
_HEADING = 0.2309
_HALF_SWATH = 1.337
# S2C takes over from S2A, here two months early, so that a default year has all three satellites.
_HANDOVER = date(2024, 11, 1)
# An orbit number that each satellite really had, and when: (number, relative orbit, date).
_ORBITS = {
    "S2A": (26783, 45, date(2020, 8, 8)),
    "S2B": (30962, 48, date(2023, 2, 9)),
    "S2C": (1091, 51, date(2024, 11, 21)),
}


@dataclass(frozen=True, slots=True)
class Datatake:
    """One pass of one satellite: every tile under it shares the sensing start."""

    platform: str
    relative_orbit: int
    sensing_start: datetime

    @property
    def absolute_orbit(self) -> int:
        """The orbit number: some 14.3 a day since a known one, fit to the relative orbit."""
        known, relative, day = _ORBITS[self.platform]
        guess = known + round((self.sensing_start.date() - day).days * 14.3)
        off = (self.relative_orbit - relative - guess + known + 71) % 143 - 71
        return guess + off


def passes(track: int, start: date, end: date) -> Iterator[Datatake]:
    """Every datatake of the `track`-th orbit east of 137, from `start` up to, not with, `end`."""
    relative = (137 - 43 * track - 1) % 143 + 1
    moment = timedelta(minutes=-10 * track, seconds=track % 3)
    day = start + timedelta(days=(_FIRST_PASS + timedelta(days=7 * track) - start).days % 5)
    while day < end:
        even = (day - _FIRST_PASS).days - 7 * track
        platform = "S2B" if even % 10 == 0 else "S2A" if day < _HANDOVER else "S2C"
        yield Datatake(platform, relative, datetime.combine(day, _FIRST_TIME, UTC) + moment)
        day += timedelta(days=5)


@lru_cache(maxsize=4096)
def tracks(tile_id: str) -> Mapping[int, str]:
    """The orbits (counted east from 137) that see a tile, and the part each sees, as WKT."""
    tile = tiles.footprint(tile_id)
    if tile.geom_type != "Polygon" or abs(tile.centroid.y) > 75:
        return {0: shapely.to_wkt(tile, rounding_precision=9)}
    centre = tile.centroid
    nearest = round((centre.x - _centre_line(0, centre.y)) / _ORBIT_SPACING)
    seen = {}
    for track in range(nearest - 2, nearest + 3):
        part = tile.intersection(_swath(track, centre.y))
        if part.geom_type == "Polygon" and part.area > 0.01 * tile.area:
            seen[track] = shapely.to_wkt(part, rounding_precision=9)
    return seen


def make(
    rng: random.Random,
    datatake: Datatake,
    tile_id: str,
    footprint: str,
    cloud_cover: float,
    *,
    level: str = "L2A",
    baseline: str = "05.10",
    reprocessed: timedelta = timedelta(),
    size_bytes: int,
) -> Record:
    """One product of one tile, published a few hours after sensing and `reprocessed`."""
    took = timedelta(minutes=105 if level == "L1C" else 214, seconds=datatake.relative_orbit * 7)
    generated = (datatake.sensing_start + took + reprocessed).replace(microsecond=0)
    origin = generated + timedelta(minutes=12, seconds=rng.randrange(1200))
    published = origin + timedelta(minutes=4, microseconds=rng.randrange(2_400_000_000))
    modified = published + timedelta(microseconds=rng.randrange(20_000_000, 900_000_000))
    return Record(
        id=new_id(rng),
        name=_name(datatake, tile_id, level, baseline, generated),
        collection="SENTINEL-2",
        product_type=TYPES[level],
        sensing_start=datatake.sensing_start,
        sensing_end=datatake.sensing_start,
        origin_date=origin,
        publication_date=published,
        modification_date=modified,
        size_bytes=size_bytes,
        footprint=footprint,
        tile_id=tile_id,
        cloud_cover=cloud_cover,
        attributes=_shared(datatake, level, baseline, generated),
    )


def cloud_cover(rng: random.Random, day: date, base: float | None = None) -> float:
    """Percent of cloud: very little or very much, more in winter, near `base` if given."""
    if base is None:
        mean = 0.55 + 0.2 * math.cos((day.timetuple().tm_yday - 15) / 58.1)
        base = 100 * rng.betavariate(1.1 * mean, 1.1 * (1 - mean))
    return round(min(100.0, max(0.0, base + rng.gauss(0, 8))), 6)


def new_id(rng: random.Random) -> str:
    """A random (version 4) uuid."""
    return str(UUID(int=rng.getrandbits(128), version=4))


def _name(datatake: Datatake, tile_id: str, level: str, baseline: str, generated: datetime) -> str:
    digits = baseline.replace(".", "")
    orbit = f"R{datatake.relative_orbit:03}"
    sensed = stamp(datatake.sensing_start)
    return (
        f"{datatake.platform}_MSI{level}_{sensed}_N{digits}_{orbit}_T{tile_id}"
        f"_{stamp(generated)}.SAFE"
    )


@lru_cache(maxsize=1 << 14)
def _shared(datatake: Datatake, level: str, baseline: str, generated: datetime) -> Shared:
    """What all tiles of a datatake say alike, in the order of a recorded answer of 2024."""
    platform, orbit = datatake.platform, f"{datatake.absolute_orbit:06}"
    sensed = datatake.sensing_start
    first_line = stamp(sensed - timedelta(seconds=2))
    part = f"2{platform[2]}PS_{stamp(generated)}"
    strip = f"{platform}_OPER_MSI_{level}_DS_{part}_S{first_line}_N{baseline}"
    granule = f"{platform}_OPER_MSI_{level}_TL_{part}_A{orbit}_T{TILE}_N{baseline}"
    made = f"{generated + timedelta(minutes=12):%Y-%m-%dT%H:%M:%SZ}"
    return Shared(
        {
            "origin": "ESA",
            "datastripId": strip,
            "orbitNumber": datatake.absolute_orbit,
            "sourceProduct": f"{granule},{strip}",
            "processingDate": generated,
            "productGroupId": f"G{platform}_{stamp(sensed)}_{orbit}_N{baseline}",
            "operationalMode": "INS-NOBS",
            "processingLevel": TYPES[level],
            "processorVersion": baseline,
            "granuleIdentifier": granule,
            "platformShortName": "SENTINEL-2",
            "instrumentShortName": "MSI",
            "relativeOrbitNumber": datatake.relative_orbit,
            "sourceProductOriginDate": f"{made},{made}",
            "platformSerialIdentifier": platform[2],
        }
    )


def _centre_line(track: int, latitude: float) -> float:
    """Longitude of an orbit's ground track, for a heading that is constant."""
    mercator = math.degrees(math.asinh(math.tan(math.radians(latitude))))
    return _EQUATOR_CROSSING + _ORBIT_SPACING * track + _HEADING * mercator


def _swath(track: int, latitude: float) -> shapely.Polygon:
    """What an orbit sees around a latitude, two degrees up and down."""
    sides: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
    for step in range(-4, 5):
        y = latitude + step / 2
        reach = _HALF_SWATH / math.cos(math.radians(y))
        sides[0].append((_centre_line(track, y) - reach, y))
        sides[1].append((_centre_line(track, y) + reach, y))
    return shapely.Polygon(sides[0] + sides[1][::-1])
