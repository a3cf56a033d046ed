"""Where files go: flat, or in folders of collection, day and tile."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat.api import partfile
from satcat.api.filenames import part_name
from satcat.api.odata import ODataAPI
from satcat.catalogue import Catalogue
from satcat.database import Database
from satcat.downloads import marks
from satcat.downloads.report import Item, Outcome, Silence
from satcat.errors import FilterError
from satcat.models import downloads, products
from satcat.sandbox import Sandbox
from satcat.select import image

NESTED = "collection/date/tile"
SIZE = 300_000


class Stopper(Silence):
    """Ends a run when it has gone through both products."""

    def __init__(self) -> None:
        self.event, self.left = threading.Event(), 2

    def finished(self, item: Item, outcome: Outcome) -> None:
        self.left -= 1
        if not self.left:
            self.event.set()


def files(out: Path) -> list[str]:
    return sorted(str(p.relative_to(out)) for p in out.rglob("*") if not p.is_dir())


def place(product: Any) -> str:
    """Where a product's file belongs, by its row in the catalogue."""
    suffix = ".nc" if product.name.endswith(".nc") else ".zip"
    steps = [product.collection, f"{product.sensing_start:%Y-%m-%d}", product.tile_id]
    stem = product.name.removesuffix(".SAFE").removesuffix(".nc")
    return "/".join([step for step in steps if step] + [stem + suffix])


def held(database: Database) -> list[Any]:
    with database.read() as connection:
        return [image(row) for row in connection.execute(sa.select(products))]


@pytest.mark.parametrize("collection", ["SENTINEL-2", "SENTINEL-5P"])
def test_a_file_lies_in_the_folders_of_its_collection_day_and_tile(
    collection: str, publish: Any, run: Any, row: Any, database: Database, out: Path
) -> None:
    publish(3, collection=collection, size_bytes=SIZE)
    assert run(layout=NESTED).done == 3
    expected = {product.id: place(product) for product in held(database)}
    assert files(out) == sorted(expected.values())
    for product_id, path in expected.items():
        assert row(product_id).path == str(out / path)
    assert {path.count("/") for path in expected.values()} == {3 if collection == "SENTINEL-2" else 2}  # fmt: skip


@pytest.mark.parametrize(("first", "then"), [("flat", NESTED), (NESTED, "flat")])
def test_a_right_file_of_another_layout_is_not_fetched_again(
    first: str, then: str, publish: Any, run: Any, row: Any, sandbox: Sandbox, database: Database
) -> None:
    recorded, forgotten = publish(2, size_bytes=SIZE)
    run(layout=first)
    before = {i: row(i).path for i in (recorded, forgotten)}
    with database.write() as connection:
        mine = downloads.c.product_id
        connection.execute(sa.update(downloads).where(mine == recorded).values(status="queued"))
        connection.execute(sa.delete(downloads).where(mine == forgotten))
        marks.mark(connection, [forgotten])
    sandbox.log.clear()
    assert run(layout=then).done == 2
    assert len(sandbox.log) == 0
    assert {i: row(i).path for i in before} == before


@pytest.mark.parametrize(("first", "then"), [("flat", NESTED), (NESTED, "flat")])
def test_a_part_of_another_layout_is_gone_on_with(
    first: str, then: str, publish: Any, run: Any, row: Any, sandbox: Sandbox, out: Path,
    database: Database,
) -> None:  # fmt: skip
    sandbox.settings.ranges = "honour"
    (one,) = publish(size_bytes=SIZE)
    sandbox.faults.next("cut", after=200_000, match="$value")
    sandbox.faults.next("status", status=400, match="$value")
    assert run(layout=first).failed == 1
    (left,) = files(out)
    assert left.endswith(".part") and left.count("/") == (3 if first == NESTED else 0)
    with database.write() as connection:
        connection.execute(sa.update(downloads).values(status="queued"))
    sandbox.log.clear()
    assert run(layout=then).done == 1
    assert [request.range for request in sandbox.log.matching("$value")] == ["bytes=200000-"]
    assert [Path(row(one).path)] == [out / name for name in files(out)]


def test_bytes_gather_beside_the_file_that_they_become(
    publish: Any, run: Any, database: Database, sandbox: Sandbox, out: Path
) -> None:
    publish(size_bytes=SIZE)
    seen: list[str] = []
    sandbox.faults.on_request(lambda request: seen.extend(files(out)), match="$value")
    assert run(layout=NESTED).done == 1
    (product,) = held(database)
    assert seen == [str(Path(place(product)).parent / part_name(product, 1))]


def test_new_folders_and_the_folders_that_they_are_in_are_brought_to_the_disk(
    publish: Any, run: Any, database: Database, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[Path, list[str]]] = []
    real = partfile.sync_folder

    def noting(folder: Path) -> None:
        synced.append((folder, os.listdir(folder)))
        real(folder)

    monkeypatch.setattr(partfile, "sync_folder", noting)
    publish(size_bytes=SIZE)
    run(layout=NESTED)
    (product,) = held(database)
    path = out / place(product)
    for made in (path.parent, path.parent.parent, path.parent.parent.parent):
        assert any(folder == made for folder, _ in synced)
        assert any(folder == made.parent and made.name in names for folder, names in synced)
    assert (path.parent, [path.name]) == (synced[-1][0], [n for n in synced[-1][1] if n[0] != "."])


def test_hostile_folders_stay_in_the_target(
    publish: Any, run: Any, row: Any, database: Database, out: Path
) -> None:
    texts = ["../../evil", "/abs", "..", "a/b\\c", "CON", "x" * 300, "\u202e\n"]
    ids = publish(len(texts), size_bytes=SIZE)
    with database.write() as connection:
        for product_id, text in zip(ids, texts, strict=True):
            hostile = sa.update(products).where(products.c.id == product_id)
            connection.execute(hostile.values(collection=text, tile_id=text))
    before = {*os.listdir(out.parent), out.name}
    assert run(layout=NESTED).done == len(texts)
    assert set(os.listdir(out.parent)) == before
    for product_id in ids:
        path = Path(row(product_id).path)
        assert path.is_file() and path.resolve().parents[3] == out


def test_a_file_in_the_place_of_a_folder_stops_only_the_products_that_go_there(
    publish: Any, run: Any, row: Any, out: Path, database: Database
) -> None:
    (blocked,) = publish(size_bytes=SIZE)
    (other,) = publish(size_bytes=SIZE, collection="SENTINEL-5P")
    out.mkdir()
    (out / "SENTINEL-2").write_text("a file")
    stop = Stopper()
    run(layout=NESTED, workers=1, stop=stop.event, progress=stop)
    assert row(other).status == "done"
    assert "SENTINEL-2" in row(blocked).error and row(blocked).status == "queued"
    assert (out / "SENTINEL-2").read_text() == "a file"


def test_parts_of_a_product_lie_there_too(
    publish: Any, run: Any, row: Any, database: Database, out: Path
) -> None:
    (one,) = publish(size_bytes=SIZE)
    with database.write() as connection:
        connection.execute(sa.update(downloads).values(include="*_B02*.jp2"))
    run(layout=NESTED)
    (product,) = held(database)
    assert Path(row(one).path).parent == (out / place(product)).parent
    assert Path(row(one).path).is_dir()


def test_an_unknown_layout_is_refused(api: ODataAPI, database: Database, out: Path) -> None:
    with pytest.raises(FilterError, match="no layout is called 'daily'"):
        Catalogue(database).download(api, out, layout="daily")
    assert not out.exists()
