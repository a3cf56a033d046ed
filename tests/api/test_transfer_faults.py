"""Transfers under whatever a far end may say or do: by chance on the sandbox, and with answers written by hand."""

from __future__ import annotations

import gzip
import hashlib
import io
import socketserver
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import pytest
from blake3 import blake3
from hypothesis import example, given, settings
from hypothesis import strategies as st

from satcat.api.odata import ODataAPI
from satcat.api.patience import Patience
from satcat.api.transfer import fetch
from satcat.errors import (
    ChecksumMismatchError,
    MalformedResponseError,
    TransferError,
    TruncatedError,
)
from satcat.products import SatelliteImage
from satcat.sandbox import Sandbox, packages
from satcat.sandbox.ranges import Ranges

SIZE = 70_001
QUICK = Patience(attempts=9, first_delay=0.001, longest_delay=0.002)


@dataclass
class World:
    """A sandbox and a source that asks it, for many examples."""

    sandbox: Sandbox
    api: ODataAPI


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with Sandbox(products=0) as sandbox:
        there = sandbox.environment
        api = ODataAPI(
            "sandbox", "sandbox", catalogue_url=there["CDSE_CATALOGUE_URL"],
            download_url=there["CDSE_DOWNLOAD_URL"], token_url=there["CDSE_TOKEN_URL"],
        )  # fmt: skip
        yield World(sandbox, api)
        api.close()


BYTES = st.integers(0, SIZE - 1) | st.sampled_from([0, 1, 29, 30, 31, 16383, 16384, 16385, SIZE - 22, SIZE - 1])  # fmt: skip
ONE_FAULT = (
    st.tuples(st.sampled_from(["cut", "reset", "truncated", "corrupt", "unsized"]), BYTES)
    | st.tuples(st.just("length"), st.integers(-SIZE, SIZE).filter(bool))
    | st.tuples(st.sampled_from(["html", "json", "expired"]), st.none())
)


@settings(max_examples=60, deadline=None)
@given(
    # a token that is refused as soon as it was given means that the account is
    faults=st.lists(ONE_FAULT, max_size=2).filter(lambda two: two.count(("expired", None)) < 2),
    ranges=st.sampled_from(get_args(Ranges)),
    chunked=st.booleans(), etags=st.booleans(), checksums=st.booleans(),
)  # fmt: skip
@example(faults=[("cut", 0)], ranges="honour", chunked=False, etags=True, checksums=True)
@example(faults=[("cut", 1)], ranges="honour", chunked=True, etags=False, checksums=False)
@example(faults=[("cut", 30)], ranges="whole", chunked=True, etags=True, checksums=True)
@example(faults=[("cut", SIZE - 1)], ranges="elsewhere", chunked=True, etags=True, checksums=False)
@example(faults=[("truncated", 30)], ranges="cdse", chunked=True, etags=True, checksums=False)
@example(
    faults=[("corrupt", SIZE - 1)], ranges="honour", chunked=False, etags=True, checksums=False
)
def test_whatever_goes_wrong_twice_the_file_ends_right(
    world: World, faults: Any, ranges: Any, chunked: bool, etags: bool, checksums: bool
) -> None:
    sandbox = world.sandbox
    sandbox.settings.ranges, sandbox.settings.chunked = ranges, chunked
    sandbox.settings.etags = etags
    sandbox.faults.clear()
    one = sandbox.catalogue.publish(size_bytes=SIZE)
    if not checksums:
        sandbox.catalogue.late_checksum(one)
    ((_, product),) = world.api.get([one], "SENTINEL-2")
    assert isinstance(product, SatelliteImage) and bool(product.blake3) == checksums
    for kind, number in faults:
        how = {} if number is None else {"by" if kind == "length" else "after": number}
        sandbox.faults.next(kind, match="$value", **how)
    sandbox.log.clear()
    with TemporaryDirectory() as folder:
        target = Path(folder) / "x.zip"
        try:
            got = fetch(world.api, product, target, patience=QUICK)
        except ChecksumMismatchError:  # wrong twice is bad at the source; then there is no file
            assert len(faults) == 2 and not target.exists()
            return
        body = target.read_bytes()
    assert got.verification == ("checksum" if checksums else "structure")
    assert len(sandbox.log.matching("$value")) <= 9
    if not checksums and "corrupt" in dict(faults):  # a zip's own checksums are of its files alone
        assert zipfile.ZipFile(io.BytesIO(body)).testzip() is None
        return
    assert blake3(body).hexdigest() == packages.digests(sandbox.catalogue.products[one])[1]


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("X.SAFE/B02.jp2", bytes(range(256)) * 800)
    return buffer.getvalue()


BODY = zipped()
OTHER = BODY.replace(bytes(range(64)), bytes(64))


class Raw(socketserver.ThreadingTCPServer):
    """Gives tokens, and answers for files with what was written down, one after the other; the last one for ever."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, *answers: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Line)
        self.answers, self.ranges, self.sent = list(answers), list[str | None](), 0


class Line(socketserver.StreamRequestHandler):
    server: Raw

    def handle(self) -> None:
        request, headers = self.rfile.readline(), dict[str, str]()
        while line := self.rfile.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        if request.startswith(b"POST"):
            self.rfile.read(int(headers["content-length"]))
            self.wfile.write(answer(200, b'{"access_token": "t", "expires_in": 600}'))
            return
        self.server.ranges.append(headers.get("range"))
        todo = self.server.answers
        said = todo.pop(0) if len(todo) > 1 else todo[0]
        for at in range(0, len(said), 10_000):
            self.wfile.write(said[at : at + 10_000])
            self.server.sent += 10_000


def answer(status: int, body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join([*lines, *headers, "Connection: close", "", ""]).encode() + body


def product(body: bytes = BODY, **fields: Any) -> SatelliteImage:
    md5 = hashlib.md5(body).hexdigest()
    values: dict[str, Any] = {"size_bytes": len(body), "md5": md5, "blake3": None}
    return SatelliteImage(
        id="11111111-2222-3333-4444-555555555555", source="cdse", name="X.SAFE",
        collection="SENTINEL-2", sensing_start=datetime(2024, 1, 1, tzinfo=UTC), **values | fields,
    )  # fmt: skip


def brought(server: Raw, image: SatelliteImage, folder: Path, fresh: SatelliteImage | None = None) -> bytes:  # fmt: skip
    """What is fetched; `fresh` is what the catalogue says when it is asked again."""
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    api = ODataAPI("me", "x", catalogue_url=url, download_url=url, token_url=f"{url}/token")
    api.get = lambda ids, collection: iter([(image.id, fresh or image)])  # type: ignore[method-assign]
    try:
        return fetch(api, image, folder / "x.zip", patience=QUICK).path.read_bytes()
    finally:
        api.close()
        server.shutdown()
        server.server_close()


CUT = answer(200, BODY[:1000], 'ETag: "1"', length=len(BODY))
WHOLE = answer(200, BODY, 'ETag: "1"')


def rest(start: int, *, total: int | None = None, etag: str = '"1"', body: bytes = BODY) -> bytes:
    size = len(BODY) if total is None else total
    said = f"Content-Range: bytes {start}-{len(body) - 1}/{size}"
    return answer(206, body[start:], said, f"ETag: {etag}")


@pytest.mark.parametrize("resumed", [False, True])
def test_a_compressed_answer_is_never_taken_for_the_file(resumed: bool, tmp_path: Path) -> None:
    pressed = answer(200, gzip.compress(BODY), "Content-Encoding: gzip")
    server = Raw(*[CUT] * resumed, pressed, pressed, WHOLE)
    assert brought(server, product(), tmp_path) == BODY
    with pytest.raises(MalformedResponseError, match="the file came as gzip"):
        brought(Raw(pressed), product(), tmp_path / "..")


def test_a_206_that_nobody_asked_for_is_believed_only_from_the_start(tmp_path: Path) -> None:
    first = answer(206, BODY[:5000], f"Content-Range: bytes 0-4999/{len(BODY)}")
    server = Raw(answer(206, BODY[7:], f"Content-Range: bytes 7-{len(BODY) - 1}/{len(BODY)}"), first, rest(5000))  # fmt: skip
    assert brought(server, product(), tmp_path) == BODY
    assert server.ranges == [None, None, "bytes=5000-"]


def test_a_range_of_a_file_of_another_size_is_not_joined(tmp_path: Path) -> None:
    longer = BODY + b"more"
    server = Raw(CUT, rest(1000, total=len(longer), body=longer, etag='"2"'), WHOLE)
    assert brought(server, product(), tmp_path) == BODY
    server = Raw(CUT, rest(1000, total=len(longer), body=longer), answer(200, longer, 'ETag: "1"'))
    (tmp_path / "x.zip").unlink()
    assert brought(server, product(), tmp_path, fresh=product(longer)) == longer


def test_a_range_with_another_etag_is_given_up_at_once(tmp_path: Path) -> None:
    server = Raw(CUT, rest(1000, etag='"2"', body=OTHER), answer(200, OTHER, 'ETag: "2"'))
    assert brought(server, product(OTHER), tmp_path) == OTHER
    assert server.ranges == [None, "bytes=1000-", None]


def test_without_a_checksum_no_range_is_asked_for_whatever_its_etag(tmp_path: Path) -> None:
    server = Raw(CUT, CUT, WHOLE)
    assert brought(server, product(md5=None), tmp_path) == BODY
    assert server.ranges == [None] * 3


def test_a_body_that_is_longer_than_published_is_left_early(tmp_path: Path) -> None:
    endless = answer(200, BODY[:1000] + bytes(100_000_000))
    server = Raw(endless)
    with pytest.raises(ChecksumMismatchError, match="size is"):
        brought(server, product(size_bytes=1000), tmp_path)
    assert server.sent < 60_000_000 and len(server.ranges) == 2
    assert not (tmp_path / "x.zip").exists()


def test_a_weak_etag_makes_no_conditional_range(tmp_path: Path) -> None:
    weak = answer(200, BODY[:1000], 'ETag: W/"1"', length=len(BODY))
    server = Raw(weak, rest(1000, etag='W/"1"'))
    assert brought(server, product(), tmp_path) == BODY


def test_what_no_answer_makes_right_leaves_no_file(tmp_path: Path) -> None:
    for wrong in (answer(204, b""), answer(200, b""), answer(206, BODY), rest(0, total=7)):
        with pytest.raises((MalformedResponseError, TransferError)):
            brought(Raw(wrong), product(OTHER), tmp_path)
        assert not (tmp_path / "x.zip").exists()


def chunked(status: int, body: bytes, *headers: str, ends: bool = True) -> bytes:
    """One chunk; `ends`: that says that it is the last."""
    head = [
        f"HTTP/1.1 {status} X",
        "Transfer-Encoding: chunked",
        *headers,
        "Connection: close",
        "",
        "",
    ]
    stated = len(body) if ends else len(BODY)
    return "\r\n".join(head).encode() + b"%x\r\n" % stated + body + b"\r\n0\r\n\r\n" * ends


def of(start: int, stop: int, total: int = len(BODY)) -> str:
    return f"Content-Range: bytes {start}-{stop - 1}/{total}"


HTML = answer(404, b"<html>not here</html>")
GZIP = answer(200, gzip.compress(BODY), "Content-Encoding: gzip")
TEXT = answer(200, b"upstream connect error", "Content-Type: text/plain")


SHORT = {
    "empty": answer(200, b""), "text": TEXT, "text in a chunk": chunked(200, b"upstream connect error"),
}  # fmt: skip
TROUBLES = SHORT | {
    "page": HTML, "not modified": answer(304, b""), "down": answer(500, b"no"), "gzip": GZIP, "noise": b"nonsense\r\n\r\n",
    "cut chunk": chunked(206, b"", of(1000, len(BODY)), ends=False),
    "cut": answer(206, b"", of(1000, len(BODY)), length=len(BODY) - 1000),
    "no chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}  # fmt: skip
WRONG_RANGES = {
    "elsewhere": answer(206, BODY[7:], of(7, len(BODY))),
    "digits": answer(206, BODY, f"Content-Range: bytes 1000-{'9' * 5000}/7"),
    "length": answer(206, BODY[1000:1010], of(1000, len(BODY))),
    "version": rest(1000, etag='"2"', body=OTHER), "refused": answer(416, b""),
}  # fmt: skip


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_no_status_and_no_broken_body_costs_a_byte_that_is_here(
    trouble: bytes, tmp_path: Path
) -> None:
    server = Raw(CUT, *[trouble] * 5, rest(1000))
    assert brought(server, product(), tmp_path) == BODY
    assert server.ranges == [None, *["bytes=1000-"] * 6]


def test_a_large_chunk_that_breaks_again_and_again_comes_further_each_time(tmp_path: Path) -> None:
    steps = [chunked(206, BODY[at : at + 1000], of(at, len(BODY)), ends=False) for at in range(1000, 15000, 1000)]  # fmt: skip
    server = Raw(CUT, *steps, rest(15000))
    assert brought(server, product(), tmp_path) == BODY
    assert server.ranges == [None, *[f"bytes={at}-" for at in range(1000, 16000, 1000)]]


@pytest.mark.parametrize("wrong", WRONG_RANGES.values(), ids=WRONG_RANGES)
def test_a_range_that_cannot_be_used_is_asked_for_no_more_and_costs_nothing_before_the_whole_comes(
    wrong: bytes, tmp_path: Path
) -> None:
    server = Raw(CUT, wrong, HTML)
    with pytest.raises(MalformedResponseError, match="404"):
        brought(server, product(), tmp_path)
    assert server.ranges[:3] == [None, "bytes=1000-", None]
    assert (tmp_path / ".x.zip.part").read_bytes() == BODY[:1000]
    server = Raw(wrong, HTML, WHOLE)
    assert brought(server, product(), tmp_path) == BODY


def test_a_file_of_another_size_costs_nothing_before_the_product_was_read_again(
    tmp_path: Path,
) -> None:
    longer = BODY + b"more"
    again = rest(1000, total=len(longer), body=longer)
    server = Raw(CUT, answer(200, longer, 'ETag: "1"'), again)
    assert brought(server, product(), tmp_path, fresh=product(longer)) == longer
    assert server.ranges == [None, "bytes=1000-", "bytes=1000-"]


@pytest.mark.parametrize("short", SHORT.values(), ids=SHORT)
def test_a_body_that_is_far_too_short_is_tried_again_and_blames_no_product(
    short: bytes, tmp_path: Path
) -> None:
    server = Raw(short)
    with pytest.raises(TruncatedError, match=f"instead of {len(BODY)}"):
        brought(server, product(), tmp_path)
    assert len(server.ranges) == QUICK.attempts
    small = BODY[:5000]
    fresh = product(small)
    assert brought(Raw(answer(200, small)), product(), tmp_path, fresh=fresh) == small


@pytest.mark.parametrize("send", [answer, chunked])
def test_an_xml_file_may_speak_of_html_behind_its_beginning(send: Any, tmp_path: Path) -> None:
    body = (
        b"<?xml version='1.0'?><Earth_Explorer_File>"
        + b" " * 5000
        + b"<html></Earth_Explorer_File>"
    )
    orbit = replace(product(body), name="S1A_OPER_AUX_POEORB_20240101T000000.EOF", size_bytes=None)
    assert brought(Raw(send(200, body)), orbit, tmp_path) == body


@pytest.mark.parametrize("first", [1, 5])
def test_a_page_is_known_for_one_though_it_comes_in_crumbs(first: int, tmp_path: Path) -> None:
    page = b"<!DOCTYPE html><p>busy"
    crumbs = b"".join(
        b"%x\r\n" % len(part) + part + b"\r\n" for part in (page[:first], page[first:])
    )
    said = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + crumbs + b"0\r\n\r\n"
    with pytest.raises(MalformedResponseError, match="a message"):
        brought(Raw(said), product(size_bytes=None), tmp_path)
