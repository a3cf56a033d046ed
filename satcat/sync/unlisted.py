"""Products that no scope lists, kept because a download refers to them: asked for one by one, complete in no sense."""

from __future__ import annotations

from collections.abc import Collection

from satcat.api.base import Reject, SatelliteAPI
from satcat.database import Database
from satcat.errors import SatcatError
from satcat.filters import SearchFilters
from satcat.sync import scopes, store
from satcat.sync.clock import Clock


def look_after(database: Database, api: SatelliteAPI) -> SatcatError | None:
    """Drop what neither a scope nor a download needs any more; bring up to date what only a download needs.

    That is not asked for while a scope is mirrored from another address: nobody knows at which of them it is known.

    Returns what the source made impossible.
    """
    with database.write() as connection:
        store.drop_unlisted(connection)
        mine = [scope for scope in scopes.listing(connection) if scope.source == api.source]
        kept = store.kept_for_downloads(connection, api.source)
    if any(scope.url != api.url for scope in mine):
        return None
    try:
        for collection in sorted({collection for _, collection in kept}):
            _ask(database, api, collection, [i for i, of in kept if of == collection])
    except SatcatError as error:
        return error
    return None


def ask_again(database: Database, api: SatelliteAPI, ids: Collection[str]) -> set[str]:
    """Write those of these products anew that only a download needs, whatever is held of them; returns which."""
    with database.read() as connection:
        kept = store.kept_for_downloads(connection, api.source)
    mine = {product_id: collection for product_id, collection in kept if product_id in ids}
    for product_id, collection in mine.items():
        _ask(database, api, collection, [product_id], force=True)
    return set(mine)


def _ask(
    database: Database, api: SatelliteAPI, collection: str, ids: list[str], *, force: bool = False
) -> None:
    clock = Clock(api.clock(SearchFilters(collection=collection)))
    for product_id, answer in api.get(ids, collection):
        with database.write() as connection:
            if answer is None:
                store.bury(connection, [product_id], kind="vanished", at=clock.now)
            elif not isinstance(answer, Reject):
                store.store(connection, [answer], scope_id=None, at=clock.now, force=force)
