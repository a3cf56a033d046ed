"""What every writer takes: rows as they come, so that a million of them need no memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows on their way out: the names of their columns, and each row's values in that order.

    A column `footprint` holds WKB, lon/lat degrees.
    """

    columns: Sequence[str]
    values: Iterable[Sequence[Any]]
