"""What a dataset can be partitioned by, and how its folders are called: as Hive calls them, `collection=SENTINEL-2`.

DuckDB, Spark, Dask and pyarrow read the values back from these names.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any

from satcat.choice import PERIODS, SHORT_NAMES
from satcat.errors import FilterError

#: Columns whose values many products share, and the year, month (`2024-06`) and day of the sensing start.
KEYS = (
    "collection", "product_type", "processing_level", "processing_baseline", "platform", "instrument", "tile_id",
    "relative_orbit", "orbit_direction", "polarisation", "source", "online", *PERIODS,
)  # fmt: skip
#: What stands for an unknown value, and for an empty text.
UNKNOWN = "__HIVE_DEFAULT_PARTITION__"
# what no file system and no reader takes for anything but itself; other alphabets stay, for Hive decodes byte by byte
_SPECIAL = re.compile(r"[^\w.-]", re.ASCII)


def keys(stated: str | Sequence[str]) -> list[str]:
    """The keys that `collection,month` names, in this order; short names as for `--per`.

    Raises:
        FilterError: one is none, or stands there twice.
    """
    words = stated.split(",") if isinstance(stated, str) else stated
    found: list[str] = []
    for word in (each.strip() for each in words):
        key = SHORT_NAMES.get(word, word)
        if key not in KEYS:
            near = difflib.get_close_matches(word, KEYS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(KEYS)}"
            raise FilterError(f"--partition {word!r}: nothing to partition by; {hint}")
        if key in found:
            raise FilterError(f"--partition {word!r}: it is there twice")
        found.append(key)
    if not found:
        raise FilterError("--partition: name what to partition by, as collection,month")
    return found


def folder(names: Sequence[str], values: Sequence[Any]) -> PurePosixPath:
    """Where the products with these values go, below the dataset's folder."""
    return PurePosixPath(
        *(f"{name}={_encoded(value)}" for name, value in zip(names, values, strict=True))
    )


def _encoded(value: Any) -> str:
    """A value as a part of a folder's name; different values never look alike."""
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return str(value).lower()
    text = _SPECIAL.sub(_percent, str(value))
    return f"%5F{text[1:]}" if text == UNKNOWN else text


def _percent(match: re.Match[str]) -> str:
    character = match.group()
    return f"%{ord(character):02X}" if character.isascii() else character
