"""Products that no scope lists, kept because a download refers to them: asked for one by one, complete in no sense."""

from __future__ import annotations

from satcat.api.base import Reject, SatelliteAPI
from satcat.database import Database
from satcat.errors import SatcatError
from satcat.filters import SearchFilters
from satcat.sync import store
from satcat.sync.clock import Clock


def look_after(database: Database, api: SatelliteAPI) -> SatcatError | None:
    """Drop what neither a scope nor a download needs any more; bring up to date what only a download needs.

    Returns what the source made impossible.
    """
    with database.write() as connection:
        store.drop_unlisted(connection)
        kept = store.kept_for_downloads(connection, api.source)
    try:
        for collection in sorted({collection for _, collection in kept}):
            _ask(database, api, collection, [i for i, of in kept if of == collection])
    except SatcatError as error:
        return error
    return None


def _ask(database: Database, api: SatelliteAPI, collection: str, ids: list[str]) -> None:
    clock = Clock(api.clock(SearchFilters(collection=collection)))
    for product_id, answer in api.get(ids, collection):
        with database.write() as connection:
            if answer is None:
                store.bury(connection, [product_id], kind="vanished", at=clock.now)
            elif not isinstance(answer, Reject):
                store.store(connection, [answer], scope_id=None, at=clock.now)
