"""The rows of a statement, whatever holds them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Self


class Rows(ABC):
    """Rows that are read as they are asked for. A context manager; reading to the end closes it too."""

    columns: list[str]
    rows: Iterator[tuple[Any, ...]]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self.rows

    @abstractmethod
    def close(self) -> None:
        """Read no further."""
