"""Tables for people: columns as wide as their cells, or cut to the terminal; `-` is unknown.

Control characters are escaped, for names come from outside and must not drive the terminal.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, TextIO, TypeAlias

from satcat.cli import wording
from satcat.terminal import printable

#: Words a value for people.
Words: TypeAlias = Callable[[Any], str]

NO_WORDS: Mapping[str, Words] = MappingProxyType({})
_SAMPLE = 1000  # rows that the widths are made from; the others stream by
_NARROWEST = 8  # characters that a column is never cut below


def write(
    file: TextIO,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
    width: int | None = None,
    words: Mapping[str, Words] = NO_WORDS,
) -> int:
    """Write a table and return how many rows it has; no rows, no table.

    Args:
        rows: values in the columns' order.
        width: characters that a line may have; None: any number.
        words: how a column's known values are worded, where not as any other value.
    """
    wordings = [words.get(name, _word) for name in columns]
    values = iter(rows)
    sample = list(itertools.islice(values, _SAMPLE))
    if not sample:
        return 0
    right = [_all_numbers(column) for column in zip(*sample, strict=True)]
    texts = [_texts(row, wordings) for row in sample]
    needed = [max(map(len, column)) for column in zip(*texts, strict=True)]
    widths = _fit([max(len(n), w) for n, w in zip(columns, needed, strict=True)], needed, width)
    cut = width is not None
    file.write(_line(columns, widths, right, cut=cut))
    file.write(_line(["-" * width for width in widths], widths, right, cut=cut))
    total = 0
    for line in itertools.chain(texts, (_texts(row, wordings) for row in values)):
        file.write(_line(line, widths, right, cut=cut))
        total += 1
    return total


def _texts(row: Sequence[Any], wordings: Sequence[Words]) -> list[str]:
    return [
        "-" if value is None else word(value) for value, word in zip(row, wordings, strict=True)
    ]


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return wording.moment(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return printable(str(value))


def _all_numbers(values: Iterable[Any]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(
        isinstance(v, (int, float)) and not isinstance(v, bool) for v in known
    )


def _fit(widths: list[int], needed: list[int], limit: int | None) -> list[int]:
    """Take from columns until a line fits: from long headings first, then from the widest, down to what can be read."""
    while limit is not None and sum(widths) + 2 * (len(widths) - 1) > limit:
        spare = [max(0, w - max(n, _NARROWEST)) for w, n in zip(widths, needed, strict=True)]
        place = spare.index(max(spare)) if any(spare) else widths.index(max(widths))
        if widths[place] <= _NARROWEST:
            break
        widths[place] -= 1
    return widths


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool], *, cut: bool) -> str:
    shown = []
    for cell, width, to_right in zip(cells, widths, right, strict=True):
        text = cell if len(cell) <= width or not cut else cell[: width - 1] + "…"
        shown.append(text.rjust(width) if to_right else text.ljust(width))
    return "  ".join(shown).rstrip() + "\n"
