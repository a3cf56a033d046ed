"""The source that commands talk to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from satcat.errors import SourceError

if TYPE_CHECKING:
    from satcat.api.odata import ODataAPI
    from satcat.cli.frame import Settings

_WORTH_TELLING = 4.0  # seconds


@contextmanager
def source(settings: Settings, *, tell_waits: bool = True) -> Iterator[ODataAPI]:
    """The source, closed in the end. Needs no account to be opened.

    `tell_waits`: people are told each time that it makes them wait.
    """
    from satcat import progress
    from satcat.api.http import HttpClient
    from satcat.api.odata import ODataAPI

    def tell(seconds: float, reason: SourceError) -> None:
        if seconds >= _WORTH_TELLING and tell_waits and not settings.quiet:
            progress.write(f"waiting {seconds:.0f} s: {str(reason).partition(': try again')[0]}")

    api = ODataAPI(http=HttpClient(on_wait=tell))
    try:
        yield api
    finally:
        api.close()
