"""Tile ids: spellings, existence, lists."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satcat import tiles
from satcat.errors import TileError
from satcat.tiles import ids


@pytest.mark.parametrize(
    ("text", "tile_id"),
    [
        ("30TWM", "30TWM"),
        ("T30TWM", "30TWM"),
        (" t30twm\n", "30TWM"),
        ("1CCV", "01CCV"),
        ("203033", "203033"),
        ("203/033", "203033"),
        ("203-33", "203033"),
        ("1/1", "001001"),
        ("233/248", "233248"),
    ],
)
def test_each_spelling_gives_the_one_form(text: str, tile_id: str) -> None:
    assert tiles.normalise(text) == tile_id
    assert tiles.exists(tile_id)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "'' is no tile: a tile is written 30TWM"),
        ("30IWM", "'30IWM' is no tile"),
        ("\u0663\u0660TWM", "is no tile"),
        ("9" * 3000, "9999...' is no tile"),
        ("61CAA", "there is no tile 61CAA: a tile is written 30TWM"),
        ("30TAA", "there is no tile 30TAA"),
        ("30TWA", "there is no tile 30TWA: near it in name are 30TW"),
        ("234001", "there is no tile 234001: a tile is written"),
        ("203123", "there is no tile 203123"),
        ("000033", "there is no tile 000033"),
    ],
    ids=lambda text: text[:20],
)
def test_an_unknown_tile_is_refused_in_one_line(text: str, complaint: str) -> None:
    with pytest.raises(TileError) as caught:
        tiles.normalise(text)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@given(st.text("0123456789TWMACXZIO/- ", max_size=8))
def test_any_text_is_a_known_tile_or_a_tile_error(text: str) -> None:
    try:
        tile_id = tiles.normalise(text)
    except TileError:
        return
    assert tile_id in ids.every(tiles.grid(tile_id))


def test_every_tile_is_its_own_one_form() -> None:
    for grid in ("mgrs", "wrs2"):
        tile_ids = ids.every(grid)
        assert tile_ids == sorted(set(tile_ids))
        assert all(tiles.exists(tile_id) for tile_id in tile_ids)
        assert [tiles.normalise(tile_id) for tile_id in tile_ids[::97]] == tile_ids[::97]


def test_the_grids_have_all_their_tiles() -> None:
    assert len(ids.every("mgrs")) == 56_686
    assert len(ids.every("wrs2")) == 28_892
    assert len(ids.with_land()) == 20_430
    assert ids.with_land() <= set(ids.every("mgrs"))


def test_a_tile_has_a_grid_and_a_projection() -> None:
    assert (tiles.grid("32TNT"), tiles.epsg("32TNT")) == ("mgrs", 32632)
    assert (tiles.grid("01CCV"), tiles.epsg("01CCV")) == ("mgrs", 32701)
    assert (tiles.grid("203033"), tiles.epsg("203033")) == ("wrs2", None)
    for unknown in ("T30TWM", "30twm", "30TWA", "203123", "", "20303\u0663"):
        assert not tiles.exists(unknown)
        with pytest.raises(TileError, match="there is no tile"):
            tiles.grid(unknown)


def test_a_list_may_have_lines_commas_and_comments(tmp_path: Path) -> None:
    text = "# Navarra\n30TWM, t30twn\n\n203/31 30TWM # again\n"
    path = tmp_path / "tiles.txt"
    path.write_text(f"\ufeff{text}", encoding="utf-8")
    expected = ["30TWM", "30TWN", "203031"]
    assert tiles.read_list(text) == expected
    assert tiles.read_list(path) == expected
    assert tiles.read_list(f"@{path}") == expected


def test_a_bad_list_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "tiles.txt"
    path.write_text("30TWM\n30TWM,\n\n31XXX\n")
    with pytest.raises(TileError, match=r"tiles\.txt, line 4: "):
        tiles.read_list(path)
    with pytest.raises(TileError, match="the list names no tile"):
        tiles.read_list(" # nothing\n")
    with pytest.raises(TileError, match="cannot be read: No such file"):
        tiles.read_list(f"@{tmp_path / 'none.txt'}")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TileError, match="is no text file"):
        tiles.read_list(path)


def test_checking_an_id_loads_neither_numpy_nor_shapely() -> None:
    code = (
        "import sys; from satcat import tiles; tiles.normalise('t30twm'); tiles.epsg('30TWM'); "
        "print([name for name in ('numpy', 'shapely') if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        tiles.nothing  # noqa: B018
