"""The page of benchmarks is made from figures that are kept, and leaves what people wrote as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import page
from benchmarks.report import Figures, Result

README = "# satcat\n<!-- figures -->\nold\n<!-- end of figures -->\nBy hand.\n"
SMALL, LARGE = (
    Figures([Result(f"a tile of {n}", "1 ms", goal="≤ 2 ms", met=True)], points={"point, month": {n: ms}}, when="2026; 2 cores; load 1")
    for n, ms in (("1000000", 2.0), ("10000000", 3.0))
)  # fmt: skip


@pytest.fixture
def kept() -> page.Kept:
    sync = Figures([Result("sync", "5", goal="≥ 6", met=False), Result("extra", "7")], "| more |")
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
    assert "| sync | 5 |  | ≥ 6 | **no** |" in text and "a tile of 10000000" in text
    assert "extra" not in text and "a tile of 1000000 " not in text and "old" not in text


def test_the_page_has_all_lines_and_how_times_grow(kept: page.Kept) -> None:
    text = kept.markdown()
    for told in ("| extra |", "a tile of 1000000 ", "a tile of 10000000 ", "| more |"):
        assert told in text
    assert "| growth from 1,000,000 to 10,000,000 products: a point, a month | × 1.5 |" in text


def test_a_readme_without_the_marks_is_refused(kept: page.Kept, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# satcat\n")
    with pytest.raises(AssertionError, match="lost the marks"):
        kept.write(tmp_path, tmp_path / "README.md")
