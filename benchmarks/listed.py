"""Made-up Sentinel-2 records as CDSE lists them, with 30 attributes and 4.8 kB each, and a loopback server that lists them.

    python -m benchmarks.listed 1e6 0.5        each page after half a second

The n-th record is the same in every run and costs its maker next to nothing, so that ten million take no memory and the
server is no bottleneck: it is a process of its own, which fills the gaps of prepared JSON. Forty products share a sensing
start, as the tiles of a datatake do; no two footprints are alike. Speaks as much OData as a sync asks for: walks, counts
and ends of intervals of sensing starts; feeds of changes and of deletions are empty, for all was published long ago. As at
CDSE, the link to a next page vanishes where it would skip more than 10,000.
Prints its URL and serves until its input ends.
"""

from __future__ import annotations

import hashlib
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import shapely

from satcat import tiles, times
from satcat.api.listing import MAX_SKIP

TIED = 40  # products that share a sensing start
_FIRST = datetime(2021, 1, 1, 10, 56, 19, 24000, tzinfo=UTC)
_STEP = timedelta(seconds=47)
_TILES = 500
_BOUND = re.compile(r"ContentDate/Start (ge|lt|eq) (\S+)")
_EMPTY = b'{"@odata.context":"$metadata#Products","value":[]'


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%S}"


@cache
def _templates() -> list[tuple[str, bytes]]:
    """Each tile's id, and its record with gaps."""
    land = [row for row in tiles.rows() if row.grid == "mgrs" and row.land and row.west < row.east]
    chosen = land[:: len(land) // _TILES][:_TILES]
    return [(row.tile_id, _template(row.tile_id, row.footprint)) for row in chosen]


def _template(tile: str, wkb: bytes) -> bytes:
    """A record of the tile; where values differ, `<<name>>` stands, and at last `%(name)b`."""
    corners = shapely.get_coordinates(shapely.box(*shapely.from_wkb(wkb).bounds))
    ring = [[f"{x:.5f}<<far>>", f"{y:.5f}<<far>>"] for x, y in corners]
    wkt = ", ".join(" ".join(pair) for pair in ring)
    strip = "<<platform>>_OPER_MSI_<<level>>_DS_2BPS_<<made>>_S<<stamp>>_N05.10"
    granule = f"<<platform>>_OPER_MSI_<<level>>_TL_2BPS_<<made>>_A0<<orbit>>_T{tile}_N05.10"
    attributes: dict[str, dict[str, Any]] = {
        "String": {
            "origin": "ESA", "tileId": tile, "datastripId": strip, "granuleIdentifier": granule,
            "sourceProduct": f"{granule},{strip}", "productGroupId": "G<<platform>>_<<stamp>>_0<<orbit>>_N05.10",
            "operationalMode": "INS-NOBS", "processingLevel": "S2MSI<<kind>>", "processorVersion": "05.10",
            "processingBaseline": "05.10", "processingCenter": "2BPS", "platformShortName": "SENTINEL-2",
            "instrumentShortName": "MSI", "platformSerialIdentifier": "<<serial>>", "productType": "S2MSI<<kind>>",
            "sourceProductOriginDate": "<<day>>T18:00:12Z,<<day>>T18:00:12Z", "qualityStatus": "NOMINAL",
            "timeliness": "NRT", "processorName": "IPF",
        },
        "Integer": {"orbitNumber": "<<<orbit>>>", "relativeOrbitNumber": "<<<relative>>>",
                    "lastOrbitNumber": "<<<orbit>>>", "qualityInfo": 0, "datatakeID": "<<<orbit>>>"},
        "Double": {"cloudCover": "<<<cloud>>>", "illuminationZenithAngle": "<<<zenith>>>"},
        "DateTimeOffset": {"processingDate": "<<day>>T17:42:01.000000Z", "beginningDateTime": "<<start>>",
                           "endingDateTime": "<<start>>", "segmentStartTime": "<<start>>"},
    }  # fmt: skip
    record = {
        "@odata.mediaContentType": "application/octet-stream",
        "Id": "<<id>>", "Name": "<<name>>", "ContentType": "application/octet-stream", "ContentLength": "<<<size>>>",
        "OriginDate": "<<day>>T18:01:51.000000Z", "PublicationDate": "<<day>>T18:12:21.1<<five>>Z",
        "ModificationDate": "<<day>>T18:16:10.2<<five>>Z", "Online": True, "EvictionDate": "9999-12-31T23:59:59.999999Z",
        "S3Path": "/eodata/Sentinel-2/MSI/<<level>>_N0510/<<folder>>/<<name>>",
        "Checksum": [
            {"Value": "<<md5>>", "Algorithm": "MD5", "ChecksumDate": "<<day>>T18:16:10.077265Z"},
            {"Value": "<<md5>><<md5>>", "Algorithm": "BLAKE3", "ChecksumDate": "<<day>>T18:16:10.272174Z"},
        ],
        "ContentDate": {"Start": "<<start>>", "End": "<<start>>"},
        "Footprint": f"geography'SRID=4326;POLYGON (({wkt}))'",
        "GeoFootprint": {"type": "Polygon", "coordinates": [[[f"<{x}>", f"<{y}>"] for x, y in ring]]},
        "Attributes": [
            {"@odata.type": f"#OData.CSC.{kind}Attribute", "Name": name, "Value": value, "ValueType": kind}
            for kind, values in attributes.items() for name, value in values.items()
        ],
    }  # fmt: skip
    text = json.dumps(record, separators=(",", ":")).replace("%", "%%")
    text = re.sub(r'"<([^"<>]*<<\w+>>)>"|"<(<<\w+>>)>"', r"\1\2", text)  # numbers have no quotes
    return re.sub(r"<<(\w+)>>", r"%(\1)b", text).encode()


def record(n: int) -> bytes:
    """The n-th record's JSON."""
    digits = hashlib.md5(b"%d" % n).hexdigest()
    here = _templates()
    tile, template = here[(n // 2) % len(here)]
    start = _FIRST + n // TIED * _STEP
    at = times.to_text(start)
    level, platform = ("L2A", "L1C")[n % 2], ("S2A", "S2B")[n // TIED % 2]
    relative = 1 + n // TIED % 143
    name = f"{platform}_MSI{level}_{_stamp(start)}_N0510_R{relative:03d}_T{tile}_{at[:10].replace('-', '')}T174201.SAFE"
    five = f"{n % 100_000:05d}"
    values = {
        "id": _uuid(digits), "name": name, "platform": platform, "level": level, "kind": level[1:], "stamp": _stamp(start),
        "made": f"{at[:10].replace('-', '')}T174201", "orbit": f"{30_000 + n // TIED % 9000}", "relative": f"{relative}",
        "serial": platform[2], "day": at[:10], "start": at, "cloud": f"{int(digits[:6], 16) / 167772.16:.6f}",
        "zenith": f"3{n % 10}.{five}", "size": f"{10**8 + int(digits[6:13], 16)}", "far": f"{1 + n % 99_999:05d}1",
        "folder": at[:10].replace("-", "/"), "md5": digits[::-1], "five": five,
    }  # fmt: skip
    return template % {key.encode(): value.encode() for key, value in values.items()}


def short(n: int) -> bytes:
    """The n-th record with only its id and dates."""
    at = times.to_text(_FIRST + n // TIED * _STEP)
    said = (_uuid(hashlib.md5(b"%d" % n).hexdigest()), at[:10], n % 100_000, at, at)
    form = '{"Id":"%s","ModificationDate":"%sT18:16:10.2%05dZ","ContentDate":{"Start":"%s","End":"%s"}}'
    return (form % said).encode()


def _uuid(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"


def page(count: int, query: dict[str, list[str]], url: str) -> bytes:
    """The answer to a listing of so many products at `url`."""
    clauses, order = query["$filter"][0], query.get("$orderby", [""])[0]
    if not order.startswith("ContentDate/Start"):
        return _EMPTY + b',"@odata.count":0}'
    first, end = 0, count
    for sign, value in _BOUND.findall(clauses):
        at = -(-(times.parse(value) - _FIRST) // _STEP) * TIED  # of the first that is not earlier
        first = max(first, at) if sign != "lt" else first
        end = min(end, at) if sign == "lt" else end
    held = max(0, end - first)
    skipped = int(query.get("$skip", ["0"])[0])
    first += skipped
    last = min(end, first + int(query["$top"][0]))
    numbers = (
        range(first, last) if order.endswith("asc") else range(end - 1, end - 1 - last + first, -1)
    )
    make = short if "$select" in query else record
    extra = b',"@odata.count":%d' % held if "$count" in query else b""
    skipped += last - first
    if last < end and skipped <= MAX_SKIP:
        following = urlencode({**query, "$skip": [str(skipped)]}, doseq=True)
        extra += b',"@odata.nextLink":"%s?%s"' % (url.encode(), following.encode())
    return b"%s%s}" % (_EMPTY[:-1] + b",".join(map(make, numbers)) + b"]", extra)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    count = 0
    delay = 0.0

    def do_GET(self) -> None:
        """Answer a listing."""
        parts = urlsplit(self.path)
        if parts.path.endswith("DeletedProducts"):
            body = _EMPTY + b"}"
        else:
            host = self.headers["Host"]
            time.sleep(self.delay)
            body = page(self.count, parse_qs(parts.query), f"http://{host}{parts.path}")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def served(count: int, delay: float = 0) -> Iterator[str]:
    """Serve so many products from a process of its own, each page after some seconds; gives the URL."""
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.listed", str(count), str(delay)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdin is not None and server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.stdin.close()
        server.wait()


def main() -> None:
    """Serve until standard input ends."""
    handler: Any = type(
        "Counted", (Handler,), {"count": int(float(sys.argv[1])), "delay": float(sys.argv[2])}
    )
    _templates()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}/odata/v1", flush=True)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its input ends with whoever started it
    sys.stdin.read()


if __name__ == "__main__":
    main()
