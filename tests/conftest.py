"""What many tests share: catalogues made from one template, and products made to measure."""

from __future__ import annotations

import logging
import os
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
from tests.engines import Catalogues, Files
from tests.postgres import Server, UnavailableError, start

OURS = {"SATCAT_TEST_POSTGRESQL", "SATCAT_REQUIRE_POSTGRESQL"}

# Nothing else of the person who runs the tests gets in.
for _name in os.environ.keys() - OURS:
    if _name.startswith(("SATCAT_", "CDSE_", "USGS_")) or _name.lower().endswith("_proxy"):
        del os.environ[_name]
os.environ["NETRC"] = os.devnull

# What starts the tests may have told them to ignore signals, as nohup does; the processes that they start and signal must
# not inherit that.
for _signal in (signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT)):
    if signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, signal.SIG_DFL)

#: Fixtures of tests that are about SQLite's files.
FILES = {"catalogue_path", "template"}
RECORDED = Path(__file__).parents[2] / "shared" / "recorded"


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """Commands, also those of fixtures that serve many tests, say where the log goes and how much it tells.

    No test must hear of that.
    """
    logger = logging.getLogger("satcat")
    logger.setLevel(logging.NOTSET)
    logger.handlers = []
    yield
    logger.setLevel(logging.NOTSET)
    logger.handlers = []


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The folder of recorded answers of the real services, which is not part of the project."""
    if not RECORDED.is_dir():
        pytest.skip("the recorded answers are not beside this checkout")
    return RECORDED


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engine", choices=("sqlite", "postgresql"), default="sqlite",
        help="what the tests' catalogues are kept in; with postgresql, only tests that have a catalogue run",
    )  # fmt: skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what would be the same again on PostgreSQL, and what is about SQLite's files."""
    for item in items:
        if "postgres" in fixtures_of(item):
            item.add_marker("postgresql")
    if config.getoption("engine") == "sqlite":
        return
    kept, left_out = [], []
    for item in items:
        (kept if _is_for_postgresql(item) else left_out).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def _is_for_postgresql(item: pytest.Item) -> bool:
    if item.get_closest_marker("sqlite_only"):
        return False
    fixtures = fixtures_of(item)
    return "postgres" in fixtures or ("catalogues" in fixtures and not fixtures & FILES)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server with PostGIS; where none can be had, the test is skipped, or fails if one is required."""
    try:
        server = start()
    except UnavailableError as error:
        give_up = pytest.fail if "SATCAT_REQUIRE_POSTGRESQL" in os.environ else pytest.skip
        give_up(f"no PostgreSQL: {error}")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def catalogues(request: pytest.FixtureRequest) -> Catalogues:
    """Makes catalogues, on the engine that was asked for."""
    if request.config.getoption("engine") == "postgresql":
        server: Server = request.getfixturevalue("postgres")
        return server
    return Files(request.getfixturevalue("template"))


@pytest.fixture
def new_catalogue(catalogues: Catalogues, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Make a catalogue that is empty, or like another one; gives its path or URL."""
    made: list[str] = []

    def new(like: str | None = None) -> str:
        name = f"{len(made)}.db" if made else "satcat.db"
        made.append(catalogues.new(tmp_path / name, like))
        return made[-1]

    yield new
    for address in made:
        catalogues.drop(address)


@pytest.fixture
def address(new_catalogue: Callable[..., str]) -> str:
    """The path or URL of a new empty catalogue."""
    return new_catalogue()


@pytest.fixture
def database(address: str) -> Iterator[Database]:
    """A new empty catalogue, open."""
    with Database.open(address) as opened:
        yield opened


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty catalogue; filling in the tile grids takes a second, so that it is done once."""
    path = tmp_path_factory.mktemp("template") / "satcat.db"
    Database.open(path, create=True).close()
    return path


@pytest.fixture
def catalogue_path(address: str) -> Path:
    """The file of that catalogue, for tests of what only SQLite has."""
    return Path(address)


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


def fixtures_of(item: pytest.Item) -> set[str]:
    """The fixtures that a test asks for, and those that they ask for."""
    return set(getattr(item, "fixturenames", ()))


def _row(image: SatelliteImage) -> dict[str, Any]:
    kept = {
        "content_hash": image.content_hash,
        "first_seen_at": times.now(),
        "changed_at": times.now(),
    }
    return {name: getattr(image, name) for name in SOURCE_COLUMNS} | kept
