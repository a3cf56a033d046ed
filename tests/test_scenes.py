"""Versions of a scene, by the names of their products."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from satcat import choice, scenes
from satcat.database import Database
from satcat.models import products

#: Names of one scene, from the oldest version to the newest.
VERSIONS = [
    ["S2A_MSIL2A_20220217T183431_N0400_R027_T13VEK_20220217T222440.SAFE",
     "S2A_MSIL2A_20220217T183431_N0510_R027_T13VEK_20240516T022440.SAFE"],
    ["S3A_OL_1_EFR____20160406T012156_20160406T012355_20180203T093342_0119_002_345_1440_LR1_R_NT_002.SEN3",
     "S3A_OL_1_EFR____20160406T012156_20160406T012456_20241003T093342_0179_002_345_1440_MAR_R_NT_004.SEN3"],
    ["S3A_SR_2_LAN____20180601T000731_20180601T005419_20180626T232025_2808_032_002______LN3_O_NT_003.SEN3",
     "S3A_SR_2_LAN____20180601T000731_20180601T005419_20230626T232025_2808_032_002______LN3_R_NT_005.SEN3"],
    ["S5P_OFFL_L2__CH4____20211211T104909_20211211T123039_21566_02_020301_20211213T011659.nc",
     "S5P_RPRO_L2__CH4____20211211T104909_20211211T123039_21566_03_020400_20221115T080826.nc"],
    ["S6A_P4_2__LR______20250220T090208_20250220T095821_20250312T230313_3373_157_228_114_EUM__OPE_NT_F09.SEN6",
     "S6A_P4_2__LR______20250220T090208_20250220T095821_20260312T230313_3373_157_228_114_EUM__REP_NT_G01.SEN6"],
    ["LC08_L1GT_203033_20240601_20240601_02_RT", "LC08_L1TP_203033_20240601_20240610_02_T1"],
]  # fmt: skip
#: Same place, same time, and yet not versions of each other.
STRANGERS = [
    ["S2A_MSIL2A_20220217T183431_N0510_R027_T13VEK_20240516T022440.SAFE",
     "S2A_MSIL1C_20220217T183431_N0510_R027_T13VEK_20240516T022440.SAFE",
     "S2A_MSIL2A_20220217T183431_N0510_R027_T13VEL_20240516T022440.SAFE",
     "S2B_MSIL2A_20220217T183431_N0510_R027_T13VEK_20240516T022440.SAFE"],
    ["S1A_IW_GRDH_1SDV_20240607T000653_20240607T000718_054210_0697DA_6EE4.SAFE",
     "S1A_IW_GRDH_1SDV_20240607T000653_20240607T000718_054210_0697DA_6EE4_COG.SAFE",
     "S1A_IW_SLC__1SDV_20240607T000653_20240607T000718_054210_0697DA_6EE4.SAFE"],
    ["S3A_SY_2_V10____20230501T000000_20230510T235959_20230512T231023_SOUTH_AMERICA_____PS1_O_NT_002.SEN3",
     "S3A_SY_2_V10____20230501T000000_20230510T235959_20230512T231023_NORTH_AMERICA_____PS1_O_NT_002.SEN3"],
    ["LC08_L1TP_203033_20240601_20240610_02_T1", "LC08_L2SP_203033_20240601_20240610_02_T1",
     "LC08_L1TP_203034_20240601_20240610_02_T1", "LC09_L1TP_203033_20240601_20240610_02_T1"],
]  # fmt: skip
EVERY = [name for names in (*VERSIONS, *STRANGERS) for name in names]


@pytest.mark.parametrize("names", VERSIONS)
def test_versions_of_a_scene_share_it_and_grow(names: list[str]) -> None:
    assert len({scenes.scene(name) for name in names}) == 1
    said = [scenes.version(name) or "" for name in names]
    assert "" not in said
    assert said == sorted(set(said))


def test_checksums_alone_tell_versions_of_sentinel_1_apart() -> None:
    name = "S1A_EW_GRDM_1SSH_20241130T001228_20241130T001333_056776_06F825_E84D_COG.SAFE"
    assert scenes.scene(name) == scenes.scene(name.replace("E84D", "0001"))
    assert scenes.version(name) is None


@pytest.mark.parametrize("names", STRANGERS)
def test_what_is_no_version_is_another_scene(names: list[str]) -> None:
    assert len({scenes.scene(name) for name in names}) == len(names)


def test_other_names_say_nothing() -> None:
    for name in (
        "",
        "Sentinel-2_mosaic_2024_Q1_17RLM_0_0",
        "S2A_OPER_PRD_MSIL1C_PDMC_20160123T121544_R093.SAFE",
    ):
        assert scenes.scene(name) is None
        assert scenes.version(name) is None


def test_sql_reads_names_as_python_does(database: Database, add_products) -> None:
    add_products(*({"name": name} for name in EVERY))
    with database.read() as connection:
        rows = connection.execute(
            sa.select(products.c.name, choice._scene(), choice._version())
        ).all()
    assert len(rows) == len(EVERY)
    for name, scene, version in rows:
        assert (scene, version) == (scenes.scene(name), scenes.version(name))


def test_every_recorded_name_of_a_mission_with_versions_is_known(recorded: Path) -> None:
    lines = (recorded / "names.tsv").read_text("utf-8").splitlines()[1:]
    for family, name in (line.split("\t") for line in lines):
        known = not ("mosaic" in family or family.startswith("copdem"))
        assert (scenes.scene(name) is not None) == known, name
