"""Which products `mark`, `unmark` and `queue retry` mean: filters, --ids or --all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from satcat import wording
from satcat.cli import options
from satcat.cli.frame import complain, tell
from satcat.errors import FilterError

if TYPE_CHECKING:
    from satcat.catalogue import Selection
    from satcat.choice import Choice
    from satcat.downloads.marks import Changed, Marked
    from satcat.filters import SearchFilters

_NAMED = 20  # words that are named one by one

ids_option = click.option(
    "--ids", metavar="FILE|-",
    help="These products, one a line: ids, names with or without suffix, or the first eight or more characters of "
    "an id; -: standard input.",
)  # fmt: skip


def selection(
    filters: SearchFilters, ids: str | None, *, everything: bool, choice: Choice | None = None
) -> Selection:
    """What --ids, --all or the filters mean: words or filters.

    Raises:
        FilterError: none of them is given, or more than one.
    """
    said = {"--ids": ids is not None, "--all": everything, "filters": bool(filters.set_names)}
    given = [name for name, on in said.items() if on]
    if not given:
        raise FilterError("give filters, --ids FILE or --all: nothing was asked for")
    if len(given) > 1:
        raise FilterError(f"give only one of {' and '.join(given)}")
    if ids is None:
        return filters
    if choice:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in choice)
        raise FilterError(f"--ids says which products are meant: leave {named} out")
    return options.read_lines("--ids", ids)


def tell_unclear(result: Marked | Changed) -> int:
    """Name the words of --ids that mean no product, or several; the exit code that this gives."""
    _name(result.unknown, "of no product in this catalogue")
    _name(result.ambiguous, "the beginning of several ids: give more of it")
    return int(bool(result.unknown or result.ambiguous))


def _name(words: Sequence[str], what: str) -> None:
    if not words:
        return
    complain(
        f"{wording.count(len(words), 'line')} of --ids {'is' if len(words) == 1 else 'are'} {what}:"
    )
    for word in words[:_NAMED]:
        tell(f"  {word[:200]}")
    if len(words) > _NAMED:
        tell(f"  and {len(words) - _NAMED:,} more")
