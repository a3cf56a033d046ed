"""What a check of a catalogue finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from satcat.products import content_hash

#: What `Finding.kind` may be; `altered` and `both` name a product in `Finding.id`.
KINDS = ("file", "reference", "spatial index", "tile_months", "altered", "both")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be; `id` is the product's, where it is about one."""

    kind: str
    detail: str
    id: str | None = None

    def __str__(self) -> str:
        return f"{self.kind}: {self.id or ''} {self.detail}".replace(":  ", ": ")


def hash_of(values: dict[str, Any]) -> str | None:
    """The content hash of a row; None if it cannot be one of ours."""
    try:
        return content_hash(values)
    except (TypeError, ValueError):
        return None
