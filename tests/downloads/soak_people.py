"""What is right in a soak, and the people at the queue."""

from __future__ import annotations

import random
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from blake3 import blake3

from satcat.sandbox import Sandbox, packages
from tests.engines import BlockedError, editing

#: What people may want of a product.
INCLUDES = ("*_B0[48]_10m.jp2\n*MTD*.xml", "*_B02_10m.jp2", None)


class Truth:
    """What is right: every version of every product's bytes, by product."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.of: dict[str, set[str]] = {}
        self.files: set[str] = set()  # what a file of a package may hash to

    def learn(self, product_id: str) -> None:
        record = self.sandbox.catalogue.products[product_id]
        self.of.setdefault(product_id, set()).add(packages.digests(record)[1])
        for file in packages.files(record):
            self.files.add(blake3(b"".join(file.pieces)).hexdigest())

    @property
    def whole(self) -> set[str]:
        """What the file of a whole product may hash to."""
        return set().union(*self.of.values())

    def missing(self, product_id: str, include: str, folder: Path) -> list[str]:
        """What a folder for some files of a product lacks, holds beyond these, or holds wrong."""
        record = self.sandbox.catalogue.products[product_id]
        whole = {f.path.partition("/")[2]: b"".join(f.pieces) for f in packages.files(record)}
        wanted = {n for n in whole if any(fnmatch(n, pattern) for pattern in include.split("\n"))}
        here = {str(p.relative_to(folder)): p for p in folder.rglob("*") if p.is_file()}
        # files of an earlier wish may be there too
        wrong = [n for n, path in here.items() if path.read_bytes() != whole.get(n)]
        return wrong + sorted((wanted | {"manifest.safe"}) - set(here))

    @contextmanager
    def watched(self, out: Path) -> Iterator[dict[str, str]]:
        """Hash every file under a final name as soon as it is new; gives those that were ever wrong."""
        wrong: dict[str, str] = {}
        seen: set[tuple[str, int, int, int]] = set()
        ended = threading.Event()

        def look() -> None:
            for path in out.rglob("[!.]*") if out.is_dir() else ():
                inner = path.relative_to(out).parts
                if not path.is_file() or any(step.startswith(".") for step in inner):
                    continue
                at = path.stat()
                key = (str(path), at.st_ino, at.st_size, at.st_mtime_ns)
                if key not in seen:
                    seen.add(key)
                    found = blake3(path.read_bytes()).hexdigest()
                    right = (
                        self.files if any(s.endswith(".SAFE") for s in inner[:-1]) else self.whole
                    )
                    if found not in right:
                        wrong[path.name] = found

        def watch() -> None:
            while not ended.wait(0.01):
                try:
                    look()
                except FileNotFoundError:  # between two looks; its successor is looked at next
                    continue

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield wrong
        finally:
            ended.set()
            watcher.join()
            look()


@dataclass(frozen=True)
class Mixed:
    """Products of every sort: all, those of which no checksum is published, and those of which some files are wanted."""

    ids: list[str]
    unsummed: set[str]
    partial: set[str]


class People:
    """They edit the queue by plain SQL, and remember what they undid."""

    def __init__(
        self, address: str, ids: list[str], partial: set[str], chance: random.Random
    ) -> None:
        self.address, self.ids, self.partial, self.chance = address, ids, partial, chance
        self.undone: Counter[str] = (
            Counter()
        )  # how often a row that was done has been asked for again
        self.forgotten: set[str] = set()  # products whose file no row may speak of any more
        self.edits = 0

    def edit(self) -> None:
        one = self.chance.choice(self.ids)
        match self.chance.randrange(9):
            case 0:
                self._do(
                    "INSERT INTO downloads (product_id) VALUES (?) ON CONFLICT DO NOTHING", one
                )
            case 1:
                self._do("UPDATE downloads SET status = 'cancelled' WHERE product_id = ?", one)
            case 2:
                self._do("DELETE FROM downloads WHERE product_id = ?", one, lose=True)
            case 3:
                level = self.chance.randrange(10)
                self._do(f"UPDATE downloads SET priority = {level} WHERE product_id = ?", one)
            case 4 if one in self.partial:  # other files of it, or all
                change = "UPDATE downloads SET status = 'queued', include = ? WHERE product_id = ?"
                self._do(change, one, self.chance.choice(INCLUDES))
                self.forgotten.add(one)
            case _:
                self._do(
                    "UPDATE downloads SET status = 'queued' WHERE product_id = ?", one, lose=True
                )

    def want_all(self) -> None:
        """Ask for everything that is not done, with no more waiting."""
        self._do(
            "INSERT INTO downloads (product_id) SELECT id FROM products WHERE ? <> '' ON CONFLICT DO NOTHING",
            "all",
        )
        self.end_waiting("cancelled", "gone", "offline")

    def end_waiting(self, *more: str) -> None:
        which = ", ".join(f"'{status}'" for status in ("failed", "bad_at_source", *more))
        self._do(
            "UPDATE downloads SET status = 'queued', attempts = 0, not_before = NULL "
            f"WHERE status IN ({which}) OR (status = 'queued' AND not_before IS NOT NULL) AND ? <> ''", "all",
        )  # fmt: skip

    def _do(self, statement: str, one: str, *values: str | None, lose: bool = False) -> None:
        """Run a statement about one product; `lose`: its file, if it is done, is removed first."""
        done = "SELECT path FROM downloads WHERE product_id = ? AND status = 'done'"
        try:
            with editing(self.address, "downloads", patience=0.2) as tell:
                before = tell(done, one)
                tell(statement, *values, one)
                after = tell(done, one)
                if lose and before:
                    lose_all(Path(before[0][0]))
        except BlockedError:  # a stopped worker holds the catalogue
            return
        self.edits += 1
        self.undone[one] += bool(before and not after)
        self.forgotten |= {one} if statement.startswith("DELETE") else set()


def lose_all(path: Path) -> None:
    """Remove a file, or a folder and all in it."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
