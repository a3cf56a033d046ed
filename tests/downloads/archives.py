"""Archives for tests: a catalogue, and packages of its products in a folder, whole, unpacked or damaged."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from satcat import times
from satcat.database import Database
from satcat.downloads import adopt
from satcat.downloads.adopt import Adopted, AdoptOptions, AdoptReport
from satcat.models import downloads
from satcat.products import SatelliteImage
from satcat.sandbox import packages
from satcat.sandbox.publishing import Publisher
from satcat.sandbox.records import Record
from satcat.sync.store import store
from tests.engines import address_of

S2, S1, S3, S5P = "SENTINEL-2", "SENTINEL-1", "SENTINEL-3", "SENTINEL-5P"
#: The catalogue knows neither size nor checksums.
NOTHING = {"size_bytes": None, "md5": None, "blake3": None}


class Archive:
    """A catalogue, and a folder in which packages of its products can be put."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder
        self.publisher = Publisher(1, (20_000, 60_000))
        folder.mkdir()

    def product(
        self, collection: str = S2, /, known: dict[str, Any] | None = None, **fields: Any
    ) -> Record:
        """A product that the catalogue holds; `known` is what it holds otherwise."""
        record = self.publisher.make(times.now(), collection=collection, **fields)
        md5, blake3 = packages.digests(record)
        values = {
            name: getattr(record, name)
            for name in (
                "id", "name", "collection", "product_type", "sensing_start", "sensing_end", "publication_date",
                "modification_date", "size_bytes", "tile_id",
            )
        }  # fmt: skip
        image = SatelliteImage(
            source="cdse", platform=record.name[:3], **values | {"md5": md5, "blake3": blake3} | (known or {})
        )  # fmt: skip
        with self.database.write() as connection:
            store(connection, [image], scope_id=None, at=times.now())
        return record

    def put(self, record: Record, name: str | None = None) -> Path:
        """Its package."""
        path = self.folder / (name or packages.delivered_name(record))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(packages.pieces(record)))
        return path

    def unpack(self, record: Record, name: str | None = None) -> Path:
        """Its package, unpacked."""
        package = self.put(record, "unpacking")
        target = self.folder / (name or record.name)
        with zipfile.ZipFile(package) as archive:
            archive.extractall(target.parent)
            top = target.parent / archive.namelist()[0].split("/")[0]
        package.unlink()
        return top if top == target else top.rename(target)

    def adopt(self, *places: Path, **options: Any) -> tuple[dict[str, Adopted], AdoptReport]:
        """What is found, by path from the folder."""
        report = AdoptReport()
        found = list(
            adopt.adopt(
                self.database, places or [self.folder], AdoptOptions(**options), report=report
            )
        )
        assert len({one.path for one in found}) == len(found)
        return {os.path.relpath(one.path, self.folder): one for one in found}, report

    def one(self, **options: Any) -> Adopted:
        """The only thing that is found."""
        (found,) = self.adopt(**options)[0].values()
        return found

    def row(self, record: Record) -> Any:
        """The product's download."""
        with self.database.read() as connection:
            mine = sa.select(downloads).where(downloads.c.product_id == record.id)
            return connection.execute(mine).first()


def flip(path: Path, at: int | None = None) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2 if at is None else at] ^= 1
    path.write_bytes(body)


_RUN = """
import sys, time
from satcat import Catalogue
told = 0
def tell(one):
    global told
    told += 1
    print(told, flush=True)
    if told == {number}:
        time.sleep(60)
with Catalogue.open(sys.argv[1]) as catalogue:
    {call}
"""


def kill_after(number: int, archive: Archive, call: str) -> None:
    """Run a call on a `catalogue` in a process of its own, and kill that once `tell` was called so often."""
    code = _RUN.format(number=number, call=call)
    with subprocess.Popen(
        [sys.executable, "-c", code, address_of(archive.database), str(archive.folder)],
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert any(line == f"{number}\n" for line in process.stdout)
        process.kill()
