"""Names of products: what they say, and that filters by name mean the same as the columns read from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satcat import names
from satcat.errors import FilterError
from satcat.names import NameParts

_HOMES = {
    "sentinel-1-mosaic": "GLOBAL-MOSAICS", "sentinel-2-mosaic": "GLOBAL-MOSAICS", "sentinel-1": "SENTINEL-1",
    "sentinel-2": "SENTINEL-2", "sentinel-3": "SENTINEL-3", "sentinel-5p": "SENTINEL-5P",
    "sentinel-6": "SENTINEL-6",
}  # fmt: skip
_LEVELS = {
    "SENTINEL-1": ("L0", "L1", "L2"), "SENTINEL-2": ("L0", "L1B", "L1C", "L2A"), "SENTINEL-3": ("L0", "L1", "L2"),
    "SENTINEL-5P": ("L0", "L1B", "L2"), "SENTINEL-6": ("L0", "L1A", "L1B", "L2"), "LANDSAT-8": ("L1", "L2"),
    "LANDSAT-9": ("L1", "L2"),
}  # fmt: skip


@pytest.fixture(scope="session")
def recorded_names(recorded: Path) -> list[tuple[str, str]]:
    """Collection and name of real products."""
    lines = (recorded / "names.tsv").read_text().splitlines()[1:]
    pairs = [line.split("\t") for line in lines]
    return [
        (
            next((home for start, home in _HOMES.items() if family.startswith(start)), "COP-DEM"),
            name,
        )
        for family, name in pairs
    ]


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (
            "S2B_MSIL2A_20240604T110619_N0510_R137_T30TWM_20240604T125003.SAFE",
            NameParts("S2B", "S2MSI2A", "L2A", "05.10", "30TWM", 137),
        ),
        (
            "S2A_OPER_PRD_MSIL1C_PDMC_20160521T105553_R051_V20160521T081010_20160521T081010.SAFE",
            NameParts("S2A", "S2MSI1C", "L1C", relative_orbit=51),
        ),
        (
            "S2A_OPER_MSI_L1B_GR_2APS_20240101T000000_S20240101T000000_D01_N05.10.tar",
            NameParts("S2A", "MSI_L1B_GR", "L1B", "05.10"),
        ),
        (
            "S2A_OPER_AUX_GNSSRD_POD__20170615T032425_V20150705T000009_20150705T235559_.tgz",
            NameParts("S2A", "AUX_GNSSRD"),
        ),
        (
            "S1C_IW_GRDH_1SDV_20250327T154419_20250327T154453_001628_002981_53D2_COG.SAFE",
            NameParts("S1C", "IW_GRDH_1S-COG", "L1", absolute_orbit=1628, polarisation="VV&VH"),
        ),
        (
            "S1A_IW_RAW__0SSH_20241018T060704_20241018T060810_056153_06DF4F_23A4.SAFE",
            NameParts("S1A", "IW_RAW__0S", "L0", absolute_orbit=56153, polarisation="HH"),
        ),
        ("S1A_AUX_CAL_V20190228T092500_G20210104T141310.SAFE", NameParts("S1A", "AUX_CAL")),
        (
            "S1A_OPER_AUX_POEORB_OPOD_20210301T121401_V20210208T225942_20210210T005942.EOF",
            NameParts("S1A", "AUX_POEORB"),
        ),
        (
            "S3A_SR_2_LAN_LI_20240101T000707_20240101T002509_20240127T054855_1081_107_216______PS1_O_NT_005.SEN3",
            NameParts("S3A", "SR_2_LAN_LI", "L2", relative_orbit=216),
        ),
        (
            "S3A_SY_2_V10____20240201T000000_20240210T235959_20240212T231847_CENTRAL_AMERICA___PS1_O_NT_002.SEN3",
            NameParts("S3A", "SY_2_V10___", "L2"),
        ),
        (
            "S5P_OFFL_L2__NO2____20240601T104909_20240601T123039_34371_03_020600_20240603T003808.nc",
            NameParts("S5P", "L2__NO2___", "L2", absolute_orbit=34371),
        ),
        (
            "S6A_P4_2__LR______20250220T090208_20250220T095821_20250312T230313_3373_157_228_114_EUM__OPE_NT_F09",
            NameParts("S6A", "P4_2__LR_____", "L2", relative_orbit=114),
        ),
        (
            "LC09_L1TP_203033_20240112_20240112_02_T1",
            NameParts("L9", "L1TP", "L1", tile_id="203033"),
        ),
        ("Sentinel-2_mosaic_2024_Q1_17RLM_0_0", NameParts(tile_id="17RLM")),
        ("Sentinel-1_IW_mosaic_2020_M01_01KAS_0_0", NameParts(tile_id="01KAS")),
        ("Copernicus_DSM_COG_10_N00_00_E006_00_DEM", NameParts()),
        ("Landsat_mosaic_1997_01-02_00N009E_V1.0.1", NameParts()),
        ("", NameParts()),
    ],
)
def test_a_name_says_what_its_grammar_says(name: str, parts: NameParts) -> None:
    assert names.parse(name) == parts


def test_a_suffix_changes_nothing(recorded_names: list[tuple[str, str]]) -> None:
    for _, name in recorded_names:
        for suffix in (".SAFE", ".SEN3", ".nc", ".zip", ".tar", ".EOF"):
            assert names.parse(name + suffix) == names.parse(name)


def test_every_recorded_sentinel_name_gives_platform_type_and_level(
    recorded_names: list[tuple[str, str]],
) -> None:
    for collection, name in recorded_names:
        parts = names.parse(name, collection)
        if collection in _LEVELS:
            assert name.startswith(parts.platform or "?")
            assert parts.product_type is not None
            assert parts.product_type.removesuffix("-COG") in name or parts.product_type.startswith(
                "S2MSI"
            )
            assert parts.processing_level in _LEVELS[collection]
        else:
            assert parts.platform is None


def test_the_cycle_of_sentinel_3_is_no_tile(recorded_names: list[tuple[str, str]]) -> None:
    assert {names.parse(name).tile_id for home, name in recorded_names if home == "SENTINEL-3"} == {
        None
    }


def test_a_marker_is_in_a_name_exactly_if_its_column_says_so(
    recorded_names: list[tuple[str, str]],
) -> None:
    tiles = {"51CVP", "13VEK", "17RLM", "01KAS", "30TWM"}
    for collection, name in recorded_names:
        parts = names.parse(name, collection)
        for level in _LEVELS.get(collection, ()):
            marked = names.level_marker(collection, level) in name
            assert marked == (parts.processing_level == level)
        for tile in tiles:
            marker = names.tile_marker(collection, tile)
            assert marker is None or (marker in name) == (parts.tile_id == tile)
        for orbit in (27, 130, 137):
            marker = names.relative_orbit_marker(collection, orbit)
            assert marker is None or (marker in name) == (parts.relative_orbit == orbit)
        if names.decides(collection, "platform"):
            for platform in ("A", "B", "C"):
                wanted = collection.replace("SENTINEL-", "S") + platform
                if wanted[:3] != "S5P":
                    started = name.startswith(names.platform_prefix(collection, wanted))
                    assert started == (parts.platform == wanted)


@given(
    st.sampled_from(["L1C", "L2A"]),
    st.sampled_from(["30TWM", "31TCG", "01CCV"]),
    st.integers(1, 143),
    st.sampled_from(["30TWM", "31TCG", "01CCV"]),
    st.sampled_from(["", ".SAFE"]),
)
def test_markers_and_columns_of_sentinel_2_agree(
    level: str, tile: str, orbit: int, asked: str, suffix: str
) -> None:
    name = f"S2A_MSI{level}_20240604T110619_N0510_R{orbit:03d}_T{tile}_20240604T125003{suffix}"
    parts = names.parse(name, "SENTINEL-2")
    assert (parts.processing_level, parts.tile_id, parts.relative_orbit) == (level, tile, orbit)
    tile_marker = names.tile_marker("SENTINEL-2", asked)
    orbit_marker = names.relative_orbit_marker("SENTINEL-2", orbit)
    assert tile_marker is not None and (tile_marker in name) == (asked == tile)
    assert orbit_marker is not None and orbit_marker in name


@given(st.text(max_size=100))
def test_any_text_is_read_without_an_error(text: str) -> None:
    for start in ("", "S2A_", "S1A_IW_", "S3A_", "S5P_", "S6A_", "LC08_"):
        for collection in (None, "SENTINEL-2", "LANDSAT-8", "anything"):
            assert isinstance(names.parse(start + text, collection), NameParts)


def test_the_collection_decides_which_markers_count() -> None:
    name = "LC08_L1TP_203033_20240112_20240112_02_T1_1S"
    assert names.parse(name).processing_level == "L1"
    assert names.parse("X_1SDV", "SENTINEL-1").processing_level == "L1"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: names.level_marker("SENTINEL-2", "L3"),
            "--level L3: SENTINEL-2 has L0, L1B, L1C, L2A",
        ),
        (lambda: names.level_marker("COP-DEM", "L2"), "COP-DEM has no level"),
        (lambda: names.tile_marker("SENTINEL-2", "203033"), "SENTINEL-2 has MGRS tiles"),
        (lambda: names.tile_marker("LANDSAT-9", "30TWM"), "LANDSAT-9 has WRS-2 tiles"),
        (lambda: names.platform_prefix("SENTINEL-2", "S1A"), "SENTINEL-2 has S2A, S2B, S2C, S2D"),
        (
            lambda: names.platform_prefix("LANDSAT-8", "L8"),
            "LANDSAT-8 has no platform in its names",
        ),
    ],
)
def test_what_a_name_cannot_say_is_refused_in_one_line(call: object, words: str) -> None:
    with pytest.raises(FilterError) as caught:
        call()  # type: ignore[operator]
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tiles_are_marked_as_each_collection_writes_them() -> None:
    assert names.tile_marker("SENTINEL-2", "30TWM") == "_T30TWM_"
    assert names.tile_marker("GLOBAL-MOSAICS", "17RLM") == "_17RLM_"
    assert names.tile_marker("LANDSAT-8", "203033") == "_203033_"
    assert names.tile_marker("SENTINEL-1", "30TWM") is None


def test_attributes_are_known_per_collection() -> None:
    assert names.has_attribute("SENTINEL-2", "cloudCover")
    assert not names.has_attribute("SENTINEL-2", "orbitDirection")
    assert names.has_attribute("SENTINEL-1", "orbitDirection")
    assert not names.has_attribute("SENTINEL-1", "cloudCover")
    assert names.has_attribute("CCM", "productType")
    assert not names.has_attribute("CCM", "cloudCover")
