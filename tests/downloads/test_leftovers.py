"""What downloads that came to nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat import times
from satcat.api.filenames import part_name, parts_name
from satcat.api.partfile import PartFile
from satcat.database import Database
from satcat.downloads import attempts, gathering, leftovers
from satcat.errors import TransferError
from satcat.models import download_attempts, downloads
from satcat.products import SatelliteImage

#: Kills the process when the folder has its other name, and its files are about to go.
KILLED_WHILE_REMOVING = """
import os, signal, sys
from pathlib import Path
from satcat.downloads import gathering
def hook(event, args):
    if event == "shutil.rmtree":
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
gathering.remove(Path(sys.argv[1]))
"""


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
        with database.write() as connection:
            for claim in (1, 3, 12):
                attempts.begin(connection, product["id"], claim, "worker", times.now())
            if status is not None:
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
    path, *_, folder = left(None)
    with PartFile(path), gathering.used(folder):
        leftovers.sweep(database, path.parent)
        assert path.exists() and list(folder.iterdir())
    leftovers.sweep(database, path.parent)
    assert not path.exists() and not folder.exists()


def test_a_run_begins_with_that(
    left: Callable[[str | None], list[Path]], run: Callable[..., Any]
) -> None:
    paths = left(None)
    run()
    assert not any(os.path.lexists(path) for path in paths)


def test_what_only_another_catalogue_began_stays(
    left: Callable[[str | None], list[Path]], database: Database, out: Path
) -> None:
    paths = left("done")
    with database.write() as connection:
        connection.execute(sa.delete(download_attempts).where(download_attempts.c.claim > 1))
    assert leftovers.sweep(database, out) == 2
    assert [path for path in paths if os.path.lexists(path)] == paths[1:3]
    with database.write() as connection:
        connection.execute(sa.delete(download_attempts))
    paths[0].write_bytes(b"half")
    paths[3].mkdir()
    assert leftovers.sweep(database, out) == 0


def test_a_folder_in_use_stays_and_so_does_one_that_is_wanted_after_all(out: Path) -> None:
    folder = out / "flat" / ".x.parts"
    folder.parent.mkdir(parents=True)
    with gathering.used(folder), gathering.used(folder):
        (folder / "manifest.safe").write_bytes(b"whole")
        assert not gathering.remove(folder)
    assert not gathering.remove(folder, lambda: False)
    assert (folder / "manifest.safe").exists()
    assert gathering.remove(folder)
    assert not gathering.remove(folder)
    assert list(folder.parent.iterdir()) == []


def test_a_link_in_the_place_of_a_folder_is_neither_used_nor_followed(out: Path) -> None:
    (out / "elsewhere").mkdir(parents=True)
    link = out / ".x.parts"
    link.symlink_to(out / "elsewhere")
    with pytest.raises(TransferError, match="cannot write"), gathering.used(link):
        pass
    assert not gathering.remove(link)
    assert (out / "elsewhere").is_dir()


def test_a_removal_that_was_killed_is_ended_by_the_next_run(
    database: Database, out: Path, run: Callable[..., Any]
) -> None:
    folder = out / ".x.parts"
    out.mkdir()
    with gathering.used(folder):
        (folder / "manifest.safe").write_bytes(b"whole")
    child = subprocess.run([sys.executable, "-c", KILLED_WHILE_REMOVING, str(folder)], check=False)
    assert child.returncode == -signal.SIGKILL
    assert [path.name.endswith(".removed") for path in out.iterdir()] == [True]
    run()
    assert os.listdir(out) == []


def test_who_comes_while_a_folder_is_removed_begins_a_new_one(out: Path) -> None:
    folder = out / ".x.parts"
    out.mkdir()
    with gathering.used(folder):
        (folder / "old").write_bytes(b"")
    found = []

    def come() -> bool:
        def use() -> None:
            with gathering.used(folder):
                found.append(list(folder.iterdir()))

        thread.append(threading.Thread(target=use))
        thread[0].start()
        time.sleep(0.1)
        return True

    thread: list[threading.Thread] = []
    assert gathering.remove(folder, come)
    thread[0].join()
    assert found == [[]]
