"""What `verify` found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from satcat.integrity import Finding


@dataclass(slots=True)
class Difference:
    """A product that is not here as it is at the source.

    Attributes:
        kind: `missing` (listed, not held), `stale` (held as it was), `extra` (held, not listed), `stranger` (held for no
            scope and no download).
        where: the scope and window.
    """

    kind: str
    id: str
    where: str | None
    detail: str
    repaired: bool = False

    def __str__(self) -> str:
        mended = " (repaired)" if self.repaired else ""
        return f"{self.id} {self.detail}{mended}"


@dataclass(slots=True)
class VerifyReport:
    """What was shown, and what was not.

    Attributes:
        findings: what is wrong with the catalogue in itself; what was put right is in `mended`.
        differences: products that are not as the source says, also the repaired ones.
        windows_compared: windows whose ids the source listed completely, and that were compared.
        windows_unfinished: windows that no sync has walked to the end yet. windows_left: not compared, the budget was spent.
        incomplete_listings: windows that the source did not list completely.
        pending: products that changed too recently to count. news: what following first brought.
    """

    findings: list[Finding] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    windows_compared: int = 0
    windows_unfinished: int = 0
    windows_left: int = 0
    incomplete_listings: list[str] = field(default_factory=list)
    products_compared: int = 0
    products_sampled: int = 0
    open_rejects: int = 0
    pending: int = 0
    news: int = 0
    requests: int = 0

    @property
    def left(self) -> list[Difference]:
        """The differences that are still there."""
        return [difference for difference in self.differences if not difference.repaired]

    @property
    def exit_code(self) -> int:
        """8: differences are left. 6: none known, but not everything could be compared. 0: shown."""
        if self.findings or self.left:
            return 8
        unshown = self.windows_unfinished + self.windows_left + self.open_rejects
        return 6 if unshown or self.incomplete_listings else 0

    def as_json(self) -> dict[str, Any]:
        """The whole report as plain values."""
        return {**asdict(self), "exit_code": self.exit_code}
