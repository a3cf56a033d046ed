"""Catalogue: one object for all that Python code does with a local mirror.

Each method is one transaction, and hands the work to the module that does it. Only `sync`, `verify` and `download` reach
for the network, through the source that they are given.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias, Unpack

from satcat import select, times
from satcat.choice import Choice
from satcat.database import Database
from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.products import SatelliteImage, SearchResults

if TYPE_CHECKING:
    import geopandas
    import pandas as pd
    from sqlalchemy import Connection

    from satcat.api.base import SatelliteAPI
    from satcat.copying.run import CopyReport
    from satcat.downloads.adopt import AdoptReport
    from satcat.downloads.check import FilesReport
    from satcat.downloads.marks import Changed, Marked, Which
    from satcat.downloads.report import DownloadReport
    from satcat.mirrored import Survey
    from satcat.readonly import Rows
    from satcat.reports.calendar import Day
    from satcat.reports.coverage import TileCoverage
    from satcat.reports.shortfalls import Shortfall
    from satcat.reports.status import Status
    from satcat.sync.report import SyncReport
    from satcat.sync.scopes import Scope
    from satcat.sync.verdict import VerifyReport

#: Which products are meant: filters, or product ids or names (a search's results are as good).
Selection: TypeAlias = SearchFilters | Iterable[str]


class Catalogue:
    """A local mirror, open. Safe to share between threads."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    def open(cls, where: str | Path = "satcat.db", *, create: bool = True) -> Self:
        """Open the catalogue at a path; makes a new one where there is none, unless told not to.

        Raises:
            CatalogueError: there is none, or what is there cannot be used.
        """
        return cls(Database.open(where, create=create))

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Looking, which needs no network

    def search(self, filters: SearchFilters, **choice: Unpack[Choice]) -> SearchResults:
        """The products that match, by id, newest sensing first.

        Args:
            choice: which of them, and in what order: `latest`, `best`, `limit` and more, see `choice.Choice`.
        """
        with self.database.read() as connection:
            return select.search(connection, filters, **choice)

    def iter(self, filters: SearchFilters, **choice: Unpack[Choice]) -> Iterator[SatelliteImage]:
        """Yield what `search` gives, with only a few products in memory."""
        with self.database.read() as connection:
            yield from select.iterate(connection, filters, **choice)

    def export(self, path: str | Path, filters: SearchFilters, **how: Any) -> int:
        """Write what `search` gives to a file, whole or not at all; returns how many; `how` as for `exports.export`.

        The path's suffix says the format: .csv, .geojson, .parquet, .gpkg, .json, .ndjson or .geojsonl.
        """
        from satcat import exports

        with self.database.read() as connection:
            return exports.export(connection, filters, Path(path), **how)

    def to_dataframe(
        self,
        filters: SearchFilters,
        *,
        columns: Sequence[str] | None = None,
        **choice: Unpack[Choice],
    ) -> pd.DataFrame:
        """What `search` gives as a DataFrame of pandas (the extra `pandas`).

        Args:
            columns: of the table `products`; None: all but `pk` and `footprint`.
        """
        from satcat.exports import frames

        with self.database.read() as connection:
            return frames.to_dataframe(connection, filters, columns, **choice)

    def to_geodataframe(
        self,
        filters: SearchFilters,
        *,
        columns: Sequence[str] | None = None,
        **choice: Unpack[Choice],
    ) -> geopandas.GeoDataFrame:
        """As `to_dataframe`, with the footprints as `geometry`, EPSG:4326 (the extra `geopandas`)."""
        from satcat.exports import frames

        with self.database.read() as connection:
            return frames.to_geodataframe(connection, filters, columns, **choice)

    def count(self, filters: SearchFilters, **choice: Unpack[Choice]) -> int:
        """How many products `search` gives."""
        with self.database.read() as connection:
            return select.count(connection, filters, **choice)

    def get(self, id_or_name: str) -> list[SatelliteImage]:
        """The products of this id, name, or beginning of an id; see `select.find`."""
        with self.database.read() as connection:
            return select.find(connection, id_or_name)

    def survey(self, filters: SearchFilters) -> Survey:
        """What of this selection is not mirrored, or not finished, and how old the mirror is."""
        from satcat import mirrored

        with self.database.read() as connection:
            return mirrored.survey(connection, filters)

    def hints(self, filters: SearchFilters) -> list[str]:
        """What else may have been meant by filters that find nothing, one line each."""
        from satcat import hints

        with self.database.read() as connection:
            return hints.hints(connection, filters)

    def coverage(
        self, filters: SearchFilters, by: Sequence[str] = ("tile", "product-type"), **how: Any
    ) -> Iterator[TileCoverage]:
        """Yield what there is of each tile, by tile; `how` as for `reports.coverage.coverage`."""
        from satcat.reports import coverage

        with self.database.read() as connection:
            yield from coverage.coverage(connection, filters, by, **how)

    def measures_area(self, filters: SearchFilters) -> bool:
        """Tell whether `coverage` measures the shares really covered without being asked: few products match."""
        from satcat.reports import coverage

        with self.database.read() as connection:
            return coverage.measures_area(connection, filters)

    def shortfalls(
        self, filters: SearchFilters, by: Sequence[str] = ("tile", "product-type"), **how: Any
    ) -> Iterator[Shortfall]:
        """Yield the periods with too few looks, by tile; `how` as for `reports.shortfalls.shortfalls`."""
        from satcat.reports import shortfalls

        with self.database.read() as connection:
            yield from shortfalls.shortfalls(connection, filters, by, **how)

    def calendar(self, filters: SearchFilters, year: int | None = None) -> Iterator[Day]:
        """Yield every day of a year of one tile; see `reports.calendar.calendar`."""
        from satcat.reports import calendar

        with self.database.read() as connection:
            yield from calendar.calendar(connection, filters, year)

    def scopes(self) -> list[Scope]:
        """What is mirrored."""
        from satcat.sync import scopes

        with self.database.read() as connection:
            return scopes.listing(connection)

    def status(self) -> Status:
        """How far each scope is, and what is in the queue."""
        from satcat.reports import status

        with self.database.read() as connection:
            return status.status(connection)

    def sql(
        self,
        statement: str,
        params: Mapping[str, Any] | None = None,
        *,
        seconds: float | None = None,
    ) -> Rows:
        """The rows of one reading SQL statement; `params` are values for its `:name`s. See `readonly.query`."""
        from satcat import readonly

        return readonly.query(self.database, statement, params, seconds=seconds)

    def copy(self, where: str | Path, **how: Any) -> CopyReport:
        """Make a new catalogue at a path or URL equal to this one; `how` as for `copying.run.copy`."""
        from satcat.copying import run

        return run.copy(self.database, str(where), **how)

    # Asking for downloads, which needs none either

    def mark(
        self,
        which: Selection,
        *,
        priority: int | None = None,
        include: str | Iterable[str] | None = None,
        dry_run: bool = False,
        **choice: Unpack[Choice],
    ) -> Marked:
        """Ask for downloads; those that failed, were cancelled or gone are asked for again.

        With `include`, patterns as "*_B04_10m.jp2", only the matching files of each product are wanted; see `marks.mark`.
        What it returns names the words that are no product: nobody is asked for these.

        Args:
            dry_run: only say what it would change.
            choice: of what filters mean, as for `search`.
        """
        from satcat.downloads import marks

        if dry_run:
            with self.database.read() as connection:
                return marks.preview(
                    connection,
                    _meant(connection, which, choice),
                    priority=priority,
                    include=include,
                )
        with self.database.write() as connection:
            return marks.mark(
                connection, _meant(connection, which, choice), priority=priority, include=include
            )

    def unmark(self, which: Selection) -> Changed:
        """Take back what has no file yet."""
        from satcat.downloads import marks

        with self.database.write() as connection:
            return marks.unmark(connection, _meant(connection, which, {}))

    # Looking at files, which needs none either

    def adopt(
        self, places: str | Path | Iterable[str | Path], *, quick: bool = False, dry_run: bool = False,
        rehash: bool = False, queue: bool = False, **how: Any,
    ) -> AdoptReport:  # fmt: skip
        """Take over what lies under these folders; options and `how` as for `downloads.adopt`, `AdoptOptions` and `run`."""
        from satcat.downloads import adopt

        options = adopt.AdoptOptions(quick=quick, dry_run=dry_run, rehash=rehash, queue=queue)
        each = [places] if isinstance(places, (str, Path)) else places
        return adopt.run(self.database, each, options, **how)

    def verify_files(self, **how: Any) -> FilesReport:
        """Hash again what is recorded as done; `how` as for `downloads.check.verify_files`."""
        from satcat.downloads import check

        return check.verify_files(self.database, **how)

    # What meets the source

    def sync(
        self, api: SatelliteAPI, filters: SearchFilters | None = None, **how: Any
    ) -> SyncReport:
        """Mirror what the filters say, or bring every scope up to date; `how` as for `sync.engine.sync`."""
        from satcat.sync import engine

        return engine.sync(self.database, api, filters, **how)

    def verify(self, api: SatelliteAPI, **how: Any) -> VerifyReport:
        """Compare with the source, window by window; `how` as for `sync.verify.verify`."""
        from satcat.sync import verify

        return verify.verify(self.database, api, **how)

    def download(
        self, api: SatelliteAPI, out: str | Path = "products", *, workers: int = 4, **how: Any
    ) -> DownloadReport:
        """Fetch what is marked into a folder, and check every file; `how` as for `downloads.worker.run`."""
        from satcat.downloads import worker

        how.setdefault("account", getattr(api, "account", None))
        how.setdefault("on_reread", self._store_again)
        return worker.run(self.database, api, Path(out), workers=workers, **how)

    def _store_again(self, product: SatelliteImage) -> None:
        """Hold what a download had to read again from the source."""
        from satcat.sync import store

        with self.database.write() as connection:
            store.store(connection, [product], scope_id=None, at=times.now())


def _meant(connection: Connection, which: Selection, choice: Choice) -> Which:
    """Filters as a SELECT, for this transaction; words as they are."""
    if isinstance(which, SearchFilters):
        return select.select_products(connection, which, **choice)
    if any(choice.values()):
        raise FilterError(
            f"{', '.join(choice)}: these choose among what filters find: give filters"
        )
    return [which] if isinstance(which, str) else which
