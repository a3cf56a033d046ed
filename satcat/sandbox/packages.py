"""The bytes behind a product: made from its id, name and size, always the same, never held whole.

A SAFE or SEN3 product is a real zip, stored without compression as CDSE's are, with a manifest that
holds the MD5 of each file; any other name is one plain file. The size is exactly the record's
`size_bytes`: filler in the metadata file takes up the slack. The measurement files are slices of
one pool of noise, whose checksums are remembered, so that a package of the usual size is made and
hashed in some 0.1 ms.
"""

from __future__ import annotations

import hashlib
import random
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from blake3 import blake3

from satcat.sandbox.records import Record

#: Largest package: beyond it a zip would need its 64-bit form.
LARGEST = 2**32 - 2**20

# A prime number of bytes, so that a resume that is off by a round number cannot hit equal bytes.
_POOL_BYTES = 1_048_583
_STEP = 256
_CHUNK = 1 << 16
_ZIP_END = 22
_UTF8 = 0x800
_FOLDERS = (".SAFE", ".SEN3")
_S2_NAME = re.compile(r"S2._(MSIL..)_(\w{15})_N\d{4}_R\d{3}_(T\w{5})_")
_MAGIC = {
    "nc": b"\x89HDF\r\n\x1a\n",
    "eof": b'<?xml version="1.0"?>\n',
    "tgz": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03",
    "tar": b"\0" * 257 + b"ustar\x0000",
}
# 1980-01-01, the first date a zip knows: packages do not depend on when they are made.
_DOS_DATE = 0x21


class File(NamedTuple):
    """One file of a package: its path in the zip (or its name), and its bytes in pieces."""

    path: str
    pieces: tuple[memoryview, ...]
    size: int
    crc: int
    md5: str


def is_single_file(record: Record) -> bool:
    """Tell whether the product is delivered as itself and not as a zip."""
    return not record.name.endswith(_FOLDERS)


def delivered_name(record: Record) -> str:
    """The file name that a download is given."""
    if is_single_file(record):
        return record.name
    return record.name.rsplit(".", 1)[0] + ".zip"


def files(record: Record) -> list[File]:
    """The files of a package, in the order in which they are stored.

    Raises:
        ValueError: the size is above `LARGEST`, or too small for the names and the manifest (some 3
            kB).
    """
    if record.size_bytes > LARGEST:
        raise ValueError(f"{record.name}: a package cannot have {record.size_bytes} bytes")
    if is_single_file(record):
        head = _single_head(record)[: record.size_bytes]
        noise = _noise(_first_noise(record), record.size_bytes - len(head))[0]
        return [File(record.name, (memoryview(head), *noise), record.size_bytes, 0, "")]
    paths = [f"{record.name}/{path}" for path in _layout(record)]
    metadata = _metadata(record)
    fixed = sum(map(_zip_overhead, paths)) + _ZIP_END + len(metadata) + _manifest_size(tuple(paths))
    measured = len(paths) - 2
    if record.size_bytes < fixed:
        raise ValueError(f"{record.name}: its package has {fixed} bytes or more")
    length = (record.size_bytes - fixed) // (measured * _STEP) * _STEP
    slack = record.size_bytes - fixed - length * measured
    contents = [_whole(paths[1], metadata + b" " * slack)]
    for number, path in enumerate(paths[2:], start=1):
        start = (_first_noise(record) + number * 131_071) % _POOL_BYTES
        contents.append(File(path, *_noise(start, length)))
    return [_whole(paths[0], _manifest(contents)), *contents]


def pieces(record: Record) -> list[memoryview]:
    """The whole package, as buffers to be sent one after the other."""
    contents = files(record)
    if is_single_file(record):
        return list(contents[0].pieces)
    parts: list[memoryview] = []
    directory = bytearray()
    offset = 0
    for file in contents:
        name = file.path.encode()
        sizes = file.crc, file.size, file.size, len(name), 0
        common = struct.pack("<HHHHHIIIHH", 20, _UTF8, 0, 0, _DOS_DATE, *sizes)
        place = struct.pack("<HHHII", 0, 0, 0, 0o644 << 16, offset)
        head = b"PK\3\4" + common + name
        directory += b"PK\1\2\x14\x03" + common + place + name
        parts += (memoryview(head), *file.pieces)
        offset += len(head) + file.size
    totals = len(contents), len(contents), len(directory), offset, 0
    directory += b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, *totals)
    parts.append(memoryview(directory))
    return parts


def digests(record: Record) -> tuple[str, str]:
    """MD5 and BLAKE3 (hex) of the package as it should be; remembered in the record."""
    if record.digests is None:
        md5, tree = hashlib.md5(usedforsecurity=False), blake3()
        for piece in _joined(pieces(record)):
            md5.update(piece)
            tree.update(piece)
        object.__setattr__(record, "digests", md5.digest() + tree.digest())
    assert record.digests is not None
    return record.digests[:16].hex(), record.digests[16:].hex()


def chunks(parts: Sequence[memoryview], start: int, stop: int) -> Iterator[memoryview]:
    """The bytes from `start` up to `stop`, a piece at a time."""
    offset = 0
    for part in parts:
        first, last = max(start - offset, 0), min(stop - offset, len(part))
        for at in range(first, last, _CHUNK):
            yield part[at : min(at + _CHUNK, last)]
        offset += len(part)


def with_flaw(chunks: Iterator[memoryview], at: int) -> Iterator[memoryview]:
    """The same bytes, but for one flipped bit in the byte that is `at` bytes on."""
    for chunk in chunks:
        if 0 <= at < len(chunk):
            damaged = bytearray(chunk)
            damaged[at] ^= 1
            yield memoryview(damaged)
        else:
            yield chunk
        at -= len(chunk)


def _joined(parts: list[memoryview]) -> list[memoryview] | list[bytes]:
    """Small packages in one buffer: one call to a hash is cheaper than ten."""
    return [b"".join(parts)] if sum(map(len, parts)) < _POOL_BYTES else parts


def _layout(record: Record) -> tuple[str, ...]:
    """Paths inside the product's folder: the manifest, the metadata file, then the measurements."""
    if record.collection == "SENTINEL-2":
        found = _S2_NAME.match(record.name)
        level, sensed, tile = found.groups() if found else ("MSI", "0", "T00AAA")
        folder, ending = (
            ("IMG_DATA/R10m", "_10m.jp2") if level == "MSIL2A" else ("IMG_DATA", ".jp2")
        )
        bands = f"GRANULE/{level[3:]}_{tile}/{folder}/{tile}_{sensed}"
        return (
            "manifest.safe",
            f"MTD_{level}.xml",
            *(f"{bands}_{b}{ending}" for b in ("B02", "B03", "B04", "B08")),
        )
    if record.collection == "SENTINEL-3":
        return ("xfdumanifest.xml", "product.xml", "Oa01_radiance.nc", "Oa02_radiance.nc")
    return ("manifest.safe", "annotation/product.xml", "measurement/vv.tiff", "measurement/vh.tiff")


def _metadata(record: Record) -> bytes:
    uri = f"<PRODUCT_URI>{record.name}</PRODUCT_URI>"  # as Sentinel-2's has, whatever the folder is called
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<product id="{record.id}">{uri}</product>\n'
    ).encode()


def _first_noise(record: Record) -> int:
    """Where a version's noise begins in the pool, so that no two versions share a byte but by chance."""
    return (record.version - 1) * 65_537 % _POOL_BYTES


def _single_head(record: Record) -> bytes:
    """How a file of one piece begins: with what tells its kind, as the name says it, and with the product's id."""
    suffix = record.name.rpartition(".")[2].lower()
    return _MAGIC.get(suffix, b"") + f"{record.id}\n{record.name}\n".encode()


# What follows `size` is padded to 12 characters, so that a manifest's length depends on the paths
# alone.
_OBJECT = (
    '<dataObject ID="f%d"><byteStream size="%s><fileLocation locatorType="URL" href="./%s"/>'
    '<checksum checksumName="MD5">%s</checksum></byteStream></dataObject>\n'
)
_OBJECT_SIZE = len(_OBJECT % (0, " " * 12, "", "0" * 32))
_MANIFEST_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<xfdu:XFDU xmlns:xfdu="urn:ccsds:schema:xfdu:1"><dataObjectSection>\n'
)
_MANIFEST_TAIL = "</dataObjectSection></xfdu:XFDU>\n"


def _manifest(contents: Sequence[File]) -> bytes:
    folder = contents[0].path.index("/") + 1
    objects = [
        _OBJECT % (number, f'{file.size}"'.ljust(12), file.path[folder:], file.md5)
        for number, file in enumerate(contents)
    ]
    return (_MANIFEST_HEAD + "".join(objects) + _MANIFEST_TAIL).encode()


def _manifest_size(paths: tuple[str, ...]) -> int:
    """How long the manifest of these files is (itself, the first, is not in it)."""
    folder = paths[0].index("/") + 1
    names = sum(len(path[folder:].encode()) for path in paths[1:])
    return len(_MANIFEST_HEAD) + len(_MANIFEST_TAIL) + (len(paths) - 1) * _OBJECT_SIZE + names


def _zip_overhead(path: str) -> int:
    """Bytes of a stored file's two headers."""
    return 30 + 46 + 2 * len(path.encode())


def _whole(path: str, content: bytes) -> File:
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return File(path, (memoryview(content),), len(content), zlib.crc32(content), md5)


@lru_cache(maxsize=1)
def _pool() -> memoryview:
    return memoryview(random.Random(0).randbytes(_POOL_BYTES))


@lru_cache(maxsize=4096)
def _noise(start: int, length: int) -> tuple[tuple[memoryview, ...], int, int, str]:
    """`length` bytes of the pool, round and round: pieces, length, CRC-32 and MD5."""
    parts: list[memoryview] = []
    crc, md5 = 0, hashlib.md5(usedforsecurity=False)
    while length > 0:
        part = _pool()[start : start + length]
        parts.append(part)
        crc = zlib.crc32(part, crc)
        md5.update(part)
        length, start = length - len(part), 0
    return tuple(parts), sum(map(len, parts)), crc, md5.hexdigest()
