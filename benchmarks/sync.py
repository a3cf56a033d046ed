"""Mirroring: products a second from a loopback source to committed and indexed rows, and what of it is the database.

Seconds are of CPU (user and system) of the one process that is measured, so that a load from elsewhere counts little. The
whole path is `Catalogue.sync`, in a process of its own, with a source that sends prepared pages (`benchmarks.listed`).
The repeat lists everything again: as ids and dates, as each sync does with the windows proven longest ago, and up to a
million products whole, after every window was declared unproven. Files of up to a million are in memory, larger ones on
the disk. Up to 100,000 products three runs are made, of which medians are told.

eodag and CDSETool list the same source, into the memory of their process; a source that, as CDSE, skips no more than 10,000
gives them no more than 11,000 of it, where satcat lists by intervals of time.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from benchmarks import listed, server, upsert
from benchmarks.environment import LISTERS, Run
from benchmarks.report import Figures, Result, peak_memory, ram_disk
from satcat import Catalogue, ODataAPI, SearchFilters, memory
from satcat.models import products
from satcat.sync.report import SyncOptions

FILTERS = SearchFilters(collection="SENTINEL-2")
_LISTABLE = 11_000  # what CDSE gives to one who only skips
_SOME = 100_000  # what costs much more than a sync is measured with no more
_RUNS = 3  # of what is measured with no more than that
_MANY = 1_000_000  # more are not listed again whole, and have no room in memory
_ROOM = 5000  # bytes a product of a catalogue, its log and other files
Taken = dict[str, float]


def child(where: str, url: str, step: str) -> None:
    """One sync, in a process of its own, as the command does it; prints what it took, and the peak of memory."""
    memory.collect_seldom()
    memory.return_large_blocks()
    api = ODataAPI(catalogue_url=url)
    with Catalogue.open(where) as catalogue:
        if step == "whole":
            with catalogue.database.write() as connection:
                connection.execute(sa.text("UPDATE sync_windows SET status = 'pending'"))
        options = SyncOptions(yes=True, recheck=10**9 if step == "ids" else 0)
        began, busy = time.perf_counter(), time.process_time()
        report = catalogue.sync(api, FILTERS, options=options)
        seconds, busy = time.perf_counter() - began, time.process_time() - busy
        held = catalogue.count(FILTERS)
    (done,) = report.scopes
    assert done.complete, done
    print(json.dumps({"seconds": seconds, "cpu": busy, "memory": peak_memory(), "held": held,
                      "added": done.added, "changed": done.changed, "unchanged": done.unchanged}))  # fmt: skip


def in_child(where: str, url: str, step: str) -> Taken:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sync", where, url, step],
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    result: Taken = json.loads(done.stdout)
    return result


def whole_path(count: int, where: str) -> dict[str, Taken]:
    """First sync, repeat by ids, repeat in full, each with what it took."""
    steps = ("first", "ids", "whole") if count <= _MANY else ("first", "ids")
    with listed.served(count) as url:
        found = {step: in_child(where, url, step) for step in steps}
    assert found["first"]["added"] == found["first"]["held"] == count, found
    again = found.get("whole", {"unchanged": count, "added": 0})
    assert again["unchanged"] >= count and not again["added"], found
    return found


def typical(runs: list[dict[str, Taken]]) -> dict[str, Taken]:
    """Of several runs of the same: the median of each figure, but the most memory."""
    return {
        step: {
            name: (max if name == "memory" else statistics.median)(run[step][name] for run in runs)
            for name in taken
        }
        for step, taken in runs[0].items()
    }


def mirrored(count: int, run: Run) -> dict[str, Taken]:
    """The whole path into a file; and the file's size, beside that of the columns alone and of GeoParquet."""
    place = ram_disk(_ROOM * count) if count <= _MANY else run.folder
    with tempfile.TemporaryDirectory(prefix="satcat-", dir=place) as folder:
        path = Path(folder) / "satcat.db"
        runs = []
        for _ in range(_times(run, count)):
            path.unlink(missing_ok=True)
            runs.append(whole_path(count, str(path)))
        found = typical(runs)
        found["size"] = {"file": path.stat().st_size / count}
        if count <= _SOME:
            with Catalogue.open(path) as catalogue, catalogue.database.read() as connection:
                each = " + ".join(
                    f"coalesce(length(CAST({column.name} AS BLOB)), 0)"
                    for column in products.columns
                )
                total = connection.exec_driver_sql(f"SELECT sum({each}) FROM products").scalar_one()
                found["size"]["columns"] = total / count
                parquet = Path(folder) / "products.parquet"
                catalogue.export(parquet, FILTERS)
                found["size"]["parquet"] = parquet.stat().st_size / count
    return found


def _times(run: Run, count: int) -> int:
    return _RUNS if count <= _SOME and not run.tiny else 1


def slow(run: Run) -> dict[str, Taken]:
    """What satcat and peers take to have all that a source has, which takes its time for each page, as CDSE does."""
    count, delay = (1000, 0.05) if run.tiny else (_LISTABLE, 1.0)
    with (
        tempfile.TemporaryDirectory(dir=ram_disk()) as folder,
        listed.served(count, delay) as url,
    ):
        ours = in_child(f"{folder}/satcat.db", url, "first")
        found = {peer: run.foreign("list", peer, url) for peer in LISTERS if run.peers}
    assert all(taken["products"] == count for taken in found.values()), found
    return {"satcat": {**ours, "products": count, "delay": delay}, **found}


def peers(run: Run, count: int) -> dict[str, Taken]:
    """What eodag and CDSETool take to list so many."""
    if run.peers is None:
        return {}
    with listed.served(count) as url:
        runs = [
            {peer: run.foreign("list", peer, url) for peer in LISTERS}
            for _ in range(_times(run, count))
        ]
    return typical(runs)


def figures(run: Run) -> Figures:
    """What is told of mirroring, of the largest catalogue and of smaller ones."""
    sizes = run.sizes(run.synced)
    whole = {count: mirrored(count, run) for count in sizes}
    least = min(run.synced, _SOME)
    with tempfile.TemporaryDirectory(dir=ram_disk()) as folder:
        part = upsert.database_part(least, Path(folder))
    lines = [*_path({n: found for n, found in whole.items() if n >= least}), *_beside(least, whole[least]["first"], peers(run, least)), *_slow(slow(run)),
             *_part(least, part), *_repeats(whole), _memory(whole), _size(whole)]  # fmt: skip
    with server.new(run.server) as address:
        if address is not None:
            lines += _served(least, whole[least], whole_path(least, address))
    each = {n: {step: 1e6 * taken["cpu"] / n for step, taken in found.items() if "cpu" in taken}
            for n, found in whole.items()}  # fmt: skip
    points = {
        "sync": {str(n): found["first"] for n, found in each.items()},
        "memory": {str(n): found["first"]["memory"] / 1e6 for n, found in whole.items()},
        "size": {str(n): found["size"]["file"] for n, found in whole.items()},
    }
    return Figures(lines, f"{_detail(whole, each)}\n\nBeside {run.versions()}.", points)


def _path(whole: dict[int, dict[str, Taken]]) -> Iterator[Result]:
    for count, found in whole.items():
        rate, clock = count / found["first"]["cpu"], count / found["first"]["seconds"]
        yield Result(f"sync, {count:,} products, whole path", f"{rate:,.0f} products/s of one core ({1e6 / rate:.0f} µs)",
                     f"{clock:,.0f}/s by the clock", "≥ 6,000/s", met=rate >= 6000)  # fmt: skip


def _beside(count: int, first: Taken, theirs: dict[str, Taken]) -> Iterator[Result]:
    """eodag and CDSETool, which list so many into memory, beside a first sync of as many."""
    clock, cpu = count / first["seconds"], 1e6 * first["cpu"] / count
    for peer in LISTERS:
        what = f"sync of {count:,} by the clock, beside {peer} merely listing them"
        ours = f"{clock:,.0f} products/s ({cpu:,.0f} µs of CPU), all of them"
        if peer not in theirs:
            yield Result(what, ours, "not installed", "faster")
            continue
        taken, got = theirs[peer], int(theirs[peer]["products"])
        its = got / taken["seconds"]
        said = f"{its:,.0f} products/s ({1e6 * taken['cpu'] / got:,.0f} µs), {got:,} of them: {clock / its:.1f} × its speed"
        yield Result(what, ours, said, "faster", met=clock > its)


def _slow(found: dict[str, Taken]) -> Iterator[Result]:
    """All that a slow source has: four pages at a time, and one."""
    mine, count = found["satcat"]["seconds"], int(found["satcat"]["products"])
    delay = found["satcat"]["delay"]
    for peer in LISTERS:
        what = f"sync of {count:,} from a source that takes {delay:g} s for a page, beside {peer} listing"
        said = f"{found[peer]['seconds']:.1f} s" if peer in found else "not installed"
        met = found[peer]["seconds"] > mine if peer in found else None
        yield Result(what, f"{mine:.1f} s", said, "faster", met=met)


def _served(count: int, file: dict[str, Taken], served: dict[str, Taken]) -> Iterator[Result]:
    """The same into PostgreSQL, by the clock: the server has a process, and a core, of its own."""
    for step, what, least in (
        ("first", "sync", 0.5),
        ("ids", "repeat sync, ids and dates", None),
        ("whole", "repeat sync, whole", None),
    ):
        ratio = file[step]["seconds"] / served[step]["seconds"]
        yield Result(
            f"{what} of {count:,} into PostgreSQL, by the clock", f"{count / served[step]['seconds']:,.0f} products/s",
            f"into SQLite {count / file[step]['seconds']:,.0f}: {ratio:.2f} × its speed", f"≥ {least} ×" if least else "",
            met=ratio >= least if least else None,
        )  # fmt: skip


def _part(count: int, part: Taken) -> Iterator[Result]:
    each, ratio = 1e6 / count, part["raw"] / (part["store"] - part["rows"])
    yield Result(
        f"sync, the database's part, {count:,} products", f"{each * (part['store'] - part['rows']):.0f} µs a product",
        f"raw executemany upsert {each * part['raw']:.0f} µs: {ratio:.2f} × its speed", "≥ 0.9 ×", met=ratio >= 0.9,
    )  # fmt: skip


def _repeats(whole: dict[int, dict[str, Taken]]) -> Iterator[Result]:
    """Of the largest catalogue that was listed again so."""
    for step, what, most in (
        ("ids", "repeat sync, all ids and dates listed again", 15_000),
        ("whole", "every product listed again whole, nothing changed", None),
    ):
        count = max(n for n, found in whole.items() if step in found)
        found = whole[count]
        rate = count / found[step]["cpu"]
        yield Result(f"{what}, {count:,}", f"{rate:,.0f} products/s compared", f"{count / found[step]['seconds']:,.0f}/s by the clock",
                     f"≥ {most:,}/s" if most else "", met=rate >= most if most else None)  # fmt: skip


def _memory(whole: dict[int, dict[str, Taken]]) -> Result:
    """The most of any sync, and whether it grows."""
    peaks = {n: max(taken.get("memory", 0) for taken in found.values()) / 1e6 for n, found in whole.items()}  # fmt: skip
    beside = ", ".join(f"{n:,}: {peak:.0f} MB" for n, peak in peaks.items())
    most = max(peaks.values())
    return Result("memory of a sync", f"{most:.0f} MB", beside, "< 200 MB, flat (≤ × 1.25)",
                  met=most < 200 and most <= 1.25 * peaks[min(peaks)])  # fmt: skip


def _size(whole: dict[int, dict[str, Taken]]) -> Result:
    largest, compared = max(whole), max(n for n in whole if "parquet" in whole[n]["size"])
    file, other = whole[largest]["size"]["file"], whole[compared]["size"]
    json_size = sum(len(listed.record(n)) for n in range(1000)) / 1000
    return Result(
        f"size of a catalogue of {largest:,}, everything in it", f"{file:,.0f} bytes a product",
        f"columns alone {other['columns']:,.0f}, GeoParquet {other['parquet']:,.0f}, JSON {json_size:,.0f}",
        "≤ 2,000 bytes", met=file <= 2000,
    )  # fmt: skip


def _detail(whole: dict[int, dict[str, Taken]], each: dict[int, dict[str, float]]) -> str:
    lines = [
        (
            "| products | sync, µs of CPU each | by the clock, products/s | repeat by ids, µs | repeat whole, µs | "
            "peak, MB | peak of repeats, MB | bytes each |"
        ),
        "|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for n, found in whole.items():
        again = (
            max(taken["memory"] for step, taken in found.items() if step in ("ids", "whole")) / 1e6
        )
        whole_each = f"{each[n]['whole']:.0f}" if "whole" in found else "–"
        lines.append(
            f"| {n:,} | {each[n]['first']:.0f} | {n / found['first']['seconds']:,.0f} | {each[n]['ids']:.0f} | "
            f"{whole_each} | {found['first']['memory'] / 1e6:.0f} | {again:.0f} | {found['size']['file']:,.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    child(*sys.argv[1:])
