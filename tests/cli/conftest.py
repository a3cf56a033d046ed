"""What the tests of the commands share: a source on loopback, a mirror made from it once, and a way to run commands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from satcat import cli
from satcat.sandbox import Sandbox
from tests.engines import Catalogues, Files

SUMMER = ("--start", "2024-06-01", "--end", "2024-08-31")


@dataclass(frozen=True)
class Ran:
    """What a command line came to."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture(scope="session")
def source() -> Iterator[Sandbox]:
    """A source that no test changes."""
    with Sandbox(products=2000) as sandbox:
        yield sandbox


@pytest.fixture
def run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    source: Sandbox,
) -> Run:
    """Run a command line in this process, in an empty folder, with the source's addresses."""
    monkeypatch.chdir(tmp_path)
    for name, value in source.environment.items():
        monkeypatch.setenv(name, value)

    def run_here(*args: str) -> Ran:
        capfd.readouterr()
        code = cli.run(list(args))
        sys.stdout.flush()
        return Ran(code, *capfd.readouterr())

    return run_here


@pytest.fixture(autouse=True)
def _somewhere(
    catalogues: Catalogues, new_catalogue: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands find the catalogue as `satcat.db` of their folder, or one that a server has made for them."""
    if not isinstance(catalogues, Files):
        monkeypatch.setenv("SATCAT_DB", new_catalogue())


@pytest.fixture(scope="session")
def mirror_template(
    source: Sandbox, catalogues: Catalogues, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """A catalogue that mirrors a summer of two tiles; made by the command itself."""
    folder = tmp_path_factory.mktemp("mirror")
    address = catalogues.new(folder / "satcat.db")
    tiles = ("--tile", "30TWM", "--tile", "30TWN")
    words = ("sync", "--collection", "SENTINEL-2", "--level", "L2A", *tiles, *SUMMER)
    done = spawn(folder, source.environment, "--db", address, *words)
    assert done.code == 0, done.err
    return address


@pytest.fixture
def mirror(
    mirror_template: str,
    catalogues: Catalogues,
    new_catalogue: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> str:
    """A copy of that catalogue, which commands find; gives its path or URL."""
    address = new_catalogue(like=mirror_template)
    if not isinstance(catalogues, Files):
        monkeypatch.setenv("SATCAT_DB", address)
    return address


def spawn(folder: Path, environment: dict[str, str], *args: str, stdin: str | None = None) -> Ran:
    """Run a command line as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "satcat", *args], cwd=folder, env=os.environ | environment,
        input=stdin, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)
