"""What a listing says, in a form that can be compared: how many ids, and a digest of them.

The digest is the sum, modulo 2^128, of the first 16 bytes of each id's SHA-256. A sum does not depend on the order, can
be carried on from page to page, and unlike XOR does not hide an id that is listed twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

_MODULUS = 1 << 128


@dataclass(frozen=True, slots=True)
class Tally:
    """A number of ids and their digest."""

    count: int = 0
    total: int = 0

    @classmethod
    def of(cls, ids: Iterable[str]) -> Self:
        """Count ids; each counts as often as it is given."""
        count = total = 0
        for product_id in ids:
            count += 1
            total += int.from_bytes(hashlib.sha256(product_id.encode()).digest()[:16])
        return cls(count, total % _MODULUS)

    @classmethod
    def read(cls, count: int, digest: str | None) -> Self:
        """Go on from what was stored."""
        return cls(count, int(digest, 16) if digest else 0)

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.count + other.count, (self.total + other.total) % _MODULUS)

    @property
    def digest(self) -> str:
        """The digest as 32 hexadecimal digits."""
        return f"{self.total:032x}"
