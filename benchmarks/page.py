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
_BUSY = 2.0  # load for each core; a part itself takes one or two
_TITLES = {"sync": "Mirroring", "startup": "Start-up", "downloads": "Downloads"}


def _titled(name: str) -> str:
    """The title of a part."""
    size = name.removeprefix("queries ")
    return _TITLES.get(name) or f"Queries and coverage, {int(size):,} products"


def _question(result: Result) -> str:
    """What was asked, of however many products."""
    return re.sub(r"^[\d,]+ products: ", "", result.what)


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
                "Made by `python -m benchmarks --keep`; do not edit. [Why goals are not met](NOTES.md). Figures are medians, "
                f"but for mirroring more than 100,000 products, which is done once; ratios above 1 are satcat's lead.{self.busy()}"
            ),
            table(self.results(large)),
            "![Growth](growth.svg)",
            "## Growth",
            growth.table(self.points()),
        ]
        for name in (*_TITLES, *(f"queries {n}" for n in self.sizes())):
            if name in self.parts:
                figures = self.parts[name]
                blocks += [
                    f"## {_titled(name)}",
                    f"{figures.when}.",
                    *([figures.detail] if figures.detail else []),
                ]
        return "\n\n".join(blocks) + "\n"

    def busy(self) -> str:
        """What was measured while the machine had other work, as a sentence."""
        named = [
            _titled(name).lower() for name, figures in self.parts.items() if figures.load > _BUSY
        ]
        if not named:
            return ""
        return f" **The machine had other work** during: {'; '.join(named)}."

    def with_goals(self) -> list[Result]:
        """What has a goal: of the largest catalogue, and of the largest that was asked what it was not."""
        asked: dict[str, Result] = {}
        for one in self.results(self.sizes()):
            if one.goal:
                asked.pop(_question(one), None)  # of a smaller catalogue
                asked[_question(one)] = one
        return list(asked.values())

    def section(self) -> str:
        """The README's part."""
        goals = self.with_goals()
        days = sorted({figures.when.partition(";")[0] for figures in self.parts.values()})
        machines = " and on ".join(
            dict.fromkeys(figures.machine for figures in self.parts.values())
        )
        return (
            f"Measured {' to '.join(dict.fromkeys((days[0], days[-1])))} on {machines}; medians, but for mirroring more than 100,000.{self.busy()}\n\n"
            f"{table(goals)}\n\n"
            "![Time of queries, CPU and memory of a sync and size of the database, by number of products](benchmarks/growth.svg)\n"
        )
