"""How figures grow with the number of products: a plot and a table."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.query import WITH_GOALS
from benchmarks.report import Result

#: Of each curve: the value at so many products.
Curves = dict[str, dict[int, float]]

_FEW = 20  # rows, which take no time to speak of
_SYNCED = 100_000  # products, from which on a sync is told to be linear or not

#: Each panel: its title, and its curves with their names there.
_QUERIES = {
    "tile, level, month, cloud": "a tile, a month", "point, month": "a point, a month",
    "polygon, month": "a polygon, a month",
    "one product by its name": "a name", "the newest 20 of a collection": "the newest 20",
    "coverage: counts of all tiles and types, one month": "counts of all tiles, a month",
}  # fmt: skip
_PANELS: tuple[tuple[str, dict[str, str], float | None], ...] = (
    ("Query, ms", _QUERIES, None),
    ("Sync, µs of CPU a product", {"sync": "sync"}, 1e6 / 6000),
    ("Peak memory of a sync, MB", {"memory": "sync"}, 200),
    ("Database, bytes a product",
     {"size": "mirrored, 30 attributes", "size made up": "made up, few attributes"}, 2000),
)  # fmt: skip


def draw(curves: Curves, path: Path) -> None:
    """Draw the panels into an SVG file; leaves it as it is where matplotlib is not installed."""
    if find_spec("matplotlib") is None:
        print(f"matplotlib is not installed: {path.name} is not drawn anew", file=sys.stderr)
        return
    settings: Any = import_module("matplotlib")
    settings.rcParams |= {"svg.hashsalt": "satcat", "svg.fonttype": "none", "font.size": 9}
    figure = import_module("matplotlib.figure").Figure(figsize=(10, 6.4), layout="constrained")
    panels = figure.subplots(2, 2, sharex=True).flat
    for axes, (title, wanted, goal) in zip(panels, _PANELS, strict=True):
        _panel(axes, title, {name: curves.get(curve, {}) for curve, name in wanted.items()}, goal)
    figure.savefig(path, metadata={"Date": None})


def _panel(axes: Any, title: str, curves: Curves, goal: float | None) -> None:
    axes.set_title(title, loc="left")
    axes.set_xscale("log")
    axes.margins(y=0.15)
    for name, points in curves.items():
        axes.plot(list(points), list(points.values()), marker="o", label=name)
    if goal is None:
        axes.set_yscale("log")
    else:
        axes.axhline(goal, color="grey", linestyle="--", label="goal: below")
        axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    axes.tick_params(labelbottom=True)
    axes.set_xlabel("products")
    axes.grid(visible=True, alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def table(curves: Curves) -> str:
    """The points of the plot."""
    sizes = sorted({size for points in curves.values() for size in points})
    lines = [f"| | {' | '.join(f'{size:,}' for size in sizes)} |", f"|---|{'--:|' * len(sizes)}"]
    for title, wanted, _ in _PANELS:
        for curve, name in wanted.items():
            points = curves.get(curve, {})
            cells = [f"{points[size]:,.3g}" if size in points else "" for size in sizes]
            cells = [
                cell if "e" not in cell else f"{points[size]:,.0f}"
                for cell, size in zip(cells, sizes, strict=True)
            ]
            lines.append(f"| {title}: {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def results(curves: Curves) -> Iterator[Result]:
    """How much the time of a query grows, and its answer; and whether sync is linear.

    An answer takes time for each of its rows: where it grows, that is told, and no verdict is given.
    """
    for curve, name in _QUERIES.items():
        points, rows = curves.get(curve, {}), curves.get(f"rows: {curve}", {})
        if len(points) > 1:
            first, *_, last = points
            times, most = points[last] / points[first], math.log(last) / math.log(first)
            before, now = rows.get(first, 0.0), rows.get(last, math.inf)
            alike = now <= max(before, _FEW)
            yield Result(f"growth from {first:,} to {last:,} products: {name}", f"× {times:.1f}",
                         f"products × {last // first:,}, rows {before:,.0f} → {now:,.0f}",
                         f"logarithmic: ≤ × {most:.2f}" if alike else "",
                         met=times <= most if alike and last >= WITH_GOALS else None)  # fmt: skip
    sync = curves.get("sync", {})
    if len(sync) > 1:
        first, *_, last = sync
        times = sync[last] / sync[first]
        yield Result(f"growth from {first:,} to {last:,} products: CPU of a sync, each", f"× {times:.2f}", "", "linear: ≤ × 1.5",
                     met=times <= 1.5 if last >= _SYNCED else None)  # fmt: skip
