"""A local mirror of a satellite product catalogue: queried offline with SQL, downloaded as marked.

The public names are loaded when they are first used, for most of them bring in a large library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from satcat.api.base import SatelliteAPI
    from satcat.api.odata import ODataAPI
    from satcat.catalogue import Catalogue
    from satcat.compat import SatelliteImageDownloader
    from satcat.errors import SatcatError
    from satcat.filters import SearchFilters
    from satcat.products import SatelliteImage, SearchResults
    from satcat.values import COLLECTIONS

__all__ = [
    "COLLECTIONS",
    "Catalogue",
    "ODataAPI",
    "SatcatError",
    "SatelliteAPI",
    "SatelliteImage",
    "SatelliteImageDownloader",
    "SearchFilters",
    "SearchResults",
    "__version__",
]

__version__: str

_HOMES = {
    "COLLECTIONS": "satcat.values",
    "Catalogue": "satcat.catalogue",
    "ODataAPI": "satcat.api.odata",
    "SatcatError": "satcat.errors",
    "SatelliteAPI": "satcat.api.base",
    "SatelliteImage": "satcat.products",
    "SatelliteImageDownloader": "satcat.compat",
    "SearchFilters": "satcat.filters",
    "SearchResults": "satcat.products",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("satcat-mirror")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
