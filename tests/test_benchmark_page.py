"""The page of benchmarks is made from figures that are kept, and leaves what people wrote as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import page
from benchmarks.report import Figures, Result

README = "# satcat\n<!-- figures -->\nold\n<!-- end of figures -->\nBy hand.\n"
SMALL, LARGE = (
    Figures([Result(f"{int(n):,} products: a tile", "1 ms", goal="≤ 2 ms", met=True)], points={"point, month": {n: ms}}, when="2026; 2 cores; load 1")
    for n, ms in (("1000000", 2.0), ("10000000", 3.0))
)  # fmt: skip


@pytest.fixture
def kept() -> page.Kept:
    sync = Figures(
        [Result("sync", "5", goal="≥ 6", met=False), Result("extra", "7")],
        "| more |",
        when="2026; 2 cores; load 1",
    )
    return page.Kept({"queries 10000000": LARGE, "sync": sync, "queries 1000000": SMALL})


def test_figures_are_read_back_as_they_were_kept(kept: page.Kept, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(README)
    kept.write(tmp_path, tmp_path / "README.md")
    assert page.Kept.read(tmp_path) == kept
    assert page.Kept.read(tmp_path / "elsewhere") == page.Kept({})


def test_the_readme_gets_what_has_a_goal_of_the_largest_catalogue(
    kept: page.Kept, tmp_path: Path
) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(README)
    kept.write(tmp_path, readme)
    kept.write(tmp_path, readme)
    text = readme.read_text()
    assert text.startswith("# satcat\n<!-- figures -->\nMeasured ")
    assert text.endswith("<!-- end of figures -->\nBy hand.\n")
    assert "| sync | 5 |  | ≥ 6 | **no** |" in text and "| 10,000,000 products: a tile |" in text
    assert "extra" not in text and "| 1,000,000 products: a tile" not in text
    assert "old" not in text


def test_the_readme_has_goals_that_only_a_smaller_catalogue_was_held_against(
    kept: page.Kept, tmp_path: Path
) -> None:
    kept.parts["queries 1000000"].results.append(
        Result("1,000,000 products: a tile, elsewhere", "2 ms", goal="≤ 3 ms", met=True)
    )
    assert [one.what for one in kept.with_goals()][:3] == [
        "sync",
        "1,000,000 products: a tile, elsewhere",
        "10,000,000 products: a tile",
    ]


def test_it_is_told_which_figures_were_taken_while_the_machine_had_other_work(
    kept: page.Kept,
) -> None:
    assert not kept.busy()
    busy = Figures([], when="2026; 2 cores, 24 GB; load 6.6 when it ended")
    kept.parts["queries 1000000"] = busy
    assert busy.load == 3.3 and busy.machine == "2 cores, 24 GB"
    assert "had other work** during: queries and coverage, 1,000,000 products." in kept.busy()
    assert kept.busy() in kept.section() and kept.busy() in kept.markdown()


def test_the_page_and_the_readme_are_those_of_the_figures_that_are_kept() -> None:
    kept = page.Kept.read(page.HERE)
    assert (page.HERE / "RESULTS.md").read_text() == kept.markdown(), "python -m benchmarks --page"
    assert kept.section() in page.README.read_text(), "python -m benchmarks --page"


def test_the_page_has_all_lines_and_how_times_grow(kept: page.Kept) -> None:
    text = kept.markdown()
    for told in (
        "| extra |",
        "| 1,000,000 products: a tile |",
        "| 10,000,000 products: a tile |",
        "| more |",
    ):
        assert told in text
    assert "| growth from 1,000,000 to 10,000,000 products: a point, a month | × 1.5 |" in text


def test_a_readme_without_the_marks_is_refused(kept: page.Kept, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# satcat\n")
    with pytest.raises(AssertionError, match="lost the marks"):
        kept.write(tmp_path, tmp_path / "README.md")
