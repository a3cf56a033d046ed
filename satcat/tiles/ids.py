"""Tile ids: which exist, how people write them, and lists of them."""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, TypeAlias

from satcat.errors import TileError
from satcat.terminal import short

Grid: TypeAlias = Literal["mgrs", "wrs2"]

#: How many paths WRS-2 has, and those of its 248 rows that are flown by day (descending): the last
#: two lie before row 1, on the way over the Arctic.
PATHS = 233
ROWS = (*range(1, 123), 247, 248)

_MGRS = re.compile(r"T?(\d{1,2})([C-HJ-NP-X])([A-HJ-NP-Z][A-HJ-NP-V])", re.ASCII)
_WRS2 = re.compile(r"(\d{3})(\d{3})|(\d{1,3})[/-](\d{1,3})", re.ASCII)
_FORMS = "a tile is written 30TWM (Sentinel-2) or 203033 (Landsat, path 1-233, row 1-122, 247, 248)"


def normalise(text: str) -> str:
    """The tile id in its one form: `T30TWM`, `30twm` are `30TWM`; `203/033`, `203-33` are `203033`.

    Raises:
        TileError: no such tile in either grid.
    """
    stated = text.strip().upper()
    if match := _MGRS.fullmatch(stated):
        tile_id = f"{int(match[1]):02}{match[2]}{match[3]}"
    elif match := _WRS2.fullmatch(stated):
        path, row = match[1] or match[3], match[2] or match[4]
        tile_id = f"{int(path):03}{int(row):03}"
    else:
        raise TileError(f"{short(text)} is no tile: {_FORMS}")
    if not exists(tile_id):
        raise TileError(f"there is no tile {tile_id}: {_neighbours(tile_id) or _FORMS}")
    return tile_id


def exists(tile_id: str) -> bool:
    """Tell whether a grid has this tile; the id is in its one form."""
    if _is_wrs2(tile_id):
        return 1 <= int(tile_id[:3]) <= PATHS and int(tile_id[3:]) in ROWS
    return len(tile_id) == 5 and tile_id[3:] in _pairs(_names()["all"].get(tile_id[:3], ""))


def grid(tile_id: str) -> Grid:
    """The grid that has this tile.

    Raises:
        TileError: neither has; ids in another form than `normalise` gives are not known.
    """
    if not exists(tile_id):
        raise TileError(f"there is no tile {short(tile_id)}: {_FORMS}")
    return "wrs2" if _is_wrs2(tile_id) else "mgrs"


def epsg(tile_id: str) -> int | None:
    """The EPSG code of an MGRS tile's UTM zone; None for WRS-2, whose scenes lie in several."""
    if grid(tile_id) == "wrs2":
        return None
    return (32600 if tile_id[2] >= "N" else 32700) + int(tile_id[:2])


def every(grid: Grid) -> list[str]:
    """All ids of a grid, in order."""
    if grid == "wrs2":
        return [f"{path:03}{row:03}" for path in range(1, PATHS + 1) for row in ROWS]
    return sorted(_spelled("all"))


def with_land() -> set[str]:
    """The MGRS tiles that have land in them."""
    return set(_spelled("land"))


def read_list(source: str | Path) -> list[str]:
    """The ids in a text, or in a file given as Path or `@name`: on lines or with commas.

    `#` starts a comment. Gives each tile once, in the order of first mention.

    Raises:
        TileError: a file that cannot be read, an unknown tile (with its line), or none at all.
    """
    where, text = "the list", source
    if isinstance(source, Path) or source.startswith("@"):
        where = str(source).removeprefix("@")
        text = _read(where)
    found: dict[str, None] = {}
    for number, line in enumerate(str(text).splitlines(), start=1):
        for word in re.split(r"[,\s]+", line.partition("#")[0].strip()):
            try:
                found |= {normalise(word): None} if word else {}
            except TileError as error:
                raise TileError(f"{where}, line {number}: {error}") from None
    if not found:
        raise TileError(f"{where} names no tile: {_FORMS}")
    return list(found)


def _read(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise TileError(f"the tile list {name} is no text file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TileError(f"the tile list {name} cannot be read: {reason}") from None


@cache
def _names() -> dict[str, dict[str, str]]:
    """The packed names: `all` and `land`, zone and band -> letter pairs in a row."""
    packed = files("satcat.tiles").joinpath("mgrs_tile_names.json.xz").read_bytes()
    data: dict[str, dict[str, str]] = json.loads(lzma.decompress(packed))
    return data


def _spelled(which: Literal["all", "land"]) -> Iterator[str]:
    for zone_band, letters in _names()[which].items():
        for pair in _pairs(letters):
            yield zone_band + pair


@cache
def _pairs(letters: str) -> tuple[str, ...]:
    return tuple(letters[start : start + 2] for start in range(0, len(letters), 2))


def _is_wrs2(tile_id: str) -> bool:
    return len(tile_id) == 6 and tile_id.isascii() and tile_id.isdigit()


def _neighbours(tile_id: str) -> str:
    zone_band = tile_id[:3]
    near = get_close_matches(tile_id[3:], _pairs(_names()["all"].get(zone_band, "")), cutoff=0.5)
    return f"near it in name are {', '.join(zone_band + pair for pair in near)}" if near else ""
