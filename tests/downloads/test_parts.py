"""Some files of a product: what is fetched, kept, refused and recorded."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat.database import Database
from satcat.models import downloads
from satcat.sandbox import Sandbox, packages


@pytest.fixture
def want(database: Database) -> Callable[..., None]:
    """Set which files a row asks for, as plain SQL does."""

    def want(product_id: str, *patterns: str, **others: Any) -> None:
        one = sa.update(downloads).where(downloads.c.product_id == product_id)
        with database.write() as connection:
            connection.execute(one.values(include="\n".join(patterns) or None, **others))

    return want


def inside(folder: Path) -> dict[str, bytes]:
    """The files of a folder by their paths, hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def package(sandbox: Sandbox, product_id: str) -> dict[str, bytes]:
    """What the product's package holds, by the paths inside its folder."""
    files = packages.files(sandbox.catalogue.products[product_id])
    return {file.path.partition("/")[2]: b"".join(file.pieces) for file in files}


def test_only_the_wanted_files_and_the_manifest_come_into_a_safe_folder(
    publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], want: Callable[..., None],
    sandbox: Sandbox, out: Path,
) -> None:  # fmt: skip
    (one,) = publish()
    want(one, "*_B0[34].jp2", "*MTD*.xml")
    assert run().done == 1
    whole, here = package(sandbox, one), inside(Path(row(one).path))
    assert {name for name in here if not name.endswith((".jp2", ".xml"))} == {"manifest.safe"}
    assert sorted(here) == sorted(n for n in whole if "_B02" not in n) and len(here) == 4
    assert all(whole[name] == content for name, content in here.items())
    assert os.listdir(out) == [sandbox.catalogue.products[one].name]
    found = row(one)
    assert (found.status, found.verification, found.checksum) == ("done", "manifest", None)
    assert found.size_bytes == sum(map(len, here.values())) == found.bytes_done
    assert not [r for r in sandbox.log.matching("$value") if "Nodes" not in str(r)]
