"""A filter means the same online and offline: whatever is asked of the source and of its mirror, both give the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from satcat.api.http import HttpClient, Retries
from satcat.api.odata import ODataAPI
from satcat.catalogue import Catalogue
from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.products import SearchResults
from satcat.sandbox import Sandbox
from satcat.sandbox.records import TypedValue

COLLECTIONS = ("SENTINEL-1", "SENTINEL-2", "SENTINEL-3", "SENTINEL-5P")
NOW = "2025-06-01T00:00:00Z"


class Both(NamedTuple):
    """A source and its complete mirror."""

    api: ODataAPI
    catalogue: Catalogue
    better_known: set[str]


@pytest.fixture(scope="module")
def both(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    path = Path(shutil.copy(template, tmp_path_factory.mktemp("same") / "satcat.db"))
    with Sandbox(products=600, seed=11, now=NOW) as sandbox, Catalogue.open(path) as catalogue:
        better_known = set()
        for collection in COLLECTIONS:
            for fields in ODD:
                sandbox.catalogue.publish(collection=collection, **fields)
            for fields in BETTER_KNOWN:
                better_known.add(sandbox.catalogue.publish(collection=collection, **fields))
        api = ODataAPI(
            catalogue_url=sandbox.catalogue_url, download_url=sandbox.download_url, token_url=sandbox.token_url,
            http=HttpClient(retries=Retries(attempts=3, first_wait=0.01)),
        )  # fmt: skip
        for collection in COLLECTIONS:
            catalogue.sync(api, SearchFilters(collection=collection))
        yield Both(api, catalogue, better_known)
        api.close()


#: Products as sources have them too.
ODD: list[dict[str, Any]] = [
    {"attributes": {}},
    {"footprint": None},
    {"online": False},
    {"cloud_cover": None},
    {"cloud_cover": 0.0},
    {"cloud_cover": 100.0},
    {"attributes": {"cloudCover": TypedValue(12, "Double")}},
    {"attributes": {"productType": TypedValue(7, "String")}, "name": "seven"},
    {"attributes": {"relativeOrbitNumber": 0}, "name": "no orbit"},
    {"attributes": {"orbitDirection": "DESCENDING"}},
    {"attributes": {"processingLevel": "L9", "tileId": "99XXX", "platformSerialIdentifier": "Z"}},
    {"style": "2023"},
    {"name": "S2A_OPER_PRD_MSIL1C_PDMC_20160101T120000_R094_V20151231T110000_20151231T110000.SAFE"},
    {"name": "S1A_OPER_AUX_POEORB_OPOD_20240601T070000_V20240511T225942_20240513T005942.EOF"},
    {"name": "it's 100%_of-[x] & more?=*.zip"},
    {"name": "nothing"},
    # split at 180°; how the service itself reads a ring that is not, nothing tells
    {"footprint": "MULTIPOLYGON (((179 40, 180 40, 180 42, 179 40)), ((-180 40, -179 40, -180 42, -180 40)))"},
    {"footprint": "POINT (-3 42)"},
]  # fmt: skip

#: What lacks or mistypes an attribute that its name, or the value itself, tells all the same: found offline alone.
BETTER_KNOWN: list[dict[str, Any]] = [
    {"attributes": {"productType": ""}},
    {"attributes": {"productType": TypedValue("S2MSI2A", "Integer")}},
    {"attributes": {"cloudCover": TypedValue("12.5", "String")}},
    {"attributes": {"relativeOrbitNumber": TypedValue("64", "String")}},
    {"attributes": {"relativeOrbitNumber": TypedValue("64", "Integer")}},
    {"attributes": {"orbitDirection": "descending"}},
]


TYPES = (
    "S2MSI1C", "S2MSI2A", "IW_GRDH_1S", "IW_SLC__1S", "AUX_POEORB", "OL_1_EFR___", "L2__NO2___", "it's none",
)  # fmt: skip
WORDS = ("N0510", "_T30", "S1A", "IW", "_R094_", "'", "it's", "%", "_", "[x]", "&", "OPER", "nrti")
NAMES = (
    "S2A*",
    "*.SAFE",
    "*NO2*",
    "S1A_IW*.SAFE",
    "nothing",
    "*",
    "*_O_NT_*",
    "it's*",
    "*[x]*",
    "S2?_*",
    "[S]2A*",
)
AREAS: list[dict[str, Any]] = [
    {"bbox": (-4, 41, -2, 43)}, {"bbox": (178, 39, -178, 43)}, {"bbox": (-180, -90, 180, 90)},
    {"point": (-3.0, 42.0)}, {"point": (0.0, 0.0)}, {"geometry": "POLYGON((-5 40,1 40,1 44,-5 40))"},
    {"geometry": "MULTIPOLYGON(((-5 40,-4 40,-4 44,-5 40)),((0 40,1 40,1 44,0 40)))"},
]  # fmt: skip
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "product_type": st.sampled_from(TYPES),
    "processing_level": st.sampled_from(["L0", "L1", "L1B", "L1C", "L2", "L2A", "l2a"]),
    "tile_id": st.lists(
        st.sampled_from(["30TWM", "30TVN", "31TCG", "T30TXM", "202030"]), min_size=1, max_size=3
    ),
    "contains": st.lists(st.sampled_from(WORDS), min_size=1, max_size=2),
    "name": st.sampled_from(NAMES),
    "cloud_cover": st.sampled_from([0, 12, 12.5, 20, 99.99, 100]),
    "relative_orbit": st.sampled_from([1, 64, 94, 137, 1000]),
    "orbit_direction": st.sampled_from(["ASCENDING", "descending"]),
    "platform": st.sampled_from(["S1A", "S1B", "S2A", "S2B", "S3A", "S5P"]),
    "online": st.booleans(),
    "start_date": st.sampled_from(["2024-03-01", "2024-06-01T10:30:00.5Z"]),
    "end_date": st.sampled_from(["2024-06-30", "2024-10-01T00:00:00Z"]),
    "published_since": st.sampled_from(["2024-05-01", "2025-06-01"]),
}


@st.composite
def filters(draw: st.DrawFn) -> SearchFilters:
    """One collection and one to three filters."""
    names = draw(st.lists(st.sampled_from([*FIELDS, "area"]), min_size=1, max_size=3, unique=True))
    chosen = {name: draw(FIELDS[name]) for name in names if name != "area"}
    area = draw(st.sampled_from(AREAS)) if "area" in names else {}
    return SearchFilters(collection=draw(st.sampled_from(COLLECTIONS)), **chosen, **area)


def plain(results: SearchResults) -> SearchResults:
    """The results less what only a catalogue knows."""
    return {
        id: replace(image, first_seen_at=None, changed_at=None) for id, image in results.items()
    }


@given(asked=filters())
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_filter_gives_the_same_products_in_the_same_order_online_and_offline(
    both: Both, asked: SearchFilters
) -> None:
    try:
        online = both.api.search(asked)
    except FilterError:
        event("refused")
        return
    offline = plain(both.catalogue.search(asked))
    event("some" if online else "none")
    only_here = both.better_known - online.keys()
    expected = {id: image for id, image in offline.items() if id not in only_here}
    assert expected == online
    assert list(expected) == list(online)
