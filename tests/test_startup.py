"""The command answers at once: heavy modules are loaded by the commands that need them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from satcat.sandbox import Sandbox

HEAVY = (
    "sqlalchemy",
    "alembic",
    "requests",
    "urllib3",
    "shapely",
    "numpy",
    "antimeridian",
    "tqdm",
    "blake3",
    "msgspec",
)


#: And what only a catalogue that is made, or brought up to date, needs.
GEOMETRY = {"numpy", "shapely", "antimeridian", "alembic"}


def loaded_by(*args: str) -> set[str]:
    """The top-level modules that a command line loads."""
    code = (
        "import sys; from satcat.cli import run; run(sys.argv[1:]);"
        "print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, check=True
    )
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "args",
    [["--help"], ["--version"], ["query", "--help"], ["download", "--help"], ["schema"], ["qury"]],
    ids=" ".join,
)
def test_help_loads_no_heavy_module(args: list[str]) -> None:
    assert loaded_by(*args) & set(HEAVY) == set()


def test_a_query_without_an_area_and_a_run_of_downloads_do_without_geometry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, out = tmp_path / "satcat.db", tmp_path / "products"
    with Sandbox(products=3) as sandbox:
        for name, value in sandbox.environment.items():
            monkeypatch.setenv(name, value)
        loaded_by("--db", str(there), "sync", "--collection", "SENTINEL-2")
        loaded_by("--db", str(there), "mark", "--all")
        assert "numpy" in loaded_by("--db", str(there), "query", "--bbox", "0,0,1,1")
        query = ("query", "--tile", "30TWM", "--start", "2024-01", "--cloud", "20", "--latest")
        assert loaded_by("--db", str(there), *query) & GEOMETRY == set()
        loaded = loaded_by("--db", str(there), "download", "--out", str(out))
    assert len(list(out.iterdir())) == 3
    assert loaded & GEOMETRY == set()


def test_importing_the_package_loads_no_heavy_module() -> None:
    code = "import satcat, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & set(HEAVY) == set()
