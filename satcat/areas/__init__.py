"""Areas of interest as people have them: WKT, GeoJSON, KML, KMZ, GeoPackage, Shapefile; typed, piped or in a file.

What kind it is, the content tells, not the file's name. Everything comes out as one geometry in the normal form of
`satcat.globe`, with coordinates of at most 9 decimals (0.1 mm): as a source is asked for it. What had to be mended is
told in notes; what cannot be meant is a FootprintError, and nothing else is raised.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from satcat.areas import files, mending, texts
from satcat.errors import FootprintError
from satcat.terminal import printable, short

_NUMBERS = re.compile(r"[-+.\d\s,;]+")


class Area(NamedTuple):
    """An area, and what was mended to get it."""

    geometry: Any
    notes: tuple[str, ...]


def read(stated: object) -> Area:
    """Read an area: text or the name of a file, a Path, a file's bytes, a GeoJSON mapping, or a shapely geometry.

    `FILE:LAYER` names one layer of a GeoPackage, or one file of a zip. A collection is the union of its members.
    """
    notes: list[str] = []
    try:
        members = _members(stated, notes)
        with np.errstate(
            all="ignore"
        ):  # GEOS would warn of numbers that are refused, or mended, anyway
            geometry = mending.area(members, notes)
    except FootprintError as error:  # it may quote names of layers and members
        raise FootprintError(printable(str(error))) from None
    return Area(geometry, tuple(map(printable, notes)))


def _members(stated: object, notes: list[str]) -> list[Any]:
    if isinstance(stated, Mapping):
        return texts.read(json.dumps(stated, default=list), notes)
    if isinstance(stated, bytes):
        return files.read_content(stated, "standard input", None, notes)
    if isinstance(stated, Path):
        return files.read(str(stated), notes)
    return (
        _typed(stated.strip(), notes)
        if isinstance(stated, str)
        else texts.read(_wkt(stated), notes)
    )


def is_text(stated: str) -> bool:
    """Tell whether this is a geometry itself, not the name of a file that may change."""
    return texts.is_one(stated.strip())


def _typed(text: str, notes: list[str]) -> list[Any]:
    if texts.is_one(text):
        return texts.read(text, notes)
    if text and _NUMBERS.fullmatch(text) and not Path(text).exists():
        raise FootprintError(
            f"{short(text)} is no geometry: a box is given with --bbox W,S,E,N, a point with --point LON,LAT"
        )
    return files.read(text, notes)


def _wkt(stated: Any) -> str:
    wkt = getattr(stated, "wkt", None)
    if not isinstance(wkt, str):
        raise FootprintError(f"{type(stated).__name__} is no kind of geometry that is known here")
    return wkt
