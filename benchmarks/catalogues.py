"""Queries and coverage of catalogues of made-up products, of one size after another."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import coverage, made_up, query, server
from benchmarks.environment import Run
from benchmarks.report import Figures

_ROUNDS = 7
_ON_SERVER = 1_000_000  # more products are not copied to PostgreSQL


def figures(run: Run) -> Iterator[tuple[int, Figures]]:
    """What is told of each size, smallest first."""
    rounds = 1 if run.tiny else _ROUNDS
    for count in run.sizes(run.rows):
        with tempfile.TemporaryDirectory(prefix="satcat-", dir=run.folder) as folder:
            path = Path(folder) / "satcat.db"
            made_up.fill(path, count, tile_count=300 if run.tiny else made_up.TILES)
            with server.new(run.server, wanted=count <= _ON_SERVER) as address:
                if address is not None:
                    server.fill(address, path)
                picked = query.figures(path, count, rounds, address)
                counted = coverage.figures(path, count, rounds, address)
            size = {"size made up": {str(count): path.stat().st_size / count}}
        yield (
            count,
            Figures(
                [*picked.results, *counted.results],
                f"{picked.detail}\n\n{counted.detail}\n\nBeside {run.versions()}.",
                picked.points | counted.points | size,
            ),
        )
