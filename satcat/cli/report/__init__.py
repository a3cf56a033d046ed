"""`satcat report`: what the mirror covers."""

from __future__ import annotations

from satcat.cli.frame import group
from satcat.cli.report.calendar import calendar_command
from satcat.cli.report.coverage import coverage_command
from satcat.cli.report.scopes import scopes_command


@group(commands=[coverage_command, calendar_command, scopes_command])
def command() -> None:
    """Report what the mirror covers."""
