"""Listings of an OData catalogue: how they are asked for, and how their answers become checked pages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

from satcat import times
from satcat.api import listing, odata_filter, odata_parse, odata_records
from satcat.api.base import Page, Reject
from satcat.api.failures import host_of
from satcat.api.http import HttpClient, Reply
from satcat.api.listing import Batch, Entry, Request, Walk
from satcat.api.odata_cut import MAX_RECORDS
from satcat.api.odata_parse import Parsed
from satcat.errors import MalformedResponseError
from satcat.times import Interval

RowT = TypeVar("RowT")
ValueT = TypeVar("ValueT")

_LONGEST_PAGE = 64_000_000  # bytes; a full one of real records has 5,000,000
_MOST = 10**12  # records that a catalogue can have
_LINKS = ("@odata.nextLink", "@OData.nextLink")


@dataclass(frozen=True, slots=True)
class Listing(Generic[RowT]):
    """Which records of an entity set, and what of each.

    Attributes:
        url: the entity set.
        clauses: the fixed part of `$filter`.
        parse: reads the records of a page.
        select: the fields to ask for, beside the date that orders the listing; None for all.
        expand: whether to ask for attributes.
    """

    http: HttpClient
    url: str
    clauses: list[str]
    parse: Callable[[list[object]], Iterable[Parsed[RowT]]]
    select: tuple[str, ...] | None = None
    expand: bool = False

    def pages(
        self,
        key: str,
        other: str,
        interval: Interval | None,
        *,
        count: bool = False,
        remember: bool = False,
    ) -> Iterator[Page[RowT]]:
        """Walk through the listing by one date; see `listing.Walk`. No interval: one page without rows."""
        if interval is None:
            nothing: Page[RowT] = Page([], last=True, count=0 if count else None)
            return iter([nothing])
        walk = Walk(
            self.fetch, host_of(self.url),
            key=key, other=other, interval=interval, count=count, remember=remember,
        )  # fmt: skip
        return walk.pages()

    def fetch(self, request: Request) -> Batch[RowT]:
        """Bring one page, asking again while it cannot be true."""

        def read(body: Any) -> Batch[RowT]:
            parsed = self.parse(self._records(body))
            entries = [_entry(one, request.key) for one in parsed]
            linked = any(body.get(link) for link in _LINKS)
            batch = Batch(
                entries,
                more=linked or len(entries) >= listing.PAGE_SIZE,
                count=self._count(body) if request.count else None,
            )
            listing.check(request, batch, host_of(self.url))
            return batch

        reply = self._ask(self._params(request), read)
        return replace(reply.value, server_time=reply.server_time)

    def _ask(self, params: list[tuple[str, str]], read: Callable[[Any], ValueT]) -> Reply[ValueT]:
        return self.http.get(
            self.url, params, read, parse=odata_records.answer, longest=_LONGEST_PAGE
        )

    def count(self, request: Request) -> int:
        """How many records the source counts."""
        params = self._params(replace(request, count=True))
        return self._ask(params, self._count).value

    def ends(self, request: Request) -> Interval | None:
        """The first value of the key and just past the last; None without records."""
        dates = []
        for direction in ("asc", "desc"):
            params = self._params(request, direction)
            records = self._ask(params, self._records).value
            dates += [odata_parse.date_of(record, request.key) for record in records]
        known = [date for date in dates if date is not None]
        return Interval(min(known), times.after(max(known))) if known else None

    def clock(self, request: Request) -> datetime | None:
        """The source's clock when it answered this."""
        return self._ask(self._params(request), self._records).server_time

    def _params(self, request: Request, direction: str = "asc") -> list[tuple[str, str]]:
        clauses = [
            *self.clauses,
            *(odata_filter.instant_clause(*instant) for instant in request.instants),
            *odata_filter.interval_clauses(request.key, request.interval),
        ]
        params = [
            ("$filter", " and ".join(clauses)),
            ("$orderby", f"{request.key} {direction}"),
            ("$top", str(listing.PAGE_SIZE)),
        ]
        if request.skip:
            params.append(("$skip", str(request.skip)))
        if request.count:
            params.append(("$count", "True"))
        if self.select is not None:
            params.append(
                ("$select", ",".join(_distinct(*self.select, request.key.partition("/")[0])))
            )
        if self.expand:
            params.append(("$expand", "Attributes"))
        return params

    def _records(self, body: Any) -> list[Any]:
        records = body.get("value") if isinstance(body, dict) else None
        if not isinstance(records, list):
            raise MalformedResponseError(host_of(self.url), "no list of records in it")
        if len(records) > MAX_RECORDS:
            raise MalformedResponseError(host_of(self.url), f"{len(records)} records in one page")
        return records

    def _count(self, body: Any) -> int:
        self._records(body)
        number = body.get("@odata.count")
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < _MOST:
            raise MalformedResponseError(host_of(self.url), "no count of records in it")
        return number


def _entry(parsed: Parsed[Any], key: str) -> Entry[Any]:
    row = parsed.row
    id: str | None = row.id
    if isinstance(row, Reject) and id is None:
        id = hashlib.sha256(row.raw.encode()).hexdigest()
    return Entry(str(id), parsed.date(key), row, parsed.warnings)


def _distinct(*names: str) -> list[str]:
    return list(dict.fromkeys(names))
