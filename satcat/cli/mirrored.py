"""What offline commands say of the part that is not mirrored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from satcat.errors import NotMirroredError

if TYPE_CHECKING:
    from satcat.catalogue import Catalogue
    from satcat.cli.frame import Settings
    from satcat.filters import SearchFilters
    from satcat.mirrored import Survey


def tell(settings: Settings, survey: Survey) -> None:
    """Print the notes of a survey on stderr."""
    for note in survey.notes():
        settings.say(note)


def suggest(settings: Settings, catalogue: Catalogue, filters: SearchFilters) -> None:
    """Say on stderr what else may have been meant, where nothing was found."""
    for hint in catalogue.hints(filters):
        settings.say(hint)


def insist(survey: Survey, *, strict: bool) -> None:
    """Raise NotMirroredError if --strict was given and the survey has gaps."""
    if strict and survey.gaps:
        parts = "1 part is" if len(survey.gaps) == 1 else f"{len(survey.gaps):,} parts are"
        raise NotMirroredError(
            f"--strict: of what was asked for, {parts} not mirrored or not finished; run satcat sync"
        )
