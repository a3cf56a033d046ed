"""What a listing of ids shows to be different here.

That a product is missing from a listing means something only if the listing is complete.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from satcat.api.base import Listed, Page, SatelliteAPI
from satcat.sync import scopes
from satcat.sync.clock import Clock
from satcat.sync.ledger import Tally
from satcat.sync.scopes import Scope
from satcat.sync.windows import Window


@dataclass(slots=True)
class Listing:
    """The ids that the source lists for one window.

    Attributes:
        published_before: only products published before this were listed and counted.
        nameless: records without an id.
    """

    window: Window
    published_before: datetime
    ids: dict[str, datetime | None] = field(default_factory=dict)
    counted: int | None = None
    nameless: int = 0

    @property
    def complete(self) -> bool:
        """Whether the source listed as many distinct ids as it counts."""
        return self.counted == len(self.ids) and not self.nameless

    @property
    def doubt(self) -> str:
        """Why the listing is not complete."""
        if self.nameless:
            return f"the source lists {self.nameless} records without id"
        return f"the source counts {self.counted} products but lists {len(self.ids)}"

    @property
    def tally(self) -> Tally:
        """The ids' number and digest."""
        return Tally.of(self.ids)

    def take(self, page: Page[Listed]) -> None:
        """Add what a page lists."""
        if self.counted is None:
            self.counted = page.count
        self.ids.update((row.id, row.modification_date) for row in page.rows)
        self.nameless += len(page.rejects)


@dataclass(frozen=True, slots=True)
class Differences:
    """Ids in which a window here differs from the source's listing.

    Attributes:
        missing: listed, not held. stale: held as of another modification date. extra: held, not listed.
    """

    missing: list[str]
    stale: list[str]
    extra: list[str]

    def __bool__(self) -> bool:
        return bool(self.missing or self.stale or self.extra)


def list_ids(api: SatelliteAPI, scope: Scope, window: Window, clock: Clock) -> Listing:
    """List a window's ids; counted again at the end if they do not fit the count asked at the start."""
    filters = scope.slices[window.slice]
    listing = Listing(window, clock.now)
    before = listing.published_before
    for page in api.ids(filters, window.interval, published_before=before):
        clock.see(page.server_time)
        listing.take(page)
    if not listing.complete:
        listing.counted = api.count(filters, window.interval, published_before=before)
    return listing


def compare(connection: Connection, scope: Scope, listing: Listing) -> Differences:
    """Compare a listing with what is held of its window.

    A product without a publication date need not be listed: the listing asks for those published before some time.
    """
    window, before = listing.window, listing.published_before
    here = scopes.held_in(connection, scope, window.slice, window.interval, before)
    both = here.keys() & listing.ids.keys()
    unlisted = here.keys() - listing.ids.keys()
    return Differences(
        missing=sorted(listing.ids.keys() - here.keys()),
        stale=sorted(i for i in both if listing.ids[i] != here[i].modification_date),
        extra=sorted(i for i in unlisted if here[i].publication_date is not None),
    )
