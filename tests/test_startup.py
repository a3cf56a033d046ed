"""The command answers at once: heavy modules are loaded by the commands that need them."""

from __future__ import annotations

import subprocess
import sys

import pytest

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
)


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


def test_importing_the_package_loads_no_heavy_module() -> None:
    code = "import satcat, sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & set(HEAVY) == set()
