"""Scripts written for the sat_download library run with only their imports changed; where it was wrong, satcat is right.

The scripts are those that its guides teach: search by tile, point, area and name, choose among the results, download.
"""

from __future__ import annotations

import contextlib
import io
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from satcat import COLLECTIONS, ODataAPI, SatelliteImage, SatelliteImageDownloader, SearchFilters
from satcat.api import odata_parse
from satcat.sandbox import Sandbox

IMPORTS = "from satcat import COLLECTIONS, ODataAPI, SatelliteImage, SatelliteImageDownloader, SearchFilters, SearchResults\n"
MONTH = """
api = ODataAPI(username="sandbox", password="sandbox")
downloader = SatelliteImageDownloader(api, verbose=1)
filters = SearchFilters(
    collection=COLLECTIONS.SENTINEL_2.value,
    processing_level="L2A",
    start_date="2024-06-01",
    end_date="2024-06-30",
    tile_id="30TWM",
)
results = downloader.search(filters)
"""
SCRIPTS = {
    "the first example": MONTH
    + """
print(f"Found {len(results)} images")
for image in results.values():
    print(f"- {image.date}: {image.sensor} {image.tile}")
if results:
    paths = downloader.bulk_download(results, outdir="./sentinel2")
    print(f"Downloaded {len([p for p in paths if p])} images")
assert len(paths) == len(results) == len([p for p in paths if p])
assert all(image.date.startswith("202406") and image.tile == "30TWM" for image in results.values())
""",
    "only the most recent": MONTH
    + """
sorted_images = sorted(results.items(), key=lambda x: x[1].date, reverse=True)
recent = dict(sorted_images[:2])
paths = downloader.bulk_download(recent, "./recent")
assert len(paths) == 2
""",
    "only one satellite": MONTH
    + """
s2a_only = {k: v for k, v in results.items() if v.brother == "A"}
assert 0 < len(s2a_only) < len(results)
assert {v.identifier for v in s2a_only.values()} == {"Sentinel-2A"}
""",
    "which downloads failed": MONTH
    + """
paths = downloader.bulk_download(results, "./images")
for idx, (product_id, image) in enumerate(results.items()):
    if paths[idx] is None:
        raise AssertionError(f"Failed: {image.filename}")
""",
    "the results as a dictionary": MONTH
    + """
first_id = list(results.keys())[0]
image = results[first_id]
assert image.sensor == "Sentinel-2" and image.filename.startswith("S2")
assert filters.is_set("tile_id") and not filters.is_set("geometry")
""",
    "without the downloader": """
import os
api = ODataAPI("sandbox", "sandbox")
filters = SearchFilters(collection=COLLECTIONS.SENTINEL_2.value, start_date="2024-06-01", end_date="2024-06-07",
                        processing_level="L2A", tile_id="30TWM")
results: SearchResults = api.search(filters)
os.makedirs("./images", exist_ok=True)
for image_id, image in results.items():
    filepath = os.path.join("./images", image.filename)
    api.download(image_id, filepath, verbose=1)
    assert os.path.isfile(filepath)
assert results
""",
    "by point": """
api = ODataAPI(username="sandbox", password="sandbox")
filters = SearchFilters(collection=COLLECTIONS.SENTINEL_2.value, start_date="2024-06-01", end_date="2024-06-30",
                        geometry="POINT(-2.5 42.0)")
results = SatelliteImageDownloader(api).search(filters)
assert results
""",
    "by area and name": """
api = ODataAPI(username="sandbox", password="sandbox")
filters = SearchFilters(collection=COLLECTIONS.SENTINEL_2.value, start_date="2024-06-01", end_date="2024-06-30",
                        geometry="POLYGON((-2.6 41.9, -2.4 41.9, -2.4 42.1, -2.6 42.1, -2.6 41.9))",
                        contains=["MSIL2A", "T30TWM"])
results = SatelliteImageDownloader(api).search(filters)
assert results and all("MSIL2A" in image.filename for image in results.values())
""",
    "a whole year": """
api = ODataAPI(username="sandbox", password="sandbox")
downloader = SatelliteImageDownloader(api, verbose=1)
filters = SearchFilters(collection=COLLECTIONS.SENTINEL_2.value, start_date="2024-01-01", end_date="2024-12-31",
                        tile_id="30TWM")
results = downloader.bulk_search(filters)
assert len(results) > 20
""",
}  # fmt: skip


@pytest.fixture(scope="module")
def source() -> Iterator[Sandbox]:
    with Sandbox(products=2000) as sandbox:
        yield sandbox


@pytest.fixture
def here(
    source: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], dict[str, Any]]:
    """Run a script in an empty folder; gives its variables."""
    monkeypatch.chdir(tmp_path)
    for name, value in source.environment.items():
        monkeypatch.setenv(name, value)

    def run(script: str) -> dict[str, Any]:
        variables: dict[str, Any] = {}
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(IMPORTS + script, "script.py", "exec"), variables)
        variables["api"].close()
        return variables

    return run


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_for_sat_download_runs_with_its_imports_changed(
    here: Callable[[str], dict[str, Any]], script: str
) -> None:
    here(script)


def test_twenty_products_in_a_day_do_not_end_a_search(
    here: Callable[[str], dict[str, Any]], source: Sandbox
) -> None:
    """Its one page of 20, newest first, ended the walk as soon as it held a single day."""
    days = range(1, 32)
    for day in days:
        for minute in range(25):
            start = f"2023-01-{day:02}T10:{minute:02}:00Z"
            source.catalogue.publish(collection="SENTINEL-2", sensing_start=start)
    variables = here(
        """
api = ODataAPI("sandbox", "sandbox")
filters = SearchFilters(collection="SENTINEL-2", start_date="2023-01-01", end_date="2023-01-31")
before = filters.end_date
results = SatelliteImageDownloader(api).bulk_search(filters)
assert filters.end_date == before
"""
    )
    assert len(variables["results"]) == 25 * len(days)


def test_many_files_come_with_one_login(
    here: Callable[[str], dict[str, Any]], source: Sandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    """It logged in for each product, until the service closed the account."""
    source.log.clear()
    variables = here(MONTH + 'paths = downloader.bulk_download(results, "images")')
    paths, results = variables["paths"], variables["results"]
    assert len(paths) > 4
    assert [path.stem for path in paths] == [
        i.filename.removesuffix(".SAFE") for i in results.values()
    ]
    assert len(source.log.matching("/token")) == 1
    assert source.log.peak("$value") <= 4
    assert sorted(capfd.readouterr().err.splitlines()) == sorted(
        f"{path}: {path.stat().st_size:,} bytes, verification: checksum" for path in paths
    )


@pytest.mark.parametrize(
    ("name", "collection", "date", "tile"),
    [
        (  # it took the cycle for the tile
            "S3B_OL_1_EFR____20240601T101112_20240601T101412_20240602T120000_0179_031_257_2160_PS2_O_NT_003.SEN3",
            "SENTINEL-3", "20240601", None,
        ),
        (  # it took the day of processing for that of sensing
            "S3A_SR_2_LAN_LI_20240101T000707_20240101T002509_20240127T054855_1081_107_216______PS1_O_NT_005.SEN3",
            "SENTINEL-3", "20240101", None,
        ),
        (  # it took PRD for the date and the time of processing for the tile
            "S2A_OPER_PRD_MSIL1C_PDMC_20160521T105553_R051_V20160520T081010_20160520T081010.SAFE",
            "SENTINEL-2", "20160520", None,
        ),
        ("S1A_IW_GRDH_1SDV_20240601T060000_20240601T060025_054126_069510_ABCD.SAFE", "SENTINEL-1", "20240601", None),
        ("S2B_MSIL2A_20240604T105619_N0510_R094_T30TWM_20240604T125003.SAFE", "SENTINEL-2", "20240604", "30TWM"),
    ],
)  # fmt: skip
def test_what_names_say_is_read_right(
    name: str, collection: str, date: str, tile: str | None
) -> None:
    sensed = f"{date[:4]}-{date[4:6]}-{date[6:]}T08:10:10.000Z"
    record = {
        "Id": "6e6f0e3a-0000-4000-8000-000000000001",
        "Name": name,
        "ContentDate": {"Start": sensed, "End": sensed},
    }
    image = odata_parse.product(record, collection).row
    assert isinstance(image, SatelliteImage)
    assert (image.date, image.tile) == (date, tile)
    assert image.identifier == f"Sentinel-{name[1]}{name[2]}"
    assert image.uuid == f"{date}_{name[:3]}"
    assert image.filename == name


def test_every_name_that_scripts_import_comes_from_satcat(
    here: Callable[[str], dict[str, Any]],
) -> None:
    here(
        IMPORTS
        + "from satcat.api.odata import ODataAPI\nfrom satcat import SatelliteAPI\napi = ODataAPI()\nassert isinstance(api, SatelliteAPI)"
    )


def test_nothing_is_asked_of_the_network_before_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a constructor reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    api = ODataAPI(username="me", password="wrong")
    SatelliteImageDownloader(api)
    api.close()


def test_the_addresses_that_scripts_print_are_there() -> None:
    assert ODataAPI.SEARCH_URL.endswith("/Products")
    assert ODataAPI.DOWNLOAD_URL.endswith("/Products")
    assert ODataAPI.TOKEN_URL.endswith("/token")
    assert COLLECTIONS.SENTINEL_2.value == "SENTINEL-2"
    assert COLLECTIONS.LANDSAT_8.value == "landsat_ot_c2_l1"
    assert SearchFilters("SENTINEL-2", "2024-01-01", "2024-01-31", "L2A").processing_level == "L2A"
