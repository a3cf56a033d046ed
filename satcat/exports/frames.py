"""Data frames of pandas and geopandas; the extras `pandas` and `geopandas`.

Instants are UTC, whole numbers and flags know the unknown (`Int64`, `boolean`), and text of few values is a category.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from satcat import select
from satcat.errors import MissingLibraryError
from satcat.exports.fields import Kind, geometries, kind_of
from satcat.products import RESULT_COLUMNS

if TYPE_CHECKING:
    import geopandas
    import pandas as pd
    from sqlalchemy import Connection

    from satcat.choice import Choice
    from satcat.filters import SearchFilters

_CATEGORIES = {
    "source", "collection", "product_type", "processing_level", "processing_baseline", "platform", "instrument",
    "tile_id", "orbit_direction", "polarisation",
}  # fmt: skip
_TYPES = {
    Kind.TEXT: "string", Kind.INTEGER: "Int64", Kind.NUMBER: "float64", Kind.FLAG: "boolean",
    Kind.INSTANT: "datetime64[us, UTC]", Kind.JSON: "object",
}  # fmt: skip


def to_dataframe(
    connection: Connection,
    filters: SearchFilters,
    columns: Sequence[str] | None = None,
    **choice: Unpack[Choice],
) -> pd.DataFrame:
    """The products that match as a DataFrame; attributes are dictionaries, a footprint that is asked for is WKB.

    Args:
        columns: of the table `products`; None: all but `pk` and `footprint`.

    Raises:
        MissingLibraryError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingLibraryError("a DataFrame", "pandas", "pandas") from None
    names = list(RESULT_COLUMNS if columns is None else columns)
    rows = list(select.rows(connection, filters, names, **choice))
    held = list(zip(*rows, strict=True)) or [()] * len(names)
    series = {
        name: pd.Series(values, dtype=_type_of(name))
        for name, values in zip(names, held, strict=True)
    }
    return pd.DataFrame(series)


def to_geodataframe(
    connection: Connection,
    filters: SearchFilters,
    columns: Sequence[str] | None = None,
    **choice: Unpack[Choice],
) -> geopandas.GeoDataFrame:
    """The same with the footprints as the column `geometry`, in EPSG:4326.

    Raises:
        MissingLibraryError: geopandas is not installed.
    """
    try:
        import geopandas
    except ImportError:
        raise MissingLibraryError("a GeoDataFrame", "geopandas", "geopandas") from None
    names = RESULT_COLUMNS if columns is None else columns
    others = [name for name in names if name != "footprint"]
    frame = to_dataframe(connection, filters, [*others, "footprint"], **choice)
    shapes = geometries(list(frame.pop("footprint")))
    return geopandas.GeoDataFrame(frame, geometry=shapes, crs="EPSG:4326")


def _type_of(column: str) -> str:
    if column == "footprint":
        return "object"
    return "category" if column in _CATEGORIES else _TYPES[kind_of(column)]
