"""What offline commands say of the part that is not mirrored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from satcat.errors import NotMirroredError

if TYPE_CHECKING:
    from satcat.cli.frame import Settings
    from satcat.mirrored import Survey


def tell(settings: Settings, survey: Survey, *, strict: bool) -> int:
    """Print the notes of a survey on stderr; returns the exit code that the command should end with."""
    for note in survey.notes():
        settings.say(note)
    return NotMirroredError.exit_code if strict and survey.gaps else 0
