"""SatelliteImageDownloader, as users of the `sat_download` library know it.

Its searches there end after one page; here every page is read, and files are resumed, retried and verified.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from satcat.api.base import SatelliteAPI
from satcat.api.filenames import final_name, marks
from satcat.errors import CredentialsError, SatcatError
from satcat.filters import SearchFilters
from satcat.products import SatelliteImage, SearchResults

logger = logging.getLogger("satcat")

_AT_ONCE = 4  # connections that an account may have


class SatelliteImageDownloader:
    """Search a source and download from it, without a catalogue.

    Args:
        verbose: above 0, say of each file on stderr that it is there.
    """

    def __init__(self, api: SatelliteAPI, verbose: int = 0) -> None:
        self.api = api
        self.verbose = verbose

    def search(self, filters: SearchFilters) -> SearchResults:
        """Every product that matches, newest sensing first."""
        return self.api.search(filters)

    def bulk_search(self, filters: SearchFilters) -> SearchResults:
        """The same as `search`."""
        return self.api.bulk_search(filters)

    def download(self, image_id: str, out_dir: str | Path, outname: str) -> Path:
        """Fetch one product to exactly `out_dir/outname`; returns its path.

        Raises:
            SatcatError: it could not be fetched, or is not what the source promised.
        """
        folder = Path(out_dir)
        folder.mkdir(parents=True, exist_ok=True)
        return self.api.download(image_id, folder / outname, self.verbose)

    def bulk_download(self, images: SearchResults, outdir: str | Path) -> list[Path | None]:
        """Fetch products, four at a time; the paths in their order. None stands for one that failed; the log says why.

        Raises:
            CredentialsError: no further product could be fetched either.
        """
        folder = Path(outdir)
        stop = threading.Event()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            fetching = [
                pool.submit(self._try, image, folder, name, stop)
                for image, name in zip(images.values(), _names(images.values()), strict=True)
            ]
            try:
                return [future.result() for future in fetching]
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _try(
        self, image: SatelliteImage, folder: Path, outname: str, stop: threading.Event
    ) -> Path | None:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return self.api.download(image.id, folder / outname, self.verbose, stop=stop)
        except CredentialsError:
            raise
        except SatcatError as error:
            if not stop.is_set():
                logger.warning("%s: %s", image.name, error)
            return None


def _names(images: Iterable[SatelliteImage]) -> Iterator[str]:
    """What each file is called; no two alike."""
    taken: set[str] = set()
    for image in images:
        name = next(n for mark in marks(image) if (n := final_name(image, mark=mark)) not in taken)
        taken.add(name)
        yield name
