"""Data frames hold the products of a search, with types that say what they are."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from satcat import SearchFilters
from satcat.catalogue import Catalogue
from satcat.errors import FilterError, MissingLibraryError, SatcatError
from satcat.products import RESULT_COLUMNS
from tests.exports.conftest import geometry

ALL = SearchFilters()


def test_a_dataframe_holds_what_a_search_gives(catalogue: Catalogue) -> None:
    frame = catalogue.to_dataframe(ALL)
    assert list(frame.columns) == list(RESULT_COLUMNS)
    for row, product in zip(frame.itertuples(), catalogue.iter(ALL), strict=True):
        for name in RESULT_COLUMNS:
            value, expected = getattr(row, name), getattr(product, name)
            assert pd.isna(value) if expected is None else value == expected, name


def test_its_columns_have_real_types(catalogue: Catalogue) -> None:
    types = catalogue.to_dataframe(ALL).dtypes.astype(str).to_dict()
    assert types["sensing_start"] == types["eviction_date"] == "datetime64[us, UTC]"
    assert types["size_bytes"] == types["relative_orbit"] == "Int64"
    assert (types["online"], types["cloud_cover"], types["tile_id"]) == (
        "boolean",
        "float64",
        "category",
    )
    assert types["name"] == "string"
    empty = catalogue.to_dataframe(SearchFilters(tile_id="33UUP"))
    assert len(empty) == 0
    assert empty.dtypes.astype(str).to_dict() == types


def test_it_answers_questions_as_pandas_users_ask_them(catalogue: Catalogue) -> None:
    frame = catalogue.to_dataframe(ALL)
    by_day = frame.groupby([frame.sensing_start.dt.date, "tile_id"], observed=True).size()
    assert by_day.sum() == 5  # two have no tile
    assert frame[frame.online.fillna(value=False)].size_bytes.sum() == sum(
        2**40 + n for n in (0, 2, 4)
    )


def test_columns_and_choices_narrow_it(catalogue: Catalogue) -> None:
    frame = catalogue.to_dataframe(ALL, columns=["id", "footprint"], limit=3)
    assert list(frame.columns) == ["id", "footprint"]
    assert list(frame.id) == list(catalogue.search(ALL, limit=3))
    assert frame.footprint[0] == next(iter(catalogue.search(ALL, limit=1).values())).footprint
    with pytest.raises(FilterError, match="no column 'nme'"):
        catalogue.to_dataframe(ALL, columns=["nme"])
    with pytest.raises(FilterError, match="no column is asked for"):
        catalogue.to_dataframe(ALL, columns=[])
    with pytest.raises(FilterError, match="'id' is asked for twice"):
        catalogue.to_dataframe(ALL, columns=["id", "id"])


def test_a_geodataframe_has_footprints_as_its_geometry(catalogue: Catalogue) -> None:
    frame = catalogue.to_geodataframe(ALL)
    assert list(frame.columns) == [*RESULT_COLUMNS, "geometry"]
    assert frame.crs.to_epsg() == 4326
    for shape, product in zip(frame.geometry, catalogue.iter(ALL), strict=True):
        expected = geometry(product.footprint)
        assert shape == expected or shape.normalize() == expected.normalize()
    west, south, east, north = frame.total_bounds
    assert np.isclose([west, south, east, north], [-180, -17, 180, 90]).all()
    assert list(catalogue.to_geodataframe(ALL, columns=["id"], limit=1).columns) == [
        "id",
        "geometry",
    ]


@pytest.mark.parametrize(
    ("method", "library"), [("to_dataframe", "pandas"), ("to_geodataframe", "geopandas")]
)
def test_what_is_not_installed_is_named(
    catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch, method: str, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(
        SatcatError, match=rf"needs {library}.*satcat-mirror\[{library}\]"
    ) as caught:
        getattr(catalogue, method)(ALL)
    assert isinstance(caught.value, MissingLibraryError)
    assert isinstance(caught.value, ImportError)


def test_no_command_loads_pandas(tmp_path: Path) -> None:
    import subprocess

    code = "import sys; import satcat.cli.export, satcat.exports, satcat.catalogue; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
