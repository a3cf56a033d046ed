"""Manifests tell what a product's folder or zip must hold, and nothing in them can lead elsewhere."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satcat.downloads import manifest
from satcat.downloads.manifest import FolderTree, Listed, ManifestError, ZipTree
from satcat.errors import TransferStoppedError
from satcat.sandbox import packages
from satcat.sandbox.publishing import Publisher
from satcat.times import parse as instant

OBJECT = '<dataObject><byteStream size="{}"><fileLocation href="{}"/><checksum checksumName="{}">{}</checksum></byteStream></dataObject>'


def xml(*objects: str, before: str = "") -> bytes:
    return f'<?xml version="1.0"?>\n{before}<x:XFDU xmlns:x="urn:x">{"".join(objects)}</x:XFDU>'.encode()


def listed(path: str, body: bytes, algorithm: str = "MD5") -> str:
    known = {"MD5": "md5", "SHA3-256": "sha3_256", "SHA-1": "sha1"}
    return OBJECT.format(
        len(body), path, algorithm, hashlib.new(known[algorithm], body).hexdigest().upper()
    )


def parse(body: bytes) -> manifest.Manifest:
    return manifest.parse(io.BytesIO(body))


@pytest.fixture(params=["SENTINEL-1", "SENTINEL-2", "SENTINEL-3"])
def package(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The zip of a product of the sandbox."""
    made = Publisher(1, (20_000, 40_000)).make(
        instant("2024-06-01T00:00:00Z"), collection=request.param
    )
    path = tmp_path / packages.delivered_name(made)
    path.write_bytes(b"".join(packages.pieces(made)))
    return path


@pytest.fixture
def folder(package: Path) -> Path:
    """The same, unpacked."""
    with zipfile.ZipFile(package) as archive:
        archive.extractall(package.parent)
        return package.parent / archive.namelist()[0].split("/")[0]


def test_an_unpacked_product_of_the_sandbox_is_right_by_its_manifest(folder: Path) -> None:
    seen: list[int] = []
    found = manifest.check(FolderTree(folder), on_bytes=seen.append)
    inside = [path for path in folder.rglob("*") if path.is_file()]
    assert found.right
    assert found.files == len(inside) - 1
    assert (
        found.bytes == sum(seen) == sum(p.stat().st_size for p in inside) - _manifest_size(folder)
    )


def _manifest_size(folder: Path) -> int:
    name = FolderTree(folder).manifest()
    assert name is not None
    return (folder / name).stat().st_size


def test_a_zip_is_checked_as_its_folder_is(package: Path, folder: Path) -> None:
    with zipfile.ZipFile(package) as archive:
        inside = manifest.check(ZipTree(archive, package.stat().st_size))
    assert inside == manifest.check(FolderTree(folder))


def test_missing_short_and_flipped_files_are_told_apart(folder: Path) -> None:
    first, second, third = (f.path for f in manifest.load(FolderTree(folder)).files[:3])
    (folder / first).unlink()
    (folder / second).write_bytes(b"short")
    body = bytearray((folder / third).read_bytes())
    body[0] ^= 1
    (folder / third).write_bytes(body)
    found = manifest.check(FolderTree(folder))
    assert found.missing == [first]
    assert [line.split(" ")[0].rstrip(":") for line in found.wrong] == [second, third]
    sizes = manifest.check(FolderTree(folder), hashing=False)
    assert (sizes.missing, len(sizes.wrong)) == ([first], 1)
    some = manifest.check(FolderTree(folder), only=lambda path: path == third)
    assert (some.files, some.missing, len(some.wrong)) == (1, [], 1)


@pytest.mark.parametrize("algorithm", ["MD5", "SHA3-256", "SHA-1"])
def test_every_usual_checksum_is_computed(algorithm: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"hello")
    (tmp_path / "manifest.safe").write_bytes(xml(listed("./a", b"hello", algorithm)))
    assert manifest.check(FolderTree(tmp_path)).right
    (tmp_path / "a").write_bytes(b"hallo")
    assert not manifest.check(FolderTree(tmp_path)).right


def test_a_checksum_that_nobody_knows_leaves_the_size() -> None:
    files = parse(xml(OBJECT.format(5, "a", "XYZ-9", "00"))).files
    assert files == (Listed("a", 5),)


def test_the_name_of_a_sen3_product_is_read() -> None:
    body = b"<x><s:productName xmlns:s='urn:s'> S3A_OL.SEN3 </s:productName></x>"
    assert parse(body).product_name == "S3A_OL.SEN3"


@pytest.mark.parametrize("encoding", ["x-foo", "zlib", "idna", "utf-7", "utf-16", "\xff"])
def test_a_manifest_in_an_encoding_that_nobody_reads_is_none(encoding: str) -> None:
    with pytest.raises(ManifestError, match="no XML"):
        parse(f'<?xml version="1.0" encoding="{encoding}"?><a/>'.encode("latin-1"))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_a_manifest_that_is_no_file_is_not_waited_for(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path / "manifest.safe")
    with pytest.raises(ManifestError, match=r"no file|leads out"):
        manifest.load(FolderTree(tmp_path))


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_file_of_a_zip_that_does_not_unpack_is_wrong_however_it_was_packed(packing: int) -> None:
    body, buffer = bytes(range(256)) * 40, io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("X.SAFE/a", body, packing)
        archive.writestr("X.SAFE/manifest.safe", xml(listed("a", body)))
    damaged = bytearray(buffer.getvalue())
    damaged[60] ^= 255
    with zipfile.ZipFile(io.BytesIO(damaged)) as archive:
        found = manifest.check(ZipTree(archive, len(damaged)))
    assert len(found.wrong) == 1 and "a: " in found.wrong[0]


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'


@pytest.mark.parametrize("doctype", [LAUGHS, OUTSIDE, '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x">'])
def test_a_document_type_is_refused_before_anything_is_made_of_it(doctype: str) -> None:
    with pytest.raises(ManifestError, match="document type"):
        parse(xml("<p>&b;</p>", before=doctype))


@pytest.mark.parametrize(
    "href",
    [
        "../../etc/passwd", "a/../../b", "/etc/passwd", "..", ".", "", "a\\..\\b", "C:/x", "c:x", "file:///etc/passwd",
        "http://x/y", "a\nb", "a\x00b".replace("\x00", "&#x7f;"),
    ],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_makes_the_manifest_unusable(href: str) -> None:
    with pytest.raises(ManifestError, match="names a path that is none"):
        parse(xml(OBJECT.format(1, href.replace("\n", "&#10;"), "MD5", "0" * 32)))


@given(st.text(alphabet=st.sampled_from("a.b/\\: \0\n~%é"), max_size=12))
def test_no_path_leads_out_of_its_folder(href: str) -> None:
    try:
        path = manifest.safe_path(href)
    except ManifestError:
        return
    inside = os.path.normpath(f"/top/{path}")
    assert inside.startswith("/top/") and inside == f"/top/{path}"


def test_a_link_counts_only_inside_the_product(tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    outside.write_bytes(b"hello")
    folder = tmp_path / "X.SAFE"
    folder.mkdir()
    (folder / "real").write_bytes(b"hello")
    (folder / "inner").symlink_to("real")
    (folder / "outer").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path)
    entries = [listed(path, b"hello") for path in ("real", "inner", "outer", "up/secret")]
    (folder / "manifest.safe").write_bytes(xml(*entries))
    found = manifest.check(FolderTree(folder))
    assert (found.missing, found.wrong) == (["outer", "up/secret"], [])


def test_a_pipe_is_no_file_and_blocks_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    (tmp_path / "manifest.safe").write_bytes(xml(OBJECT.format(0, "a", "MD5", "0" * 32)))
    assert manifest.check(FolderTree(tmp_path)).missing == ["a"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "no XML"),
        (b"<html>not found", "no XML"),
        (b"\xff\xfe\x00", "no XML"),
        (b"<x/>", "lists no file"),
        (b"<x>" + b" " * manifest.LARGEST, "larger than 32 MiB"),
    ],
)
def test_a_manifest_that_cannot_be_used_says_why(body: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.safe").write_bytes(body)
    with pytest.raises(ManifestError, match=why):
        manifest.check(FolderTree(tmp_path))


def test_a_folder_without_a_manifest_says_so(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="has no manifest"):
        manifest.check(FolderTree(tmp_path))


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "X.SAFE/manifest.safe", xml(OBJECT.format(50_000_000, "a", "MD5", "0" * 32))
        )
        archive.writestr("X.SAFE/a", bytes(50_000_000))
    with zipfile.ZipFile(path) as archive, pytest.raises(ManifestError, match="times its size"):
        ZipTree(archive, path.stat().st_size)


def test_a_check_can_be_stopped(folder: Path) -> None:
    stop = threading.Event()
    with pytest.raises(TransferStoppedError):
        manifest.check(FolderTree(folder), stop=stop, on_bytes=lambda number: stop.set())


@pytest.fixture(scope="module")
def whole() -> tuple[bytes, dict[str, bytes]]:
    """A small package, and what its files hold."""
    made = Publisher(1, (4_000, 5_000)).make(
        instant("2024-06-01T00:00:00Z"), collection="SENTINEL-1"
    )
    body = b"".join(packages.pieces(made))
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return body, {name: archive.read(name) for name in archive.namelist()}


@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_no_zip_that_was_damaged_anywhere_is_right_unless_its_files_are(
    whole: tuple[bytes, dict[str, bytes]], where: float, bit: int, cut: bool
) -> None:
    body, files = bytearray(whole[0]), whole[1]
    at = int(where * len(body))
    if cut:
        del body[at:]
    else:
        body[at] ^= 1 << bit
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            tree = ZipTree(archive, len(body))
            found = manifest.check(tree)
            right = found.right and {
                file.path: tree.open(file.path).read() for file in manifest.load(tree).files
            }
    except (ManifestError, zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError):
        return
    assert not cut
    if right:
        inside = {name.partition("/")[2]: content for name, content in files.items()}
        assert right == {path: inside[path] for path in right}
