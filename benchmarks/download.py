"""How fast files arrive verified, beside curl and others, which check nothing, a bare loop that does, and hashing alone.

The source is a process of its own on loopback that sends with sendfile; everything lies on a RAM disk.
satcat is measured as people run it, from the marked row to the row that is `done`: claim, token, transfer, check, fsync,
rename. Each run takes all arms in turn, in another order each time; ratios are medians of the ratios within a run, so
that a load from elsewhere strikes both sides.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from blake3 import blake3

from benchmarks.environment import LISTERS, Run
from benchmarks.loopback import MIB, product_id
from benchmarks.report import Figures, Result, busy_children, peak_memory, ram_disk
from satcat.api.odata import ODataAPI
from satcat.catalogue import Catalogue
from satcat.products import SatelliteImage
from satcat.sync.store import store

FILES = 4
#: What is asked for: arm, the arm it is compared with, the ratio of speeds to be reached, None if it is only told.
GOALS: tuple[tuple[str, str, float | None], ...] = (
    ("satcat, 1 file, BLAKE3", "curl, 1 file", 0.75),
    ("satcat, 1 file, MD5", "MD5 of memory alone", 0.65),
    (f"satcat, {FILES} files, BLAKE3", f"curl --parallel, {FILES} files", 1.1),
    *(
        (f"satcat, {n} file{'s' * (n > 1)}, BLAKE3", f"{peer}, {n} file{'s' * (n > 1)}", 1.0)
        for peer in LISTERS
        for n in (1, FILES)
    ),
    ("satcat, 1 file, BLAKE3", "a bare loop, 1 file", None),
    (f"satcat, {FILES} files, BLAKE3", f"a bare loop, {FILES} files", None),
)
_MOST_MEMORY = 100e6  # bytes


@dataclass(frozen=True, slots=True)
class Bench:
    """The file that is served, and where."""

    folder: Path
    port: int
    size: int

    @property
    def download_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/odata/v1"

    def parts(self, files: int) -> list[tuple[int, int]]:
        """Offset and MiB of each of so many files, which together are the whole."""
        each = self.size // files
        return [(n * each, each // MIB) for n in range(files)]

    def urls(self, files: int) -> list[str]:
        return [
            f"{self.download_url}/Products({product_id(*part)})/$value"
            for part in self.parts(files)
        ]


def satcat(bench: Bench, files: int, algorithm: str) -> dict[str, float]:
    """Fetch by satcat, in a process of its own; what that measured."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as home:
        _marked(Path(home) / "satcat.db", bench, files, algorithm)
        asked = json.dumps([home, bench.download_url, files])
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.download", asked],
            check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        arrived = [file.stat().st_size for file in (Path(home) / "products").iterdir()]
        assert len(arrived) == files and sum(arrived) == bench.size
    result: dict[str, float] = json.loads(done.stdout)
    return result


def _marked(path: Path, bench: Bench, files: int, algorithm: str) -> None:
    """A catalogue in which the files are marked."""
    digests = json.loads((bench.folder / "digests").read_text())
    now = datetime.now(UTC)
    wanted = [
        SatelliteImage(
            id=product_id(offset, mib), source="cdse", name=f"PRODUCT_{offset}.SAFE",
            collection="SENTINEL-2", sensing_start=now, modification_date=now, online=True,
            size_bytes=mib * MIB, **{algorithm: digests[f"{algorithm} {offset} {mib}"]},
        )
        for offset, mib in bench.parts(files)
    ]  # fmt: skip
    with Catalogue.open(path) as catalogue:
        with catalogue.database.write() as connection:
            store(connection, wanted, scope_id=None, at=now)
        catalogue.mark([product.id for product in wanted])


def _child(home: str, url: str, files: int) -> None:
    """Download, and print seconds, and seconds of CPU, without the start of Python; and the peak of memory with it."""
    import satcat.downloads.worker  # noqa: F401 - so that it is not timed, as that of the others isn't

    api = ODataAPI(
        "me", "secret", catalogue_url=url, download_url=url, token_url=f"{url}/token"
    )  # fmt: skip
    with Catalogue.open(f"{home}/satcat.db", create=False) as catalogue:
        began, busy = time.perf_counter(), time.process_time()
        report = catalogue.download(api, out=f"{home}/products", workers=files)
        seconds, busy = time.perf_counter() - began, time.process_time() - busy
    assert report.done == files, report
    print(json.dumps({"seconds": seconds, "cpu": busy, "memory": peak_memory()}))


def outside(bench: Bench, files: int, *command: str) -> dict[str, float]:
    """Fetch by another program, and look whether all of it came."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as home:
        began, busy = time.perf_counter(), busy_children()
        subprocess.run([*command, *_arguments(command[0], bench, files)], check=True, cwd=home)
        seconds, busy = time.perf_counter() - began, busy_children() - busy
        assert sum(f.stat().st_size for f in Path(home).iterdir()) == bench.size
    return {"seconds": seconds, "cpu": busy}


def _arguments(program: str, bench: Bench, files: int) -> list[str]:
    if program == "curl":
        return [a for n, url in enumerate(bench.urls(files)) for a in ("-o", f"{n}", "-g", url)]
    return ["-o", "0", *bench.urls(files)]


def foreign(run: Run, peer: str, bench: Bench, files: int) -> dict[str, float]:
    """Fetch by eodag or CDSETool, without the start of Python; it looks whether all of it came."""
    ids = [product_id(*part) for part in bench.parts(files)]
    with tempfile.TemporaryDirectory(dir=bench.folder) as home:
        taken = run.foreign("fetch", peer, bench.download_url, home, str(files), *ids)
        arrived = [f.stat().st_size for f in Path(home).rglob("*") if f.is_file()]
        assert sum(size for size in arrived if size >= MIB) == bench.size, arrived
    return taken


def bare(bench: Bench, files: int) -> dict[str, float]:
    """Receive, write and hash in a bare loop, in a process of its own."""
    with tempfile.TemporaryDirectory(dir=bench.folder) as home:
        asked = [
            f"127.0.0.1:{bench.port}",
            home,
            *(urlsplit(url).path for url in bench.urls(files)),
        ]
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.bare", json.dumps(asked)],
            check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert sum(f.stat().st_size for f in Path(home).iterdir()) == bench.size
    result: dict[str, float] = json.loads(done.stdout)
    return result


def hashing(bench: Bench, new: Callable[[], Any]) -> dict[str, float]:
    """Hash as many bytes of memory."""
    digest, piece = new(), os.urandom(MIB)
    began = time.perf_counter()
    for _ in range(bench.size // MIB):
        digest.update(piece)
    digest.hexdigest()
    return {"seconds": time.perf_counter() - began}


def arms(run: Run, bench: Bench) -> dict[str, Callable[[], dict[str, float]]]:
    """Everything that is measured, by its name in the table."""
    curl = ("curl", "-sS", "-f", "--no-progress-meter")
    found: dict[str, Callable[[], dict[str, float]]] = {
        "satcat, 1 file, BLAKE3": lambda: satcat(bench, 1, "blake3"),
        "satcat, 1 file, MD5": lambda: satcat(bench, 1, "md5"),
        f"satcat, {FILES} files, BLAKE3": lambda: satcat(bench, FILES, "blake3"),
        f"satcat, {FILES} files, MD5": lambda: satcat(bench, FILES, "md5"),
        "MD5 of memory alone": lambda: hashing(bench, hashlib.md5),
        "BLAKE3 of memory alone": lambda: hashing(bench, blake3),
        "a bare loop, 1 file": lambda: bare(bench, 1),
        f"a bare loop, {FILES} files": lambda: bare(bench, FILES),
    }
    if shutil.which("curl"):
        found["curl, 1 file"] = lambda: outside(bench, 1, *curl)
        several = f"curl --parallel, {FILES} files"
        found[several] = lambda: outside(bench, FILES, *curl, "--parallel")
    if shutil.which("aria2c"):
        for n in ("1", "4"):
            how = ("aria2c", "-q", "-x", n, "-s", n, "--file-allocation=none")
            found[f"aria2c -x {n}, 1 file"] = partial(outside, bench, 1, *how)
    for peer in LISTERS if run.peers else ():
        for files in (1, FILES):
            found[f"{peer}, {files} file{'s' * (files > 1)}"] = partial(
                foreign, run, peer, bench, files
            )
    return found


@contextmanager
def served(folder: Path, size: int) -> Iterator[Bench]:
    """Make the file and its digests, and serve it."""
    path = folder / "source"
    noise = random.Random(1).randbytes(16 * MIB + 1)
    with path.open("wb") as file:
        for at in range(0, size, len(noise)):
            file.write(noise[: size - at])
    digests: dict[str, str] = {}
    with path.open("rb") as file:
        for files in (1, FILES):
            for offset, mib in Bench(folder, 0, size).parts(files):
                both: dict[str, Any] = {"md5": hashlib.md5(), "blake3": blake3()}
                file.seek(offset)
                for _ in range(mib):
                    piece = file.read(MIB)
                    for digest in both.values():
                        digest.update(piece)
                digests |= {f"{name} {offset} {mib}": d.hexdigest() for name, d in both.items()}
    (folder / "digests").write_text(json.dumps(digests))
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.loopback", str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdin is not None and server.stdout is not None
    try:
        yield Bench(folder, int(server.stdout.readline()), size)
    finally:
        server.stdin.close()
        server.wait()


def measure(run: Run, bench: Bench, runs: int) -> dict[str, list[dict[str, float]]]:
    """Run every arm so many times, in turns."""
    todo = arms(run, bench)
    found: dict[str, list[dict[str, float]]] = {name: [] for name in todo}
    chance = random.Random(1)
    for _ in range(runs):
        order = list(todo)
        chance.shuffle(order)
        for name in order:
            found[name].append(todo[name]())
    return found


def figures(run: Run) -> Figures:
    """What is told of downloads."""
    size, runs = (8 * MIB, 1) if run.tiny else (1 << 30, 5)
    with (
        tempfile.TemporaryDirectory(dir=ram_disk(3 * size)) as folder,
        served(Path(folder), size) as bench,
    ):
        found = measure(run, bench, runs)
    return Figures(_lines(found, size), _detail(found, size, runs))


def _lines(found: dict[str, list[dict[str, float]]], size: int) -> list[Result]:
    """The ratios that are asked for, of the seconds within each run."""
    lines = []
    for name, peer, goal in GOALS:
        what = f"download of {name.removeprefix('satcat, ')}, beside {peer.partition(',')[0]}"
        value = f"{_speed(found[name], size):.0f} MB/s"
        asked = "" if goal is None else f"≥ {goal} ×" if goal != 1 else "ahead"
        if peer not in found:
            lines.append(Result(what, value, "not installed", asked))
            continue
        pairs = zip(found[name], found[peer], strict=True)
        ratios = sorted(theirs["seconds"] / ours["seconds"] for ours, theirs in pairs)
        ratio = statistics.median(ratios)
        lines.append(Result(
            what, value, f"{_speed(found[peer], size):.0f} MB/s: {ratio:.2f} × its speed ({ratios[0]:.2f}–{ratios[-1]:.2f})", asked,
            met=None if goal is None else ratio >= goal,
        ))  # fmt: skip
    most = max(r["memory"] for results in found.values() for r in results if "memory" in r)
    return [*lines, Result("memory of a download", f"{most / 1e6:.0f} MB", "", f"< {_MOST_MEMORY / 1e6:.0f} MB",
                           met=most < _MOST_MEMORY)]  # fmt: skip


def _speed(results: list[dict[str, float]], size: int) -> float:
    return statistics.median(size / 1e6 / result["seconds"] for result in results)


def _detail(found: dict[str, list[dict[str, float]]], size: int, runs: int) -> str:
    lines = [
        f"{size // MIB} MiB in all, {runs} runs, medians",
        "",
        "| | MB/s | range | CPU s | peak MB |",
        "|---|--:|--:|--:|--:|",
    ]
    for name, results in found.items():
        speeds = sorted(size / 1e6 / result["seconds"] for result in results)
        cpu = [result["cpu"] for result in results if "cpu" in result]
        memory = [result["memory"] for result in results if "memory" in result]
        lines.append(
            f"| {name} | {statistics.median(speeds):.0f} | {speeds[0]:.0f}–{speeds[-1]:.0f} "
            f"| {f'{statistics.median(cpu):.2f}' if cpu else ''} | {f'{max(memory) / 1e6:.0f}' if memory else ''} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    _child(*json.loads(sys.argv[1]))
