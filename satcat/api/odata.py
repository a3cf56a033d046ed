"""ODataAPI: the product catalogue of the Copernicus Data Space Ecosystem (CDSE), by its OData protocol.

Every listing carries `Collection/Name`, one `$orderby` and `$top=1000`: without an order pages repeat and lose rows, and
without a collection the service times out. Searching is anonymous; only `open` and `download` need an account.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from satcat.api import odata_filter, odata_nodes, odata_parse, odata_records
from satcat.api.auth import TokenProvider
from satcat.api.base import Deletion, Feed, Listed, Node, Page, Reject, SatelliteAPI
from satcat.api.failures import host_of
from satcat.api.http import HttpClient
from satcat.api.listing import Request
from satcat.api.odata_bytes import HttpAnswer, open_bytes
from satcat.api.odata_filter import PUBLICATION, SENSING_START
from satcat.api.odata_listing import Listing
from satcat.errors import (
    FilterError,
    MalformedResponseError,
    ProductGoneError,
    RequestRejectedError,
)
from satcat.filters import SearchFilters
from satcat.products import SatelliteImage, SearchResults
from satcat.terminal import printable
from satcat.times import Interval

logger = logging.getLogger("satcat")

_DELETION = "DeletionDate"
_FEEDS = {Feed.PUBLICATION: PUBLICATION, Feed.MODIFICATION: "ModificationDate"}
_SEARCHES = 3  # how often a search is tried whose rows are fewer than the service counts
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_BEFORE_ALL = datetime(1900, 1, 1, tzinfo=UTC)


class ODataAPI(SatelliteAPI):
    """CDSE's catalogue and downloads.

    Args:
        username: of the CDSE account; without it, the environment or ~/.netrc is asked when a token is first needed.
        password: of the account.
        totp: the current code, if the account has two-factor authentication.
        catalogue_url: instead of CDSE_CATALOGUE_URL, or else the real one; likewise the other two.
        download_url: where the bytes are.
        token_url: where the tokens are.
        http: the client to use; so several sources can share its limits.

    Raises:
        FilterError: a URL that is none.
    """

    SEARCH_URL = "https://catalogue.dataspace.copernicus.eu/odata/v1/Products"
    DOWNLOAD_URL = "https://download.dataspace.copernicus.eu/odata/v1/Products"
    TOKEN_URL = (
        "https://identity.dataspace.copernicus.eu"  # noqa: S105 - where tokens are, not one
        "/auth/realms/CDSE/protocol/openid-connect/token"
    )

    source = "cdse"

    def __init__(
        self,
        username: str | None = None,
        password: str | None = None,
        *,
        totp: str | None = None,
        catalogue_url: str | None = None,
        download_url: str | None = None,
        token_url: str | None = None,
        http: HttpClient | None = None,
    ) -> None:
        self.url = _base(_endpoint(catalogue_url, "CDSE_CATALOGUE_URL", self.SEARCH_URL))
        self.SEARCH_URL = f"{self.url}/Products"
        download = _base(_endpoint(download_url, "CDSE_DOWNLOAD_URL", self.DOWNLOAD_URL))
        self.DOWNLOAD_URL = f"{download}/Products"
        self.TOKEN_URL = _endpoint(token_url, "CDSE_TOKEN_URL", self.TOKEN_URL)
        self.http = http or HttpClient()
        self._where = host_of(self.url)
        self._tokens = TokenProvider(self.http, self.TOKEN_URL, username, password, totp)

    def __repr__(self) -> str:
        return f"ODataAPI({self.url!r})"

    @property
    def requests_sent(self) -> int:  # type: ignore[override]
        """How many requests were sent so far, by everyone who shares the client."""
        return self.http.requests_sent

    @property
    def account(self) -> str:
        """The user name, which tells accounts apart; not to be stored or printed."""
        return self._tokens.account

    def close(self) -> None:
        """Close connections."""
        self.http.close()

    def check(self, filters: SearchFilters) -> None:
        """Raise FilterError if OData cannot say these filters, a part of the tiles at a time. Sends nothing."""
        for part in self.slices(filters):
            odata_filter.product_clauses(part)

    def slices(self, filters: SearchFilters) -> list[SearchFilters]:
        """Cut filters with many tiles into parts of at most 50, always the same way."""
        return odata_filter.slices(filters)

    def clock(self, filters: SearchFilters) -> datetime | None:
        """The service's clock now, from the `Date` of an empty listing."""
        anything = SearchFilters(collection=filters.collection)
        return self._ids(anything).clock(Request(SENSING_START, Interval(end=_BEFORE_ALL)))

    def pages(
        self,
        filters: SearchFilters,
        window: Interval,
        *,
        published_before: datetime | None = None,
        resume_at: datetime | None = None,
        count: bool = True,
    ) -> Iterator[Page[SatelliteImage]]:
        """List the products of a window by sensing start; see SatelliteAPI."""
        products = self._products(filters, published_before)
        whole = window.intersection(filters.interval)
        rest = whole and whole.intersection(Interval(start=resume_at))
        total = None
        if count and rest != whole:
            total = self.count(filters, window, published_before=published_before)
        if rest is None:
            yield Page([], last=True, count=total if whole else 0)
            return
        pages = products.pages(
            SENSING_START, PUBLICATION, rest, count=count and rest == whole, remember=True
        )
        if total is not None:
            yield replace(next(pages), count=total)
        yield from pages

    def ids(
        self, filters: SearchFilters, window: Interval, *, published_before: datetime | None = None
    ) -> Iterator[Page[Listed]]:
        """List ids and modification dates of a window by sensing start."""
        interval = window.intersection(filters.interval)
        listed = self._ids(filters, published_before)
        return listed.pages(SENSING_START, PUBLICATION, interval, count=True, remember=True)

    def count(
        self, filters: SearchFilters, window: Interval, *, published_before: datetime | None = None
    ) -> int:
        """How many products the service counts in the window."""
        interval = window.intersection(filters.interval)
        if interval is None:
            return 0
        return self._ids(filters, published_before).count(Request(SENSING_START, interval))

    def bounds(self, filters: SearchFilters) -> Interval | None:
        """The sensing starts of the first and just past the last product; None if there is none."""
        return self._ids(filters).ends(Request(SENSING_START, filters.interval))

    def changes(
        self, filters: SearchFilters, feed: Feed, since: datetime, before: datetime
    ) -> Iterator[Page[SatelliteImage]]:
        """List products by publication or modification date."""
        products = self._products(filters)
        products.clauses.extend(odata_filter.interval_clauses(SENSING_START, filters.interval))
        return products.pages(_FEEDS[feed], SENSING_START, _between(since, before))

    def deletions(
        self, filters: SearchFilters, since: datetime, before: datetime
    ) -> Iterator[Page[Deletion]]:
        """List deletions by their date; filters on attributes do not count, for these records may lack them."""
        clauses = odata_filter.name_clauses(filters)
        clauses += odata_filter.interval_clauses(SENSING_START, filters.interval)
        url = f"{self.url}/DeletedProducts"
        deleted = Listing(self.http, url, clauses, partial(map, odata_parse.deletion))
        return deleted.pages(_DELETION, SENSING_START, _between(since, before))

    def get(
        self, ids: Iterable[str], collection: str
    ) -> Iterator[tuple[str, SatelliteImage | Reject | None]]:
        """Ask for each product at its own address; None means that the service says there is none."""
        for id in ids:
            yield id, self._get(id, collection) if odata_parse.is_id(id) else None

    def nodes(self, product: SatelliteImage, folder: Node | None = None) -> list[Node]:
        """List one folder of the product's package; see `odata_nodes`."""
        return odata_nodes.listing(self.http, self._package(product), product.name, folder)

    def open(
        self,
        product: SatelliteImage,
        *,
        node: Node | None = None,
        start: int = 0,
        etag: str | None = None,
    ) -> AbstractContextManager[HttpAnswer]:
        """Ask for the bytes of the product, or of one file of it; see `odata_bytes`."""
        url = f"{self._package(product)}{odata_nodes.address(node)}/$value"
        name = product.name if node is None else f"{product.name}: {node.path}"
        return open_bytes(self.http, self._tokens, url, name, start=start, etag=etag)

    def search(self, filters: SearchFilters) -> SearchResults:
        """Every product that matches, newest sensing first, then by id.

        Raises:
            MalformedResponseError: again and again fewer products came than the service counts.
        """
        found: SearchResults = {}
        for part in self.slices(filters):
            found |= self._search(part)
        ordered = sorted(found.values(), key=lambda product: product.id)
        ordered.sort(key=lambda product: product.sensing_start, reverse=True)
        return {product.id: product for product in ordered}

    def download(
        self,
        image_id: str,
        outname: str | Path,
        verbose: int = 0,
        *,
        stop: threading.Event | None = None,
    ) -> Path:
        """Fetch one product to exactly `outname`, resuming, retrying and verifying; returns its path.

        Raises:
            ProductGoneError: there is no such product.
            MalformedResponseError: what the service says of it is no product.
        """
        from satcat.api.transfer import fetch

        product = self._get(image_id, "")
        if isinstance(product, Reject):
            reason = f"no usable record of {image_id}: {product.error}"
            raise MalformedResponseError(self._where, reason)
        if product is None:
            raise ProductGoneError(f"{image_id}: {self._where} has no such product")
        done = fetch(self, product, Path(outname), stop=stop)
        if verbose:
            said = f"{done.path}: {done.size_bytes:,} bytes, verification: {done.verification}"
            sys.stderr.write(printable(said) + "\n")
        return done.path

    def _package(self, product: SatelliteImage) -> str:
        return f"{self.DOWNLOAD_URL}({_address(product.id)})"

    def _search(self, filters: SearchFilters) -> SearchResults:
        for _ in range(_SEARCHES):
            found: SearchResults = {}
            expected, rejects = 0, 0
            for page in self.pages(filters, filters.interval):
                expected = expected if page.count is None else page.count
                found |= {product.id: product for product in page.rows}
                rejects += len(page.rejects)
                for line in (*page.warnings, *(reject.error for reject in page.rejects)):
                    logger.warning("%s", line)
            held = len(found) + rejects
            # an empty answer is believed if a second one says the same
            if held >= max(expected, 1) or held == self.count(filters, filters.interval):
                return found
        raise MalformedResponseError(
            self._where, f"{held} products came of {expected} that it counts"
        )

    def _get(self, id: str, collection: str) -> SatelliteImage | Reject | None:
        def read(body: Any) -> SatelliteImage | Reject:
            return odata_parse.asked_for(id, body, collection)

        url = f"{self.SEARCH_URL}({_address(id)})"
        try:
            params = [("$expand", "Attributes")]
            return self.http.get(url, params, read, parse=odata_records.single).value
        except RequestRejectedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            if error.status == HTTPStatus.UNPROCESSABLE_ENTITY and not _UUID.fullmatch(id):
                return None  # no id of this service's, as somebody may have written it into a row
            raise

    def _products(
        self, filters: SearchFilters, published_before: datetime | None = None
    ) -> Listing[SatelliteImage]:
        clauses = _published(odata_filter.product_clauses(filters), published_before)
        parse = partial(odata_parse.products, collection=filters.collection or "")
        return Listing(self.http, self.SEARCH_URL, clauses, parse, expand=True)

    def _ids(
        self, filters: SearchFilters, published_before: datetime | None = None
    ) -> Listing[Listed]:
        clauses = _published(odata_filter.product_clauses(filters), published_before)
        select = ("Id", "ModificationDate")
        return Listing(
            self.http, self.SEARCH_URL, clauses, partial(map, odata_parse.listed), select
        )


def _published(clauses: list[str], before: datetime | None) -> list[str]:
    return [*clauses, *odata_filter.interval_clauses(PUBLICATION, Interval(end=before))]


def _between(since: datetime, before: datetime) -> Interval | None:
    return Interval(since, before) if since < before else None


def _address(id: str) -> str:
    """An id as it stands in a URL, checked first: it may come from a file that somebody wrote."""
    if not odata_parse.is_id(id):
        raise FilterError(f"{id!r} is no product id")
    return quote(id, safe="")


def _endpoint(given: str | None, variable: str, default: str) -> str:
    """The URL that was given, or the environment's, or the real one."""
    url = (given or os.environ.get(variable) or default).rstrip("/")
    try:
        parts = urlsplit(url)
        plain = (
            parts.scheme in ("http", "https")
            and parts.hostname
            and not (parts.query or parts.fragment)
        )
        if (
            not plain
            or parts.username is not None
            or not url.isprintable()
            or " " in url
            or parts.port == 0
        ):
            raise ValueError
    except ValueError:
        raise FilterError(
            f"{variable} is no plain http or https URL without user and query"
        ) from None
    return url


def _base(url: str) -> str:
    return url.removesuffix("/Products")
