"""SatelliteImageDownloader keeps the meanings that users of sat_download know."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from satcat import SatelliteImageDownloader, SearchFilters
from satcat.errors import CredentialsError, ProductGoneError, SatcatError, TransferStoppedError
from satcat.products import SatelliteImage, SearchResults

Make = Callable[..., SatelliteImage]
FILTERS = SearchFilters(collection="SENTINEL-2")


class Source:
    """What the downloader needs of a source: here products are their ids."""

    def __init__(self, images: Iterable[SatelliteImage], errors: dict[str, SatcatError]) -> None:
        self.images = {image.id: image for image in images}
        self.errors = errors

    def search(self, filters: SearchFilters) -> SearchResults:
        assert filters is FILTERS
        return self.images

    bulk_search = search

    def download(
        self,
        image_id: str,
        outname: str | Path,
        verbose: int = 0,
        *,
        stop: threading.Event | None = None,
    ) -> Path:
        if image_id in self.errors:
            raise self.errors[image_id]
        if image_id == "slow":
            assert stop is not None
            assert stop.wait(60)
            raise TransferStoppedError
        Path(outname).write_text(image_id)
        return Path(outname)


def test_every_image_is_downloaded_under_its_own_name(tmp_path: Path, make_product: Make) -> None:
    images = [
        make_product(id="aaaaaaaa-1", name="S2A_X.SAFE"),
        make_product(id="bbbbbbbb-2", name="S2A_X.SAFE"),
        make_product(id="cccccccc-3", name="S5P_Y.nc"),
    ]
    downloader = SatelliteImageDownloader(Source(images, {}))
    found = downloader.search(FILTERS)
    assert found == downloader.bulk_search(FILTERS)
    paths = downloader.bulk_download(found, tmp_path / "out")
    assert [path.name for path in paths if path] == [
        "S2A_X.zip",
        "S2A_X_bbbbbbbb.zip",
        "S5P_Y.nc",
    ]
    assert [path.read_text() for path in paths if path] == [image.id for image in images]


def test_one_that_fails_is_none_and_the_rest_goes_on(
    tmp_path: Path, make_product: Make, caplog: pytest.LogCaptureFixture
) -> None:
    images = [make_product(id="gone"), make_product(id="here")]
    downloader = SatelliteImageDownloader(Source(images, {"gone": ProductGoneError("it is gone")}))
    paths = downloader.bulk_download(downloader.search(FILTERS), tmp_path)
    assert [path is None for path in paths] == [True, False]
    assert "it is gone" in caplog.text


def test_refused_credentials_end_it_for_no_other_product_could_be_fetched(
    tmp_path: Path, make_product: Make
) -> None:
    ids = ["a", *("slow" for _ in range(3)), *map(str, range(100))]
    images = {f"{number}": make_product(id=id) for number, id in enumerate(ids)}
    source = Source(images.values(), {"a": CredentialsError("no")})
    with pytest.raises(CredentialsError):  # those that are under way are told to stop
        SatelliteImageDownloader(source).bulk_download(images, tmp_path)
    assert len(list(tmp_path.iterdir())) < 100


def test_four_are_fetched_at_a_time_and_paths_keep_their_order(
    tmp_path: Path, make_product: Make
) -> None:
    together = threading.Barrier(4, timeout=60)

    class Meeting(Source):
        def download(self, image_id: str, outname: str | Path, *_: object, **__: object) -> Path:
            together.wait()  # goes on only once four are here
            return super().download(image_id, outname)

    images = {str(number): make_product(id=str(number)) for number in range(12)}
    source = Meeting(images.values(), {})
    paths = SatelliteImageDownloader(source).bulk_download(images, tmp_path)
    assert [path.read_text() for path in paths if path] == list(images)


def test_one_product_goes_to_exactly_the_name_given(tmp_path: Path, make_product: Make) -> None:
    downloader = SatelliteImageDownloader(Source([make_product(id="a")], {}))
    path = downloader.download("a", tmp_path / "new" / "folder", "mine.bin")
    assert path == tmp_path / "new" / "folder" / "mine.bin"
    assert path.read_text() == "a"
