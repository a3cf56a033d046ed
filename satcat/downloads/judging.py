"""Which product of the catalogue a thing on disk is, and whether it is right."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from satcat import times
from satcat.api.transfer import published
from satcat.downloads import recording
from satcat.downloads.examine import Examiner, State, Verdict
from satcat.downloads.finding import Found
from satcat.downloads.matching import Candidate, Match
from satcat.downloads.recording import Holding
from satcat.select import stem

_PACKAGES = (".zip", ".tar", ".tgz", ".gz")
_NAMED = 3  # ids that a verdict names


@dataclass(frozen=True, slots=True)
class Judged:
    """A thing and what it is.

    Attributes:
        candidate: the one product of the catalogue that it is; None if it is none, or may be several.
        holding: what is to be recorded; None if nothing is.
    """

    match: Match
    verdict: Verdict
    candidate: Candidate | None = None
    holding: Holding | None = None


@dataclass(frozen=True, slots=True)
class Judge:
    """Looks at things. `rehash`: also at what was recorded and has not changed since."""

    examiner: Examiner
    rehash: bool = False

    def judge(self, match: Match) -> Judged | None:
        """What a thing is; None: no product.

        Raises:
            TransferStoppedError: the examiner was stopped.
        """
        found = match.found
        if found.trouble is not None:
            if not found.looks_like_a_product and not found.path.is_dir():
                return None
            return Judged(match, Verdict(State.UNREADABLE, found.trouble))
        candidates = tuple(c for c in match.candidates if _may_be(found, c.product.name))
        if candidates:
            return self._choose(match, candidates)
        if match.deleted is not None and _may_be(found, match.deleted.name):
            return Judged(match, Verdict(State.DELETED, _farewell(match.deleted)))
        if match.candidates or match.deleted is not None or not found.looks_like_a_product:
            return None  # a preview, say, that is called after its product
        return Judged(match, Verdict(State.UNKNOWN, "no product of this name is mirrored"))

    def _choose(self, match: Match, candidates: tuple[Candidate, ...]) -> Judged:
        path, looked_at = match.found.path, times.now()
        for candidate in candidates:
            if (known := self._known(candidate, path)) is not None:
                return Judged(match, known, candidate)
        parts = next((c for c in candidates if _has_parts(c, path)), None)
        if parts is not None and parts.row is not None:
            verdict = self.examiner.folder(path, parts.row.include)
            detail = f"the files that were asked for alone; {verdict.detail}".rstrip("; ")
            return Judged(match, replace(verdict, detail=detail), parts)
        if match.found.is_folder:
            verdict = self.examiner.folder(path)
            looks = [(verdict, candidate) for candidate in candidates]
        else:
            looks = self._looks(path, candidates)
        right = [look for look in looks if look[0].state is State.RIGHT]
        if not right:
            return Judged(match, looks[0][0], candidates[0] if len(candidates) == 1 else None)
        told = [
            look for look in right if look[0].verification == "checksum" or _is_of(look[1], path)
        ]
        if len(right) > 1 and not told:
            return Judged(
                match, replace(right[0][0], state=State.AMBIGUOUS, detail=_ids(candidates))
            )
        verdict, candidate = (told or right)[0]
        doubt = None if verdict.is_thorough else recording.doubt(candidate.row, path)
        if doubt is not None:
            hint = "" if self.examiner.hashing else "; without --quick it is hashed"
            detail = f"its size is right, but it is not recorded as right: {doubt}{hint}"
            return Judged(match, replace(verdict, state=State.UNVERIFIED, detail=detail), candidate)
        return Judged(
            match, verdict, candidate, Holding(candidate.product.id, path, verdict, looked_at)
        )

    def _looks(
        self, path: Path, candidates: tuple[Candidate, ...]
    ) -> list[tuple[Verdict, Candidate]]:
        """Look at a file as each product in turn, the likeliest first, until a checksum tells."""
        size = path.stat().st_size if len(candidates) > 1 and path.is_file() else None
        looks = []
        for candidate in sorted(candidates, key=lambda c: c.product.size_bytes != size):
            verdict = self.examiner.file(path, candidate.product)
            looks.append((verdict, candidate))
            if verdict.verification == "checksum":
                break
        return looks

    def _known(self, candidate: Candidate, path: Path) -> Verdict | None:
        """What the thing's row says, if nothing has changed since."""
        row, checksum = candidate.row, published(candidate.product)[2]
        if self.rehash or row is None or not recording.is_unchanged(row, path, checksum):
            return None
        return Verdict(State.RIGHT, "", row.size_bytes, row.verification)


def _may_be(found: Found, name: str) -> bool:
    """Tell whether a thing can be a product by its suffix: previews and notes are called after products, too."""
    if found.is_folder:
        return True
    suffix, own = found.path.suffix.lower(), name[len(stem(name)) :].lower()
    if suffix in _PACKAGES or found.path.name.lower() == name.lower():
        return True
    return not own and stem(found.path.name) != found.path.name


def _is_of(candidate: Candidate, path: Path) -> bool:
    return candidate.row is not None and candidate.row.path == str(path)


def _has_parts(candidate: Candidate, path: Path) -> bool:
    """Tell whether just this folder is recorded as holding some files of the product."""
    row = candidate.row
    return (
        row is not None
        and row.status == "done"
        and row.include is not None
        and _is_of(candidate, path)
    )


def _ids(candidates: tuple[Candidate, ...]) -> str:
    ids = [candidate.product.id for candidate in candidates]
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return f"it may be each of {', '.join(ids[:_NAMED])}{more}: put _{ids[0][:8]} behind its name to say which"


def _farewell(row: Row[Any]) -> str:
    """How a product left the source's catalogue."""
    when = (row.deletion_date or row.noticed_at).date()
    if row.kind == "vanished":
        return f"no longer listed at the source, as noticed on {row.noticed_at.date()}"
    return f"deleted at the source on {when}" + (
        f": {row.deletion_cause}" if row.deletion_cause else ""
    )
