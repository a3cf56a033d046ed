"""The bytes behind a product."""

from __future__ import annotations

import hashlib
import io
import re
import tracemalloc
import zipfile
from dataclasses import replace

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from satcat.sandbox import Record, Sandbox, packages


def publish(**fields: object) -> Record:
    sandbox = Sandbox(products=0)
    return sandbox.catalogue.products[sandbox.catalogue.publish(**fields)]


def whole(record: Record) -> bytes:
    return b"".join(packages.pieces(record))


FOLDER, FILE = publish(size_bytes=20_000), publish(collection="SENTINEL-5P", size_bytes=5000)
KINDS = [
    FOLDER,
    publish(collection="SENTINEL-1", size_bytes=20_000),
    publish(collection="SENTINEL-3", size_bytes=20_000),
    publish(name="ünusual.SAFE", size_bytes=20_000),
]


@pytest.mark.parametrize("record", KINDS, ids=lambda r: r.collection)
def test_a_folder_is_a_stored_zip_whose_manifest_is_right(record: Record) -> None:
    with zipfile.ZipFile(io.BytesIO(whole(record))) as package:
        assert package.testzip() is None
        assert {info.compress_type for info in package.infolist()} == {zipfile.ZIP_STORED}
        names = package.namelist()
        assert all(name.startswith(f"{record.name}/") for name in names)
        manifest = package.read(names[0]).decode()
        said = re.findall(r'size="(\d+)".*?href="\./([^"]+)".*?"MD5">(\w+)<', manifest)
        assert [f"{record.name}/{path}" for _, path, _ in said] == names[1:]
        for size, path, md5 in said:
            content = package.read(f"{record.name}/{path}")
            assert (len(content), hashlib.md5(content).hexdigest()) == (int(size), md5)


@given(
    size=st.integers(3500, 200_000), kind=st.sampled_from(KINDS), name=st.text("ab_ü/", max_size=40)
)
def test_a_package_has_exactly_its_size(size: int, kind: Record, name: str) -> None:
    record = replace(kind, size_bytes=size, name=f"{name}.SAFE")
    content = whole(record)
    assert len(content) == size
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None


@given(size=st.integers(0, 2_500_000))
def test_a_single_file_has_exactly_its_size(size: int) -> None:
    assert len(whole(replace(FILE, size_bytes=size))) == size


def test_a_package_smaller_than_its_manifest_is_refused_when_published() -> None:
    sandbox = Sandbox(products=0)
    with pytest.raises(ValueError, match="bytes or more"):
        sandbox.catalogue.publish(size_bytes=500)
    id = sandbox.catalogue.publish()
    with pytest.raises(ValueError, match="cannot have"):
        sandbox.catalogue.modify(id, size_bytes=2**33)
    assert sandbox.catalogue.products[id].size_bytes < 2**20


@pytest.mark.parametrize("record", [FOLDER, FILE], ids=["zip", "file"])
def test_the_checksums_are_those_of_the_bytes(record: Record) -> None:
    content = whole(record)
    expected = hashlib.md5(content).hexdigest(), blake3(content).hexdigest()
    assert packages.digests(record) == expected
    assert packages.digests(record) == expected


def test_the_bytes_follow_from_id_name_and_size() -> None:
    assert whole(FOLDER) == whole(replace(FOLDER, cloud_cover=99.0, online=False))
    other = "00000000-0000-4000-8000-000000000000"
    changed = [replace(FOLDER, id=other), replace(FOLDER, size_bytes=20_001)]
    assert len({whole(FOLDER), *map(whole, changed)}) == 3


def test_names_say_how_a_product_is_delivered() -> None:
    assert packages.delivered_name(FOLDER) == FOLDER.name.removesuffix(".SAFE") + ".zip"
    assert packages.delivered_name(FILE) == FILE.name
    assert FILE.name.endswith(".nc")


@given(start=st.integers(0, 20_000), stop=st.integers(0, 20_000))
def test_any_stretch_of_a_package_can_be_had(start: int, stop: int) -> None:
    parts = packages.pieces(FOLDER)
    assert b"".join(packages.chunks(parts, start, stop)) == whole(FOLDER)[start:stop]


@given(at=st.integers(-5, 20_005))
def test_a_flaw_is_one_bit_of_one_byte(at: int) -> None:
    good = whole(FOLDER)
    bad = b"".join(packages.with_flaw(packages.chunks(packages.pieces(FOLDER), 0, 20_000), at))
    differ = [n for n in range(20_000) if good[n] != bad[n]]
    assert differ == ([at] if 0 <= at < 20_000 else [])


def test_a_large_package_is_never_held_whole() -> None:
    record = replace(FOLDER, size_bytes=200_000_000)
    packages.pieces(FOLDER)  # the pool of noise is made once for all
    tracemalloc.start()
    sent = sum(map(len, packages.chunks(packages.pieces(record), 0, record.size_bytes)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sent == record.size_bytes
    assert peak < 1_000_000
