"""What asking once more does to a row of the queue: nothing, queue it again, or widen it to more files. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from satcat.downloads import patterns

#: What is asked for again as it was: it did not work out, or somebody had called it off.
REQUEUED = ("failed", "cancelled", "gone")
#: The columns of a row that is queued with a clean record.
FRESH: Mapping[str, Any] = {
    "status": "queued", "attempts": 0, "error": None, "not_before": None, "finished_at": None,
}  # fmt: skip
_NOBODYS = {"worker": None, "lease_until": None}
_NO_FILE = {
    "path": None, "size_bytes": None, "checksum_algorithm": None, "checksum": None, "verification": "none",
    "verified_at": None, "bytes_done": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of a row: `already` as wanted, `requeued`, or `widened`; and its new columns."""

    kind: Literal["already", "requeued", "widened"]
    values: Mapping[str, Any] = field(default_factory=dict)


def change(status: str, include: str | None, wanted: str | None) -> Change:
    """What is to be done with a row when these files of its product are wanted.

    What the row asks for already stays: patterns are added to its patterns, and the whole product is more than any. A row
    that gets more is queued whatever its status, a running one too: its worker then finds that it is no longer its own.

    Args:
        include: the files that the row asks for, as `downloads.include` holds it.
        wanted: the same of what is asked for now.
    """
    had = patterns.parse(include)
    if had and wanted is None:  # its folder stays where it is: it is not the whole product
        return Change("widened", {**FRESH, **_NOBODYS, **_NO_FILE, "include": None})
    if had and wanted is not None:
        together = patterns.join([*had, wanted])
        if together != patterns.join(had):
            return Change("widened", {**FRESH, **_NOBODYS, "include": together})
    if status in REQUEUED:
        return Change("requeued", FRESH if had else {**FRESH, "include": wanted})
    return Change("already")
