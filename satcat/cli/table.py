"""Tables for people: columns as wide as their cells, or cut to the terminal; `-` is unknown.

Control characters are escaped, for names come from outside and must not drive the terminal.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, TextIO, TypeAlias

from satcat import terminal, wording

#: Words a value for people.
Words: TypeAlias = Callable[[Any], str]

NO_WORDS: Mapping[str, Words] = MappingProxyType({})
_SAMPLE = 1000  # rows that the widths are made from; the others stream by
_NARROWEST = 8  # cells that a column is never cut below
_GAP = 2  # spaces between columns


@dataclass(frozen=True, slots=True)
class _Layout:
    """How wide each column is, whether it stands to the right, and whether longer cells are cut.

    `rest` is the heading of the columns that did not fit; empty if all did.
    """

    widths: list[int]
    right: list[bool]
    cut: bool
    rest: str = ""

    def line(self, cells: Sequence[str], rest: str = "") -> str:
        """A line of the table."""
        shown = []
        for cell, width, to_right in zip(cells, self.widths, self.right, strict=False):
            text = terminal.cut(cell, width) if self.cut else cell
            shown.append(terminal.padded(text, width, to_right=to_right))
        if self.rest:
            shown.append(rest)
        return (" " * _GAP).join(shown).rstrip() + "\n"


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
        width: cells of the terminal that a line may take; None: any number. Columns that do not fit even when cut are
            left out; the last heading says how many.
        words: how a column's known values are worded, where not as any other value.
    """
    wordings = [words.get(name, _word) for name in columns]
    values = iter(rows)
    sample = list(itertools.islice(values, _SAMPLE))
    if not sample:
        return 0
    headings = [terminal.printable(name) for name in columns]
    texts = [_texts(row, wordings) for row in sample]
    layout = _layout(headings, sample, texts, width)
    file.write(layout.line(headings, layout.rest))
    file.write(layout.line(["-" * cells for cells in layout.widths], "-" * len(layout.rest)))
    total = 0
    for row in itertools.chain(texts, (_texts(row, wordings) for row in values)):
        file.write(layout.line(row, "…"))
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
        value = json.dumps(value, ensure_ascii=False)
    return terminal.printable(str(value))


def _layout(
    headings: list[str], sample: list[Sequence[Any]], texts: list[list[str]], limit: int | None
) -> _Layout:
    right = [_all_numbers(column) for column in zip(*sample, strict=True)]
    needed = [max(map(terminal.width, column)) for column in zip(*texts, strict=True)]
    widths = [max(terminal.width(h), n) for h, n in zip(headings, needed, strict=True)]
    if limit is None:
        return _Layout(widths, right, cut=False)
    rest = ""
    least = [min(width, _NARROWEST) for width in widths]
    kept = len(least)
    while kept > 1 and _line_width(least[:kept]) + len(rest) + bool(rest) * _GAP > limit:
        kept -= 1
        left_out = len(least) - kept
        rest = f"+{left_out} column{'' if left_out == 1 else 's'}"
    room = limit - len(rest) - bool(rest) * _GAP
    return _Layout(_fit(widths[:kept], needed[:kept], room), right[:kept], cut=True, rest=rest)


def _all_numbers(values: Iterable[Any]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(
        isinstance(v, (int, float)) and not isinstance(v, bool) for v in known
    )


def _line_width(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _fit(widths: list[int], needed: list[int], limit: int) -> list[int]:
    """Take from columns until a line fits: from long headings first, then from the widest, down to what can be read."""
    while _line_width(widths) > limit:
        spare = [max(0, w - max(n, _NARROWEST)) for w, n in zip(widths, needed, strict=True)]
        place = spare.index(max(spare)) if any(spare) else widths.index(max(widths))
        if widths[place] <= _NARROWEST:
            break
        widths[place] -= 1
    return widths
