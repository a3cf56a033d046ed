"""What `import satcat` offers, and that it costs nothing until it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import satcat

PUBLIC = [
    "COLLECTIONS",
    "Catalogue",
    "ODataAPI",
    "SatcatError",
    "SatelliteAPI",
    "SatelliteImage",
    "SatelliteImageDownloader",
    "SearchFilters",
    "SearchResults",
]


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_public_names_are_those_that_were_promised():
    assert set(PUBLIC) <= set(satcat.__all__)
    assert satcat.__all__ == sorted(satcat.__all__)


@pytest.mark.parametrize("name", satcat.__all__)
def test_a_public_name_is_there_and_has_a_docstring(name):
    found = getattr(satcat, name)
    assert name in dir(satcat)
    if isinstance(found, type):
        assert found.__doc__


def test_type_checkers_are_told_of_every_public_name():
    tree = ast.parse(Path(satcat.__file__).read_text("utf-8"))
    known = {
        alias.name for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) for alias in n.names
    }
    assert set(satcat.__all__) - {"__version__"} <= known


def test_importing_satcat_loads_nothing_else():
    loaded = run(
        "import satcat, sys; print(*sorted(m for m in sys.modules if m.startswith('satcat.')))"
    )
    assert loaded == ""


def test_a_star_import_gives_the_public_names():
    assert run("from satcat import *; print(SearchFilters.__name__, Catalogue.__name__)") == (
        "SearchFilters Catalogue"
    )


def test_the_version_is_the_distributions():
    assert satcat.__version__ == version("satcat-mirror")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Catalog"):
        satcat.Catalog  # noqa: B018
