"""Made-up products of Sentinel-1 (SLC, GRD, orbits), -3 (OLCI) and -5P (NO2).

Names follow the grammar of each mission; orbits and footprints are plausible, not flown.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

from satcat.sandbox.records import AttributeValue, Record, stamp
from satcat.sandbox.sentinel2 import new_id

# When orbits 2673 of Sentinel-1A and 37002 of Sentinel-5P were, by recorded names.
_S1_EPOCH = datetime.fromisoformat("2014-10-04T00:58:44Z")
_S5P_EPOCH = datetime.fromisoformat("2024-12-03T10:49:01Z")


def sentinel1(
    rng: random.Random, start: datetime, size_bytes: int, *, detected: bool = True
) -> Record:
    """An interferometric-wide slice: ground range detected (GRDH), or single-look complex (SLC)."""
    kind, swath = ("GRDH", "IW") if detected else ("SLC_", "IW1 IW2 IW3")
    product_type = "IW_GRDH_1S" if detected else "IW_SLC__1S"
    end = start + timedelta(seconds=25, microseconds=rng.randrange(1_000_000))
    orbit = 2673 + int((start - _S1_EPOCH) / timedelta(days=1) * 14.5833)
    take = rng.randrange(16**6)
    span = f"{stamp(start)}_{stamp(end)}"
    west, south = rng.uniform(-9, 2), rng.uniform(39, 45)
    footprint = _ring((west, south), (3.1, 0.42), (2.7, 1.92), (-0.4, 1.5))
    attributes: dict[str, AttributeValue] = {
        "origin": "ESA",
        "datatakeID": take,
        "timeliness": "Fast-24h",
        "cycleNumber": orbit // 175,
        "orbitNumber": orbit,
        "sliceNumber": rng.randrange(1, 12),
        "totalSlices": 12,
        "productClass": "S",
        "orbitDirection": rng.choice(("ASCENDING", "DESCENDING")),
        "processorName": "Sentinel-1 IPF",
        "operationalMode": "IW",
        "processingLevel": "LEVEL1",
        "swathIdentifier": swath,
        "platformShortName": "SENTINEL-1",
        "processorVersion": "003.71",
        "sliceProductFlag": True,
        "instrumentShortName": "SAR",
        "relativeOrbitNumber": (orbit - 73) % 175 + 1,
        "polarisationChannels": "VV&VH",
        "platformSerialIdentifier": "A",
        "startTimeFromAscendingNode": round(rng.uniform(0, 5.9e6), 1),
    }
    name = f"S1A_IW_{kind}_1SDV_{span}_{orbit:06}_{take:06X}_{rng.randrange(65536):04X}.SAFE"
    return _record(
        rng,
        "SENTINEL-1",
        product_type,
        name,
        (start, end),
        size_bytes,
        attributes,
        footprint=footprint,
    )


def orbit_file(rng: random.Random, start: datetime, size_bytes: int) -> Record:
    """A Sentinel-1 precise orbit file: one plain file, without footprint, some three weeks late."""
    first = start.replace(hour=22, minute=59, second=42, microsecond=0)
    last = first + timedelta(hours=26)
    made = last + timedelta(days=19, hours=5, seconds=rng.randrange(86400))
    name = f"S1A_OPER_AUX_POEORB_OPOD_{stamp(made)}_V{stamp(first)}_{stamp(last)}.EOF"
    attributes: dict[str, AttributeValue] = {
        "processingDate": made,
        "platformShortName": "SENTINEL-1",
        "instrumentShortName": "AUX",
        "platformSerialIdentifier": "A",
    }
    return _record(
        rng, "SENTINEL-1", "AUX_POEORB", name, (first, last), size_bytes, attributes, made=made
    )


def sentinel3(rng: random.Random, start: datetime, size_bytes: int) -> Record:
    """An OLCI full-resolution frame of three minutes."""
    end = start + timedelta(seconds=179, microseconds=rng.randrange(1_000_000))
    made = (end + timedelta(hours=26, seconds=rng.randrange(9000))).replace(microsecond=0)
    cycle, relative = rng.randrange(100, 125), rng.randrange(1, 386)
    frame = rng.choice((1980, 2160, 2340))
    stamps = "_".join(map(stamp, (start, end, made)))
    west, south = rng.uniform(-20, -5), rng.uniform(36, 42)
    footprint = _ring((west, south), (14.8, -2.4), (19.1, 7.7), (2.3, 10.6))
    cloud = round(rng.uniform(0, 100), 6)
    attributes: dict[str, AttributeValue] = {
        "origin": "ESA",
        "timeliness": "NT",
        "cycleNumber": cycle,
        "orbitNumber": 385 * cycle + relative,
        "brightCover": round(cloud * 0.8, 6),
        "processingDate": made,
        "orbitDirection": "DESCENDING",
        "processingLevel": "1",
        "platformShortName": "SENTINEL-3",
        "baselineCollection": "004",
        "instrumentShortName": "OLCI",
        "relativeOrbitNumber": relative,
        "platformSerialIdentifier": "A",
    }
    name = f"S3A_OL_1_EFR____{stamps}_0179_{cycle:03}_{relative:03}_{frame:04}_PS1_O_NT_004.SEN3"
    return _record(
        rng,
        "SENTINEL-3",
        "OL_1_EFR___",
        name,
        (start, end),
        size_bytes,
        attributes,
        made=made,
        footprint=footprint,
        cloud_cover=cloud,
    )


def sentinel5p(rng: random.Random, start: datetime, size_bytes: int) -> Record:
    """An offline nitrogen-dioxide orbit: one NetCDF file."""
    end = start + timedelta(minutes=101, seconds=30)
    made = (end + timedelta(days=1, hours=14, seconds=rng.randrange(9000))).replace(microsecond=0)
    orbit = 37002 + round((start - _S5P_EPOCH) / timedelta(minutes=101.5))
    span = f"{stamp(start)}_{stamp(end)}"
    name = f"S5P_OFFL_L2__NO2____{span}_{orbit:05}_03_020800_{stamp(made)}.nc"
    footprint = _ring((rng.uniform(-30, -8), -60), (24, -6), (36, 132), (-6, 126))
    attributes: dict[str, AttributeValue] = {
        "origin": "CLOUDFERRO",
        "orbitNumber": orbit,
        "processingDate": made,
        "processingMode": "OFFL",
        "processingLevel": "L2",
        "processorVersion": "020800",
        "platformShortName": "SENTINEL-5P",
        "baselineCollection": "03",
        "instrumentShortName": "TROPOMI",
    }
    return _record(
        rng,
        "SENTINEL-5P",
        "L2__NO2___",
        name,
        (start, end),
        size_bytes,
        attributes,
        made=made,
        footprint=footprint,
    )


#: Makers by collection; the first is the usual one.
MAKERS: dict[str, Callable[[random.Random, datetime, int], Record]] = {
    "SENTINEL-1": sentinel1,
    "SENTINEL-3": sentinel3,
    "SENTINEL-5P": sentinel5p,
}


def _record(
    rng: random.Random,
    collection: str,
    product_type: str,
    name: str,
    sensed: tuple[datetime, datetime],
    size_bytes: int,
    attributes: dict[str, AttributeValue],
    *,
    made: datetime | None = None,
    footprint: str | None = None,
    cloud_cover: float | None = None,
) -> Record:
    """Dates as they follow from when the product was made; by default three hours after sensing."""
    start, end = sensed
    origin = (made or end + timedelta(hours=3)) + timedelta(seconds=rng.randrange(600, 4000))
    published = origin + timedelta(microseconds=rng.randrange(240_000_000, 3_000_000_000))
    return Record(
        id=new_id(rng),
        name=name,
        collection=collection,
        product_type=product_type,
        sensing_start=start,
        sensing_end=end,
        origin_date=origin,
        publication_date=published,
        modification_date=published + timedelta(seconds=rng.randrange(30, 900)),
        size_bytes=size_bytes,
        footprint=footprint,
        cloud_cover=cloud_cover,
        attributes=attributes,
    )


def _ring(first: tuple[float, float], *others: tuple[float, float]) -> str:
    """A polygon from its first corner, lon lat, and how far the others lie from it."""
    x, y = first
    corners = [first, *((x + dx, y + dy) for dx, dy in others), first]
    return f"POLYGON (({', '.join(f'{lon:.6f} {lat:.6f}' for lon, lat in corners)}))"
