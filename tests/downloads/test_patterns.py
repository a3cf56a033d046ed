"""Which files of a package are wanted, against asking `fnmatch` about every one."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satcat.downloads import patterns
from satcat.errors import FilterError

S2 = (
    "manifest.safe",
    "MTD_MSIL2A.xml",
    "GRANULE/L2A_T30TWM_A046809_20240604T105621/MTD_TL.xml",
    "GRANULE/L2A_T30TWM_A046809_20240604T105621/IMG_DATA/R10m/T30TWM_20240604T105619_B04_10m.jp2",
    "GRANULE/L2A_T30TWM_A046809_20240604T105621/IMG_DATA/R10m/T30TWM_20240604T105619_B08_10m.jp2",
    "GRANULE/L2A_T30TWM_A046809_20240604T105621/IMG_DATA/R20m/T30TWM_20240604T105619_B04_20m.jp2",
    "GRANULE/L2A_T30TWM_A046809_20240604T105621/QI_DATA/MSK_CLDPRB_20m.jp2",
)

#: Few letters, so that patterns and paths often fit.
name = st.text("ab.", min_size=1, max_size=4)
path = st.lists(name, min_size=1, max_size=4).map("/".join)
glob = st.text("ab./*?[]!-", min_size=1, max_size=10)


@pytest.mark.parametrize(
    ("pattern", "number"),
    [
        ("*_B0[48]_10m.jp2", 2),
        ("*MTD*.xml", 2),
        ("*mtd*.xml", 0),
        ("MTD_TL.xml", 1),
        ("GRANULE/*/R10m/*", 2),
        ("R10m/*", 0),
        ("*/R10m/*", 2),
        ("*", 7),
    ],
)
def test_a_pattern_means_the_whole_path_or_the_bare_name(pattern: str, number: int) -> None:
    assert sum(patterns.matches([pattern], path) for path in S2) == number


def test_a_folder_that_no_pattern_can_reach_is_not_looked_into() -> None:
    def below(folder: str, *wanted: str) -> bool:
        return patterns.may_match_below(wanted, folder)

    assert not below("AUX_DATA", "GRANULE/*/R10m/*", "HTML/*")
    assert below("HTML", "GRANULE/*/R10m/*", "HTML/*")
    assert below("GRANULE/L2A/QI_DATA", "GRANULE/*/R10m/*")  # `*` is slashes too
    assert not below("GRANULE/L2A", "GRANULE/L1C*")
    assert below("anywhere/at/all", "MTD_TL.xml")


@given(st.lists(glob, min_size=1, max_size=3), path)
def test_files_are_those_that_fnmatch_says(wanted: list[str], path: str) -> None:
    said = any(fnmatchcase(path, p) or fnmatchcase(path.rpartition("/")[2], p) for p in wanted)
    assert patterns.matches(wanted, path) == said


@given(st.lists(glob, min_size=1, max_size=3), path)
def test_no_folder_is_left_out_that_holds_a_wanted_file(wanted: list[str], path: str) -> None:
    steps = path.split("/")
    if patterns.matches(wanted, path):
        for depth in range(1, len(steps)):
            assert patterns.may_match_below(wanted, "/".join(steps[:depth]))


@given(st.text("ab*/", min_size=1, max_size=6), st.text("ab", min_size=1, max_size=2))
def test_a_folder_is_looked_into_only_if_a_file_below_could_match(
    pattern: str, folder: str
) -> None:
    tails = {""}
    for _ in range(5):
        tails |= {tail + character for tail in tails for character in "ab/" if len(tail) < 5}
    below = (f"{folder}/{tail}" for tail in tails)
    possible = "/" not in pattern or any(fnmatchcase(path, pattern) for path in below)
    assert patterns.may_match_below([pattern], folder) == possible


def test_patterns_are_stored_one_a_line_and_each_once() -> None:
    assert patterns.join(["*.xml", " *.jp2 ", "*.xml", ""]) == "*.xml\n*.jp2"
    assert patterns.parse("*.xml\r\n\n  *.jp2\n*.xml") == ("*.xml", "*.jp2")
    for nothing in (None, "", " \n\t"):
        assert patterns.parse(nothing) == () and patterns.join(patterns.parse(nothing)) is None


@pytest.mark.parametrize("given", ["", " ", [], ["", "\n"], "a\x00b", "x" * 20_000])
def test_what_is_no_pattern_is_refused(given: str | list[str]) -> None:
    with pytest.raises(FilterError, match="--include"):
        patterns.check(given)


@pytest.mark.parametrize("given", ["*_B0[48_10m.jp2", "*[", "a[]", "[!]x", "[ab][c"])
def test_a_bracket_that_is_not_closed_is_refused_with_a_hint(given: str) -> None:
    with pytest.raises(FilterError, match=r"a \[ is not closed.*\[\[\] is the bracket itself"):
        patterns.check(["*.xml", given])


@pytest.mark.parametrize("given", ["*_B0[48]_10m.jp2", "[[]x", "[]]", "[!]]", "a]b"])
def test_sets_and_lone_closing_brackets_are_taken(given: str) -> None:
    assert patterns.check(given) == given
