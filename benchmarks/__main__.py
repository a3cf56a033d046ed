"""Everything that is measured, in one Markdown page.

    python -m benchmarks                        all of it, with catalogues of up to a million products: 25 minutes
    python -m benchmarks --rows 1e7 --keep      up to ten million: 25 minutes and 15 GB more; kept here
    python -m benchmarks sync --synced 1e7      mirrors up to ten million: an hour and 20 GB more
    python -m benchmarks sync downloads         these parts only
    python -m benchmarks --tiny                 a minute or two: only shows that all of it works

What satcat is set beside (DuckDB, eodag, CDSETool) is installed into an environment of its own (--peers); curl, aria2c and
PostgreSQL are taken where they are, the latter as a server in memory that is thrown away. --tiny takes what is there, and
asks no network, unless told where the environment is. --keep writes figures.json, RESULTS.md and growth.svg beside this, and
the section of figures in the README.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from benchmarks import catalogues, download, page, server, startup, sync
from benchmarks.environment import Run, peers
from benchmarks.report import Figures

PARTS = ("sync", "startup", "queries", "downloads")
_LEAST = 1000  # products


def products(text: str) -> int:
    """A number of products, such as 1e6."""
    try:
        number = int(float(text))
    except (ValueError, OverflowError):
        number = 0
    if number < _LEAST:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of products from {_LEAST:,} on")
    return number


def measured(run: Run, parts: list[str]) -> Iterator[tuple[str, Figures]]:
    """The figures of each part, as soon as they are there."""
    if "sync" in parts:
        yield "sync", sync.figures(run)
    if "startup" in parts:
        yield "startup", startup.figures(run)
    if "downloads" in parts:
        yield "downloads", download.figures(run)
    if "queries" in parts:
        for count, figures in catalogues.figures(run):
            yield f"queries {count}", figures


def main() -> None:
    began = time.monotonic()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all, if none is given"
    )
    parser.add_argument(
        "--rows",
        type=products,
        help="products of the largest catalogue that is queried; else a million",
    )
    parser.add_argument(
        "--synced",
        type=products,
        help="products of the largest one that is mirrored; else a million",
    )
    parser.add_argument(
        "--peers",
        type=Path,
        help="the peers' environment, made if it is not there; else .venv-benchmarks",
    )
    parser.add_argument("--folder", type=Path, help="for the largest files; else the system's")
    parser.add_argument(
        "--keep", action="store_true", help="write the page, the plot and the README's section"
    )
    parser.add_argument(
        "--page", action="store_true", help="measure nothing: write them anew from what was kept"
    )
    parser.add_argument("--tiny", action="store_true", help="a minute or two, and no network")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if options.tiny and (options.keep or options.page):
        parser.error("--tiny shows that all works; its figures are not worth keeping")
    if options.tiny and (options.rows or options.synced):
        parser.error("--tiny has sizes of its own: leave out --rows and --synced")
    parts = options.parts or list(PARTS)
    kept = page.Kept.read(page.HERE) if options.keep or options.page else page.Kept({})
    if options.page:
        kept.write(page.HERE, page.README)
        return
    lonely = options.tiny or (
        parts == ["startup"] and not options.keep
    )  # the plot needs a peer's library
    where = options.peers or (None if lonely else Path(".venv-benchmarks"))
    python = peers(where) if where else None
    with server.started() if {"sync", "queries"} & set(parts) else nullcontext() as postgresql:
        run = Run(
            5000 if options.tiny else options.rows or 1_000_000, 2000 if options.tiny else options.synced or 1_000_000,
            options.tiny, python, options.folder, postgresql,
        )  # fmt: skip
        for name, figures in measured(run, parts):
            print(f"{time.monotonic() - began:8.1f} s  done: {name}", file=sys.stderr, flush=True)
            kept.parts[name] = figures.without_verdicts() if options.tiny else figures
            if options.keep:
                kept.write(page.HERE, page.README)  # what follows may fail, and takes long
    if options.tiny:
        with tempfile.TemporaryDirectory() as folder:
            readme = shutil.copy(page.README, folder)
            kept.write(Path(folder), Path(readme))
    print(kept.markdown())


if __name__ == "__main__":
    # so that what lies in memory and the servers are cleared away
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted: what was made on the way is removed")
