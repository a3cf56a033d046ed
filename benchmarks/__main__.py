"""Everything that is measured, in one Markdown page.

    python -m benchmarks                        all of it, with catalogues of up to a million products: 25 minutes
    python -m benchmarks --rows 1e7 --keep      up to ten million: 25 minutes and 15 GB more; kept here
    python -m benchmarks sync --synced 1e7      mirrors up to ten million: 45 minutes and 20 GB more
    python -m benchmarks sync downloads         these parts only
    python -m benchmarks --tiny                 seconds: only shows that all of it works

What satcat is set beside (DuckDB, eodag, CDSETool) is installed into an environment of its own (--peers); curl, aria2c and
PostgreSQL are taken where they are, the latter as a server in memory that is thrown away. --tiny takes what is there, and
asks no network, unless told where the environment is. --keep writes figures.json, RESULTS.md and growth.svg beside this, and
the section of figures in the README.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import catalogues, download, page, server, startup, sync
from benchmarks.environment import Run, peers
from benchmarks.report import Figures

PARTS = ("sync", "startup", "queries", "downloads")


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
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; all, if none is given"
    )
    parser.add_argument(
        "--rows", type=float, default=1e6, help="of the largest catalogue that is queried"
    )
    parser.add_argument(
        "--synced", type=float, default=1e6, help="of the largest one that is mirrored"
    )
    parser.add_argument(
        "--peers", type=Path, help="the peers' environment, made if it is not there"
    )
    parser.add_argument("--folder", type=Path, help="for the largest files; else the system's")
    parser.add_argument(
        "--keep", action="store_true", help="write the page, the plot and the README's section"
    )
    parser.add_argument(
        "--page", action="store_true", help="measure nothing: write them anew from what was kept"
    )
    parser.add_argument("--tiny", action="store_true", help="seconds, and no network")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if options.tiny and (options.keep or options.page):
        parser.error("--tiny shows that all works; its figures are not worth keeping")
    kept = page.Kept.read(page.HERE) if options.keep or options.page else page.Kept({})
    if options.page:
        kept.write(page.HERE, page.README)
        return
    where = options.peers or (None if options.tiny else Path(".venv-benchmarks"))
    python = peers(where) if where else None
    with server.started() as postgresql:
        run = Run(
            5000 if options.tiny else int(options.rows), 2000 if options.tiny else int(options.synced),
            options.tiny, python, options.folder, postgresql,
        )  # fmt: skip
        for name, figures in measured(run, options.parts or list(PARTS)):
            kept.parts[name] = figures
            if options.keep:
                kept.write(page.HERE, page.README)  # what follows may fail, and takes long
    if options.tiny:
        with tempfile.TemporaryDirectory() as folder:
            readme = shutil.copy(page.README, folder)
            kept.write(Path(folder), Path(readme))
    print(kept.markdown())


if __name__ == "__main__":
    main()
