"""What downloads that came to nothing left behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat.api.filenames import part_name, parts_name
from satcat.api.partfile import PartFile
from satcat.database import Database
from satcat.downloads import leftovers
from satcat.models import downloads
from satcat.products import SatelliteImage


@pytest.fixture
def left(
    database: Database, add_products: Callable[..., None], make_product: Callable[..., SatelliteImage],
    out: Path,
) -> Callable[[str | None], list[Path]]:  # fmt: skip
    """Part files of every kind of a product whose row has this status, None for no row."""
    out.mkdir()
    (out / "SENTINEL-2").mkdir()
    made = 0

    def left(status: str | None) -> list[Path]:
        nonlocal made
        made += 1
        product = {"id": f"{made:08x}-0000-4000-8000-000000000000", "name": f"S2B_{made}.SAFE"}
        add_products(product)
        if status is not None:
            with database.write() as connection:
                values = {"product_id": product["id"], "status": status}
                connection.execute(sa.insert(downloads).values(**values))
        image = make_product(**product)
        paths = [
            out / part_name(image, 1), out / "SENTINEL-2" / part_name(image, 12),
            out / part_name(image, 3, of="S2B/manifest.safe"), out / parts_name(image),
        ]  # fmt: skip
        for path in paths[:-1]:
            path.write_bytes(b"half")
        paths[-1].mkdir()
        (paths[-1] / "manifest.safe").write_bytes(b"half")
        return paths

    return left


def test_what_no_row_will_go_on_with_is_removed(
    left: Callable[[str | None], list[Path]], database: Database, out: Path
) -> None:
    kept = [path for status in ("queued", "running", "failed", "offline") for path in left(status)]
    for status in ("done", "cancelled", "gone", "bad_at_source", None):
        left(status)
    assert leftovers.sweep(database, out) == 20
    assert {path for path in out.rglob(".*") if path.parent.name[0] != "."} == set(kept)
    assert leftovers.sweep(database, out) == 0


def test_only_exactly_our_names_are_removed(
    left: Callable[[str | None], list[Path]], database: Database, out: Path
) -> None:
    for path in left(None):
        path.rename(path.with_name(path.name.replace("S2B", "S2C")))
    others = [
        ".part", "x.1.part", ".S2B_1_00000001.part", ".S2B_1_00000001.x.part", ".rsync_partial.1.part",
        ".S2B_1_ffffffff.1.part", "S2B_1.zip",
    ]  # fmt: skip
    for name in others:
        (out / name).write_bytes(b"x")
    assert leftovers.sweep(database, out) == 0
    assert len(os.listdir(out)) == len(others) + 4  # with the folder


def test_what_a_process_holds_stays(
    left: Callable[[str | None], list[Path]], database: Database
) -> None:
    path, *_ = left(None)
    with PartFile(path):
        leftovers.sweep(database, path.parent)
        assert path.exists()
    leftovers.sweep(database, path.parent)
    assert not path.exists()


def test_a_run_begins_with_that(
    left: Callable[[str | None], list[Path]], run: Callable[..., Any]
) -> None:
    paths = left(None)
    run()
    assert not any(os.path.lexists(path) for path in paths)
