"""The page of figures: `RESULTS.md`, the plot, and the README's table, made from `figures.json`, which each part adds to.

Why goals are not met stands in `NOTES.md`, which is written by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from benchmarks import growth
from benchmarks.query import WITH_GOALS
from benchmarks.report import Figures, Result, table

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
_FIGURES = "figures.json"
_SECTION = re.compile(r"(?<=<!-- figures -->\n).*(?=<!-- end of figures -->)", re.DOTALL)
_TITLES = {"sync": "Mirroring", "startup": "Start-up", "downloads": "Downloads"}


@dataclass(frozen=True, slots=True)
class Kept:
    """Figures by the name of their part; those of catalogues are named `queries 1000000`."""

    parts: dict[str, Figures]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Those that a folder has; none, where it has none."""
        file = folder / _FIGURES
        said = json.loads(file.read_text()) if file.exists() else {}
        return cls({name: Figures.from_json(one) for name, one in said.items()})

    def write(self, folder: Path, readme: Path) -> None:
        """Keep the figures in the folder, and make anew what is made from them."""
        said = {name: one.to_json() for name, one in self.parts.items()}
        (folder / _FIGURES).write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n")
        (folder / "RESULTS.md").write_text(self.markdown())
        growth.draw(self.points(), folder / "growth.svg")
        text = readme.read_text()
        assert _SECTION.search(text), f"{readme} has lost the marks of its section of figures"
        readme.write_text(_SECTION.sub(lambda _: self.section(), text))

    def sizes(self) -> list[int]:
        """Of how many products there are figures of queries, smallest first."""
        return sorted(int(name.split()[1]) for name in self.parts if name.startswith("queries "))

    def points(self) -> growth.Curves:
        """Each curve, from all parts."""
        found: growth.Curves = {}
        for figures in self.parts.values():
            for curve, points in figures.points.items():
                found.setdefault(curve, {}).update({int(n): value for n, value in points.items()})
        return {curve: dict(sorted(points.items())) for curve, points in found.items()}

    def results(self, sizes: list[int]) -> Iterator[Result]:
        """The lines of the table, with queries of these sizes."""
        for name in ("sync", *(f"queries {size}" for size in sizes), "downloads", "startup"):
            if name in self.parts:
                yield from self.parts[name].results
        yield from growth.results(self.points())

    def markdown(self) -> str:
        """The whole page."""
        large = [size for size in self.sizes() if size >= WITH_GOALS] or self.sizes()
        blocks = [
            "# How fast satcat is",
            (
                "Made by `python -m benchmarks --keep`; do not edit. [Why goals are not met](NOTES.md). Figures are medians; "
                "ratios above 1 are satcat's lead."
            ),
            table(self.results(large)),
            "![Growth](growth.svg)",
            "## Growth",
            growth.table(self.points()),
        ]
        titles = {
            **_TITLES,
            **{f"queries {n}": f"Queries and coverage, {n:,} products" for n in self.sizes()},
        }
        for name, title in titles.items():
            if name in self.parts:
                figures = self.parts[name]
                blocks += [
                    f"## {title}",
                    f"{figures.when}.",
                    *([figures.detail] if figures.detail else []),
                ]
        return "\n\n".join(blocks) + "\n"

    def section(self) -> str:
        """The README's part: what has a goal, of the largest catalogue."""
        goals = [one for one in self.results(self.sizes()[-1:]) if one.goal]
        days = sorted({figures.when.partition(";")[0] for figures in self.parts.values()})
        machine = next(iter(self.parts.values())).when.partition(";")[2].rpartition(";")[0]
        return (
            f"Measured {' to '.join(dict.fromkeys((days[0], days[-1])))} on{machine}; medians.\n\n{table(goals)}\n\n"
            "![Time of queries, CPU and memory of a sync and size of the database, by number of products](benchmarks/growth.svg)\n"
        )
