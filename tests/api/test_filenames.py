"""Names of files, from names of products that may be hostile."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satcat.api.filenames import (
    LONGEST,
    Layout,
    final_name,
    folders,
    is_safe,
    kind,
    marks,
    part_name,
)
from satcat.errors import FilterError
from satcat.products import SatelliteImage

ZIP, HDF5, GZIP, XML = (
    b"PK\x03\x04....",
    b"\x89HDF\r\n\x1a\n",
    b"\x1f\x8b\x08",
    b"<?xml version='1.0'?>",
)
TAR = bytes(257) + b"ustar\x0000"


def image(name: str, id: str = "11111111-2222-3333-4444-555555555555") -> SatelliteImage:
    return SatelliteImage(
        id=id,
        source="cdse",
        name=name,
        collection="X",
        sensing_start=datetime(2024, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("name", "said", "head", "expected"),
    [
        ("S2A_X.SAFE", None, b"", "S2A_X.zip"),
        ("S2A_X.SAFE", "S2A_X.zip", ZIP, "S2A_X.zip"),
        ("S2A_X.SAFE", "S2A_X.SAFE.zip", ZIP, "S2A_X.zip"),
        ("S3A_OL_1_EFR____X.SEN3", None, ZIP, "S3A_OL_1_EFR____X.zip"),
        ("S5P_OFFL_L2__NO2____X.nc", "S5P_OFFL_L2__NO2____X.nc", HDF5, "S5P_OFFL_L2__NO2____X.nc"),
        ("S5P_OFFL_L2__NO2____X.nc", None, b"", "S5P_OFFL_L2__NO2____X.nc"),
        ("S5P_OFFL_L2__NO2____X", None, HDF5, "S5P_OFFL_L2__NO2____X.nc"),
        ("S1A_OPER_AUX_POEORB_X.EOF", "x.EOF", XML, "S1A_OPER_AUX_POEORB_X.EOF"),
        ("S1A_OPER_AUX_GNSSRD_X", "X.TGZ", GZIP, "S1A_OPER_AUX_GNSSRD_X.TGZ"),
        ("S1A_OPER_AUX_GNSSRD_X", None, GZIP, "S1A_OPER_AUX_GNSSRD_X.tgz"),
        ("S2A_OPER_MSI_L1B_GR_X", None, TAR, "S2A_OPER_MSI_L1B_GR_X.tar"),
        ("X.nc", None, ZIP, "X.zip"),
        ("LC09_L1TP_203033_20240112_20240112_02_T1", None, b"", "LC09_L1TP_203033_20240112_20240112_02_T1.zip"),
        ("Landsat_mosaic_1997_V1.0.1", None, ZIP, "Landsat_mosaic_1997_V1.0.1.zip"),
        ("X.SAFE.zip", None, ZIP, "X.zip"),
        ("X", "y.exe", b"MZ", "X"),
        ("../../etc/passwd", None, ZIP, "_.._etc_passwd.zip"),
        ("/etc/cron.d/x", None, ZIP, "_etc_cron.d_x.zip"),
        (".hidden", None, ZIP, "hidden.zip"),
        ("..", None, ZIP, "product.zip"),
        ("", None, ZIP, "product.zip"),
        ("con", None, ZIP, "_con.zip"),
        ("NUL.tar", None, TAR, "_NUL.tar"),
        ("a\x00b\nc\u202ed\ud800", None, ZIP, "a_b_c_d_.zip"),
    ],
)  # fmt: skip
def test_the_name_follows_product_and_first_bytes(
    name: str, said: str | None, head: bytes, expected: str
) -> None:
    assert final_name(image(name), said, head) == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\xef\xbb\xbf  <!DOCTYPE HTML>", "html"), (b"<html>", "html"), (b"<?xml?><html>", "html"), (b' {"a"', "json"),
        (XML, "xml"), (ZIP, "zip"), (TAR, "tar"), (HDF5, "hdf5"), (b"CDF\x01", "netcdf"), (b"II*\x00", "tiff"),
        (b"", None), (b"random", None),
    ],
)  # fmt: skip
def test_first_bytes_say_the_kind(head: bytes, expected: str | None) -> None:
    assert kind(head) == expected


def test_marks_tell_two_ids_of_one_name_apart() -> None:
    one, other = image("X.SAFE"), image("X.SAFE", "22222222-0000")
    names = {
        final_name(product, head=ZIP, mark=mark)
        for product in (one, other)
        for mark in marks(product)
    }
    assert names == {
        "X.zip", "X_11111111.zip", "X_11111111-2222-3333-4444-555555555555.zip", "X_22222222.zip", "X_22222222-0000.zip"
    }  # fmt: skip


@given(
    st.text(st.characters(), max_size=400), st.none() | st.text(max_size=60), st.binary(max_size=600),
    st.text(max_size=300), st.integers(1, 2**40),
)  # fmt: skip
def test_any_name_is_safe_as_one_part_of_a_path(
    name: str, said: str | None, head: bytes, id: str, claim: int
) -> None:
    product = image(name, id)
    for result in [
        *(final_name(product, said, head, mark=mark) for mark in marks(product)),
        part_name(product, claim),
    ]:
        assert 0 < len(result.encode()) <= LONGEST
        assert not set(result) & set('/\\:*?"<>|') and result.isprintable()
        assert result.strip(". ") and not result.endswith((".", " "))
    assert not final_name(product, said, head).startswith((".", " "))
    assert part_name(product, claim).startswith(".") and part_name(product, claim).endswith(
        f".{claim}.part"
    )


HOSTILE = st.text() | st.sampled_from(
    ["", ".", "..", "../../etc", "/abs", "a/b", "C:\\x", "CON", "lpt1.x", "x" * 400, "é" * 200, "\ud800", "a ", "."*300]
)  # fmt: skip


def test_a_product_lies_in_the_folders_of_its_collection_day_and_tile():
    one = replace(image("X.SAFE"), collection="SENTINEL-2", tile_id="30TWM")
    assert folders(one, Layout.FLAT) == ()
    assert folders(one, Layout("collection/date/tile")) == ("SENTINEL-2", "2024-01-01", "30TWM")
    assert folders(replace(one, tile_id=None), Layout.NESTED) == ("SENTINEL-2", "2024-01-01")
    assert folders(replace(one, tile_id=""), Layout.NESTED) == ("SENTINEL-2", "2024-01-01")
    with pytest.raises(FilterError, match="no layout is called 'date': it is flat or collection/"):
        Layout("date")


@given(collection=HOSTILE, tile=st.none() | HOSTILE, name=HOSTILE)
def test_whatever_the_catalogue_says_a_file_stays_below_the_target(collection, tile, name):
    hostile = replace(image(name or "x"), collection=collection, tile_id=tile)
    steps = (*folders(hostile, Layout.NESTED), final_name(hostile, name))
    assert len(steps) == 3 + bool(tile) and is_safe(steps)
    assert all(PureWindowsPath(step).name == step and PurePosixPath(step).name == step for step in steps)  # fmt: skip
    assert not set(steps) & {"", ".", ".."} and not any(step.startswith(".") for step in steps)
    target = PurePosixPath("/target").joinpath(*steps)
    assert target.is_relative_to("/target") and ".." not in target.parts
