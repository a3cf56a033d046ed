"""What many tests share: catalogues made from one template, and products made to measure."""

from __future__ import annotations

import logging
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat import times
from satcat.database import Database
from satcat.models import products
from satcat.products import SOURCE_COLUMNS, SatelliteImage

# Nothing of the person who runs the tests gets in.
for _name in list(os.environ):
    if _name.startswith(("SATCAT_", "CDSE_", "USGS_")) or _name.lower().endswith("_proxy"):
        del os.environ[_name]
os.environ["NETRC"] = os.devnull

# What starts the tests may have told them to ignore signals, as nohup does; the processes that they start and signal must
# not inherit that.
for _signal in (signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT)):
    if signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, signal.SIG_DFL)

RECORDED = Path(__file__).parents[2] / "shared" / "recorded"


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """Commands say where the log goes and how much it tells; the next test must not hear of that."""
    logger = logging.getLogger("satcat")
    level, handlers = logger.level, logger.handlers
    yield
    logger.setLevel(level)
    logger.handlers = handlers


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The folder of recorded answers of the real services, which is not part of the project."""
    if not RECORDED.is_dir():
        pytest.skip("the recorded answers are not beside this checkout")
    return RECORDED


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty catalogue; filling in the tile grids takes a second, so that it is done once."""
    path = tmp_path_factory.mktemp("template") / "satcat.db"
    Database.open(path, create=True).close()
    return path


@pytest.fixture
def catalogue_path(template: Path, tmp_path: Path) -> Path:
    """A new empty catalogue."""
    return Path(shutil.copy(template, tmp_path / "satcat.db"))


@pytest.fixture
def database(catalogue_path: Path) -> Iterator[Database]:
    """A new empty catalogue, open."""
    with Database.open(catalogue_path) as opened:
        yield opened


@pytest.fixture
def make_product() -> Callable[..., SatelliteImage]:
    """Make a Sentinel-2 product; every field can be set."""
    made = 0

    def make(**overrides: Any) -> SatelliteImage:
        nonlocal made
        made += 1
        sensing = times.parse("2024-06-04T11:06:19.024000Z")
        fields: dict[str, Any] = {
            "id": f"00000000-0000-4000-8000-{made:012d}",
            "source": "cdse",
            "name": f"S2B_MSIL2A_20240604T110619_N0510_R137_T30TWM_20240604T{made:06d}.SAFE",
            "collection": "SENTINEL-2",
            "product_type": "S2MSI2A",
            "processing_level": "L2A",
            "platform": "S2B",
            "tile_id": "30TWM",
            "cloud_cover": 10.0,
            "sensing_start": sensing,
            "publication_date": sensing,
            "modification_date": sensing,
            "online": True,
            "size_bytes": 1000,
        }
        return SatelliteImage(**fields | overrides)

    return make


@pytest.fixture
def add_products(
    database: Database, make_product: Callable[..., SatelliteImage]
) -> Callable[..., None]:
    """Put products into the catalogue, each made from its overrides; no sync has to run for that."""

    def add(*each: dict[str, Any]) -> None:
        with database.write() as connection:
            connection.execute(sa.insert(products), [_row(make_product(**one)) for one in each])

    return add


def _row(image: SatelliteImage) -> dict[str, Any]:
    kept = {
        "content_hash": image.content_hash,
        "first_seen_at": times.now(),
        "changed_at": times.now(),
    }
    return {name: getattr(image, name) for name in SOURCE_COLUMNS} | kept
