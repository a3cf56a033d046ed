"""What the sandbox lists, what was deleted, and what scripts may do to it.

Every method may be called from any thread, also while a page is being answered.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from satcat.sandbox import packages
from satcat.sandbox.clock import Clock
from satcat.sandbox.listing import Listing, Selection
from satcat.sandbox.predicates import DELETION_FIELDS, PRODUCT_FIELDS
from satcat.sandbox.publishing import Publisher
from satcat.sandbox.records import Deletion, Record, as_instant, as_instants

#: What each entity set may be ordered by.
PRODUCT_KEYS = ("ContentDate/Start", "ContentDate/End", "PublicationDate", "ModificationDate")
DELETION_KEYS = ("ContentDate/Start", "ContentDate/End", "DeletionDate")


class View:
    """What the server lists: the catalogue as it is, or (with `taken_at`) as it was."""

    def __init__(
        self,
        products: dict[str, Record],
        deleted: dict[str, Deletion],
        listed: Listing[Record],
        deletions: Listing[Deletion],
        taken_at: datetime | None = None,
    ) -> None:
        self._lock = threading.RLock()
        self._products, self._listed = products, listed
        self._deleted, self._deletions = deleted, deletions
        self.taken_at = taken_at

    @property
    def products(self) -> Mapping[str, Record]:
        """Every listed product, by id."""
        return MappingProxyType(self._products)

    @property
    def deleted(self) -> Mapping[str, Deletion]:
        """Every entry of DeletedProducts, by id."""
        return MappingProxyType(self._deleted)

    def select_products(self, wanted: Selection) -> list[Record]:
        """The products that match, in order."""
        with self._lock:
            return self._listed.select(wanted)

    def select_deleted(self, wanted: Selection) -> list[Deletion]:
        """The deletions that match, in order."""
        with self._lock:
            return self._deletions.select(wanted)

    def named(self, names: Iterable[str]) -> list[Record]:
        """The products with one of these names, by name and id."""
        wanted = set(names)
        with self._lock:
            found = [record for record in self._products.values() if record.name in wanted]
        return sorted(found, key=lambda record: (record.name, record.id))


class Catalogue(View):
    """The live catalogue, and what a script may do to it."""

    def __init__(self, clock: Clock, publisher: Publisher) -> None:
        listed: Listing[Record] = Listing(PRODUCT_KEYS, PRODUCT_FIELDS)
        deletions: Listing[Deletion] = Listing(DELETION_KEYS, DELETION_FIELDS)
        super().__init__({}, {}, listed, deletions)
        self._clock = clock
        self._publisher = publisher
        self._gone: dict[str, Record] = {}

    def publish(self, record: Record | None = None, **fields: Any) -> str:
        """List one more product and give its id.

        Either a whole record, or any fields of one (`sensing_start="2024-06-15T11:06:19Z"`,
        `tile_id`, `name`, `id`, `publication_date`, `wire`, …); the rest is made up to fit.
        Published now, unless the fields say otherwise.
        """
        made = record or self._publisher.make(self._clock.now(), **fields)
        self.add([made])
        return made.id

    def publish_random(self, n: int, collection: str = "SENTINEL-2", **overrides: Any) -> list[str]:
        """List `n` made-up products, all with these fields, and give their ids."""
        now = self._clock.now()
        made = [self._publisher.make(now, collection=collection, **overrides) for _ in range(n)]
        self.add(made)
        return [record.id for record in made]

    def add(self, records: Iterable[Record]) -> None:
        """List these records as they are."""
        batch = list(records)
        with self._lock:
            for record in batch:
                if record.id in self._products:
                    raise ValueError(f"{record.id} is listed already")
                self._products[record.id] = record
            self._listed.add(batch)

    def modify(self, id: str, *, touch: bool = True, **fields: Any) -> None:
        """Change fields of a product, and date the modification unless `touch` is False.

        A modification also ends what `stale_checksum` began.

        Raises:
            KeyError: no such product is listed.
            TypeError: there is no such field.
            ValueError: there can be no package of that size and name.
        """
        with self._lock:
            record = self._products[id]
            if touch:
                fields.setdefault("modification_date", self._clock.now())
            if record.checksums == "stale":
                fields.setdefault("checksums", "right")
            changed = dataclasses.replace(record, **as_instants(fields))
            packages.files(changed)
            self._replace(record, changed)

    def delete(
        self,
        id: str,
        cause: str = "Duplicated product",
        *,
        record: bool = True,
        deletion_date: datetime | str | None = None,
    ) -> None:
        """Take a product out of the listing, and say so in DeletedProducts if `record`."""
        with self._lock:
            gone = self._products.pop(id)
            self._listed.remove(gone)
            self._gone[id] = gone
            if not record:
                return
            when = as_instant(deletion_date or self._clock.now())
            if id in self._deleted:
                self._deletions.remove(self._deleted[id])
            self._deleted[id] = Deletion(gone, when, cause)
            self._deletions.add([self._deleted[id]])

    def restore(self, id: str, *, touch: bool = True) -> None:
        """List a deleted product again; its entry in DeletedProducts stays."""
        with self._lock:
            record = self._gone.pop(id)
            if touch:
                record = dataclasses.replace(record, modification_date=self._clock.now())
            self.add([record])

    def evict(self, id: str) -> None:
        """Let a product's time run out: it goes, and DeletedProducts does not say so."""
        self.modify(id, touch=False, eviction_date=self._clock.now())
        self.delete(id, record=False)

    def take_offline(self, id: str) -> None:
        """Move a product to the archive: listed, not online, not to be downloaded."""
        self.modify(id, online=False)

    def corrupt(self, id: str) -> None:
        """Deliver other bytes than the checksum says, from now on."""
        self.modify(id, touch=False, corrupt=True)

    def stale_checksum(self, id: str) -> None:
        """List the checksum of an older package until the product is modified."""
        self.modify(id, touch=False, checksums="stale")

    def late_checksum(self, id: str) -> None:
        """List neither checksum nor size until `fill_checksum`."""
        self.modify(id, touch=False, checksums="late")

    def fill_checksum(self, id: str) -> None:
        """List the right checksum and size; the modification date says so."""
        self.modify(id, checksums="right")

    def restless_checksum(self, id: str) -> None:
        """List another checksum each time that somebody asks, never the right one."""
        self.modify(id, touch=False, checksums="restless")

    def replace(self, id: str, **fields: Any) -> None:
        """Put other bytes in a product's place, under its id and name; its checksums follow."""
        with self._lock:
            self.modify(id, version=self._products[id].version + 1, **fields)

    def snapshot(self) -> View:
        """The catalogue as it is at this moment, for `faults.next("stale")`."""
        with self._lock:
            return View(
                dict(self._products),
                dict(self._deleted),
                self._listed.copy(),
                self._deletions.copy(),
                self._clock.now(),
            )

    def _replace(self, old: Record, new: Record) -> None:
        self._products[old.id] = new
        self._listed.remove(old)
        self._listed.add([new])
