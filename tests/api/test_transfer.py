"""One file at a time, from a small server of our own whose answers are scripted, over real sockets."""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import resource
import signal
import socketserver
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from satcat.api import transfer
from satcat.api.base import Node
from satcat.api.hashing import CHUNK, hash_file
from satcat.api.partfile import PartFile
from satcat.api.patience import Patience
from satcat.api.transfer import bring, fetch
from satcat.api.zips import zip_is_whole
from satcat.errors import (
    ChecksumMismatchError,
    DiskFullError,
    MalformedResponseError,
    NameTakenError,
    ProductGoneError,
    RateLimitedError,
    RequestRejectedError,
    SourceUnavailableError,
    TransferError,
    TransferStoppedError,
    TruncatedError,
)
from satcat.products import SatelliteImage

NAME = "S2B_MSIL2A_20240604T110619_N0510_R137_T30TWM_20240604T125003.SAFE"
BODY = b"\0" + os.urandom(3 * CHUNK + 12345)  # chance might begin it as a message does
QUICK = Patience(attempts=3, first_delay=0.001, longest_delay=0.01)


def image(body: bytes = BODY, **fields: Any) -> SatelliteImage:
    values: dict[str, Any] = {
        "id": "11111111-2222-3333-4444-555555555555", "source": "cdse", "name": NAME, "collection": "SENTINEL-2",
        "sensing_start": datetime(2024, 6, 4, tzinfo=UTC), "size_bytes": len(body),
        "md5": hashlib.md5(body, usedforsecurity=False).hexdigest(), "blake3": blake3(body).hexdigest(),
    }  # fmt: skip
    return SatelliteImage(**values | fields)


class Server(socketserver.ThreadingTCPServer):
    """Serves `body` on loopback; `plan` scripts the next answers, see `Handler.handle`."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = BODY
        self.plan: list[dict[str, Any]] = []
        self.ranges = True
        self.starts: list[int] = []
        self.pause = 0.0


class Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        self.rfile.readline()
        headers = http.client.parse_headers(self.rfile)
        asked = int(headers.get("Range", "bytes=0-")[6:-1])
        self.server.starts.append(asked)
        step = self.server.plan.pop(0) if self.server.plan else {}
        if "status" in step:
            self.write(f"HTTP/1.1 {step['status']} No\r\nContent-Length: 0\r\n\r\n".encode())
            return
        body = step.get("body", self.server.body)
        start = asked if self.server.ranges and step.get("honour", True) else 0
        start = step.get("start", start)
        sent = body[start:][: step.get("cut")]
        length = "" if step.get("chunked") else f"X-Start: {start}\r\nX-Size: {len(body)}\r\n"
        etag = step.get("etag", '"1"')
        self.write(f"HTTP/1.1 200 OK\r\nETag: {etag}\r\n{length}\r\n".encode())
        for at in range(0, len(sent), 64 * 1024):
            self.write(sent[at : at + 64 * 1024])
            time.sleep(self.server.pause)

    def write(self, data: bytes) -> None:
        self.wfile.write(data)


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.response = response
        size = response.headers.get("X-Size")
        self.size = int(size) if size else None
        self.start = int(response.headers.get("X-Start", 0))
        self.etag = response.headers.get("ETag")
        self.filename = "whatever.zip"

    def chunks(self, size: int) -> Iterator[bytes]:
        while chunk := self.response.read1(size):
            yield chunk

    def cut(self) -> None:
        self.response.close()


class API:
    """Just the part of a source that a transfer needs."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.port = port
        self.fresh: SatelliteImage | None = image()
        self.reads = 0

    @contextmanager
    def open(
        self,
        product: SatelliteImage,
        *,
        node: Node | None = None,
        start: int = 0,
        etag: str | None = None,
    ) -> Iterator[Answer]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/", headers={"Range": f"bytes={start}-"})
            response = connection.getresponse()
            if response.status == 429:
                raise RateLimitedError(self.url, 0.01)
            if response.status == 503:
                raise SourceUnavailableError(self.url, "503")
            if response.status != 200:
                raise RequestRejectedError(self.url, response.status, "no")
            yield Answer(response)
        finally:
            connection.close()

    def get(self, ids: list[str], collection: str) -> Iterator[tuple[str, SatelliteImage | None]]:
        self.reads += 1
        yield ids[0], self.fresh


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def api(server: Server) -> Any:
    return API(server.server_address[1])


def part_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def test_a_file_arrives_whole_and_checked(api: Any, tmp_path: Path) -> None:
    shown: list[tuple[int, int | None]] = []
    got = fetch(api, image(), tmp_path / "x.zip", on_progress=lambda *args: shown.append(args))
    assert got.path.read_bytes() == BODY
    assert (got.size_bytes, got.checksum_algorithm, got.checksum) == (
        len(BODY),
        "blake3",
        blake3(BODY).hexdigest(),
    )
    assert got.verification == "checksum"
    assert shown[0] == (0, len(BODY)) and shown[-1] == (len(BODY), len(BODY))
    assert os.listdir(tmp_path) == ["x.zip"]


def test_md5_serves_where_no_blake3_is_published(api: Any, tmp_path: Path) -> None:
    got = fetch(api, image(blake3=None), tmp_path / "x.zip")
    assert (got.checksum_algorithm, got.verification) == ("md5", "checksum")


def test_a_right_file_is_not_fetched_again(api: Any, server: Server, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(BODY)
    assert fetch(api, image(), tmp_path / "x.zip").verification == "checksum"
    assert server.starts == []


def test_a_cut_body_is_fetched_on_from_where_it_stopped(
    api: Any, server: Server, tmp_path: Path
) -> None:
    server.plan = [{"cut": 1000}, {"cut": 2 * CHUNK}]
    fetch(api, image(), tmp_path / "x.zip", patience=QUICK)
    assert server.starts == [0, 1000, 1000 + 2 * CHUNK]
    assert (tmp_path / "x.zip").read_bytes() == BODY


def test_a_source_that_cannot_resume_starts_again(api: Any, server: Server, tmp_path: Path) -> None:
    server.ranges = False
    server.plan = [{"cut": 2 * CHUNK}]
    fetch(api, image(), tmp_path / "x.zip", patience=QUICK)
    assert server.starts == [0, 2 * CHUNK]
    assert (tmp_path / "x.zip").read_bytes() == BODY


def test_many_cuts_are_survived_while_the_source_resumes(
    api: Any, server: Server, tmp_path: Path
) -> None:
    server.plan = [{"cut": len(BODY) // 12} for _ in range(11)]
    fetch(api, image(), tmp_path / "x.zip", patience=QUICK)
    assert (tmp_path / "x.zip").read_bytes() == BODY


def test_cuts_without_resuming_are_given_up_and_the_bytes_kept(
    api: Any, server: Server, tmp_path: Path
) -> None:
    server.ranges = False
    server.plan = [{"cut": 5000 + n} for n in range(9)]
    with pytest.raises(TruncatedError):
        fetch(api, image(), tmp_path / "x.zip", patience=QUICK)
    assert len(server.starts) == 3
    assert os.listdir(tmp_path) == [".x.zip.part"]


def test_a_part_left_behind_is_resumed_whatever_it_holds(
    api: Any, server: Server, tmp_path: Path
) -> None:
    part_of(tmp_path / "x.zip").write_bytes(BODY[:CHUNK])
    fetch(api, image(), tmp_path / "x.zip")
    assert server.starts == [CHUNK]
    assert (tmp_path / "x.zip").read_bytes() == BODY


def test_a_part_that_is_already_whole_needs_no_request(
    api: Any, server: Server, tmp_path: Path
) -> None:
    part_of(tmp_path / "x.zip").write_bytes(BODY)
    fetch(api, image(), tmp_path / "x.zip")
    part_of(tmp_path / "y.zip").write_bytes(BODY)
    fetch(api, image(size_bytes=None), tmp_path / "y.zip")
    assert server.starts == []


@pytest.mark.parametrize("left", [b"x" * 5000, BODY + b"more", b"<html>" + b"x" * 500])
def test_a_wrong_part_is_replaced(left: bytes, api: Any, tmp_path: Path) -> None:
    part_of(tmp_path / "x.zip").write_bytes(left)
    fetch(api, image(), tmp_path / "x.zip", patience=QUICK)
    assert (tmp_path / "x.zip").read_bytes() == BODY


def test_without_a_checksum_an_old_part_is_not_trusted(
    api: Any, server: Server, tmp_path: Path
) -> None:
    part_of(tmp_path / "x.zip").write_bytes(b"y" * 1000)
    got = fetch(api, image(md5=None, blake3=None), tmp_path / "x.zip")
    assert server.starts == [0]
    assert got.verification == "size_only" and got.path.read_bytes() == BODY


def test_an_answer_from_another_place_is_refused(api: Any, server: Server, tmp_path: Path) -> None:
    server.plan = [{"cut": 1000}, {"start": 5000}]
    fetch(api, image(), tmp_path / "x.zip", patience=QUICK)
    assert (tmp_path / "x.zip").read_bytes() == BODY


def test_an_answer_from_an_earlier_place_is_taken_from_there(
    api: Any, server: Server, tmp_path: Path
) -> None:
    server.plan = [{"cut": 1000}, {"start": 400}]
    fetch(api, image(), tmp_path / "x.zip", patience=QUICK)
    assert (tmp_path / "x.zip").read_bytes() == BODY


def test_a_refused_range_starts_from_the_beginning(
    api: Any, server: Server, tmp_path: Path
) -> None:
    part_of(tmp_path / "x.zip").write_bytes(BODY[:50])
    server.plan = [{"status": 416}]
    fetch(api, image(), tmp_path / "x.zip", patience=QUICK)
    assert server.starts == [50, 0]


def test_corrupt_bytes_are_fetched_once_more_and_then_refused(
    api: Any, server: Server, tmp_path: Path
) -> None:
    server.body = BODY[:-1] + bytes([BODY[-1] ^ 1])
    with pytest.raises(ChecksumMismatchError, match="blake3 is"):
        fetch(api, image(), tmp_path / "x.zip", patience=QUICK)
    assert (len(server.starts), api.reads) == (2, 1)
    assert not (tmp_path / "x.zip").exists()


def test_bytes_corrupted_once_are_made_good(api: Any, server: Server, tmp_path: Path) -> None:
    server.plan = [{"body": b"z" + BODY[1:]}]
    assert fetch(api, image(), tmp_path / "x.zip").verification == "checksum"
    assert (tmp_path / "x.zip").read_bytes() == BODY


def test_a_stale_checksum_is_read_again_and_nothing_fetched_twice(
    api: Any, server: Server, tmp_path: Path
) -> None:
    with PartFile(tmp_path / "part") as part:
        brought = bring(api, image(blake3="0" * 64), part)
    assert brought.product == image() and brought.verification == "checksum"
    assert (len(server.starts), api.reads) == (1, 1)


def test_a_stale_size_is_read_again(api: Any, server: Server, tmp_path: Path) -> None:
    fetch(api, image(size_bytes=len(BODY) - 700), tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_bytes() == BODY


@pytest.mark.parametrize("delta", [-1, 1])
def test_a_wrong_length_is_refused(delta: int, api: Any, server: Server, tmp_path: Path) -> None:
    api.fresh = image(size_bytes=len(BODY) + delta)
    with pytest.raises(ChecksumMismatchError, match="size is"):
        fetch(api, image(size_bytes=len(BODY) + delta), tmp_path / "x.zip", patience=QUICK)
    assert not (tmp_path / "x.zip").exists()


def test_a_product_that_vanished_after_a_mismatch_is_gone(api: Any, tmp_path: Path) -> None:
    api.fresh = None
    with pytest.raises(ProductGoneError):
        fetch(api, image(blake3="0" * 64), tmp_path / "x.zip")


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    "known", [{}, {"md5": None, "blake3": None}, {"md5": None, "blake3": None, "size_bytes": None}]
)
@pytest.mark.parametrize(
    "page",
    [
        b"<!DOCTYPE html><p>maintenance",
        b'{"code": "DAT-ZIP-100"}',
        b"\n<?xml version='1.0'?><Error/>",
    ],
)
def test_an_error_page_never_becomes_a_product(
    page: bytes, known: dict[str, None], chunked: bool, api: Any, server: Server, tmp_path: Path
) -> None:
    server.plan = [{"body": page, "chunked": chunked} for _ in range(9)]
    with pytest.raises((MalformedResponseError, TruncatedError)):
        fetch(api, image(**known), tmp_path / "x.zip", patience=QUICK)
    assert not (tmp_path / "x.zip").exists()


def test_an_error_page_once_does_no_harm(api: Any, server: Server, tmp_path: Path) -> None:
    server.plan = [{"body": b"<html>busy</html>"}]
    fetch(api, image(), tmp_path / "x.zip", patience=QUICK)
    assert (tmp_path / "x.zip").read_bytes() == BODY


def test_an_orbit_file_may_be_xml(api: Any, server: Server, tmp_path: Path) -> None:
    server.body = b"<?xml version='1.0'?><Earth_Explorer_File/>"
    orbit = image(
        server.body, name="S1A_OPER_AUX_POEORB_OPOD_20240101T000000.EOF", md5=None, blake3=None
    )
    assert fetch(api, orbit, tmp_path / "x.EOF").verification == "size_only"


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("X.SAFE/manifest.safe", "<xml/>")
        archive.writestr("X.SAFE/B02.jp2", os.urandom(100_000))
    return buffer.getvalue()


def test_a_zip_without_published_checksum_is_checked_by_its_structure(
    api: Any, server: Server, tmp_path: Path
) -> None:
    server.body = zipped()
    got = fetch(api, image(md5=None, blake3=None, size_bytes=None), tmp_path / "x.zip")
    assert got.verification == "structure"
    assert got.checksum == blake3(server.body).hexdigest()


@pytest.mark.parametrize("damage", ["flip", "cut", "doubled"])
def test_a_damaged_zip_without_checksum_is_refused(
    damage: str, api: Any, server: Server, tmp_path: Path
) -> None:
    whole = zipped()
    server.body = {
        "flip": whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:],
        "cut": whole[:-30],
        "doubled": whole[:4000] + whole,
    }[damage]
    api.fresh = image(md5=None, blake3=None, size_bytes=None)
    with pytest.raises(ChecksumMismatchError, match="zip structure"):
        fetch(api, api.fresh, tmp_path / "x.zip", patience=QUICK)
    assert not (tmp_path / "x.zip").exists()


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(50_000_000))
    assert not zip_is_whole(tmp_path / "bomb.zip", "bomb")


@pytest.mark.parametrize(
    "packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_zip_is_damaged_however_its_bytes_were_packed(packing: int, tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", packing) as archive:
        archive.writestr("X.SAFE/a", bytes(range(256)) * 40)
    assert zip_is_whole(path, "x")
    whole = path.read_bytes()
    for at in range(47, 100):  # what stands before makes no difference to some
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
        with pytest.raises(ChecksumMismatchError, match="zip structure"):
            zip_is_whole(path, "x")


def test_being_told_to_wait_is_no_failure(api: Any, server: Server, tmp_path: Path) -> None:
    server.plan = [{"status": 429}] * 8
    fetch(api, image(), tmp_path / "x.zip", patience=QUICK)
    assert (tmp_path / "x.zip").read_bytes() == BODY


def test_a_source_that_is_down_is_asked_a_few_times(
    api: Any, server: Server, tmp_path: Path
) -> None:
    server.plan = [{"status": 503}] * 9
    with pytest.raises(SourceUnavailableError):
        fetch(api, image(), tmp_path / "x.zip", patience=QUICK)
    assert len(server.starts) == 3


def test_a_refused_request_is_not_repeated(api: Any, server: Server, tmp_path: Path) -> None:
    server.plan = [{"status": 400}]
    with pytest.raises(RequestRejectedError):
        fetch(api, image(), tmp_path / "x.zip", patience=QUICK)
    assert len(server.starts) == 1


def test_stopping_keeps_what_has_arrived(api: Any, server: Server, tmp_path: Path) -> None:
    server.pause = 0.01
    stop = threading.Event()

    def on_progress(done: int, total: int | None) -> None:
        if done > CHUNK:
            stop.set()

    began = time.monotonic()
    with pytest.raises(TransferStoppedError):
        fetch(api, image(), tmp_path / "x.zip", on_progress=on_progress, stop=stop)
    assert time.monotonic() - began < 1
    assert CHUNK < part_of(tmp_path / "x.zip").stat().st_size < len(BODY)


def test_waiting_between_attempts_is_interrupted_at_once(
    api: Any, server: Server, tmp_path: Path
) -> None:
    server.plan = [{"status": 503}]
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    with pytest.raises(TransferStoppedError):
        fetch(api, image(), tmp_path / "x.zip", stop=stop, patience=Patience(first_delay=60))
    assert time.monotonic() - began < 1


def test_two_writers_of_one_file_do_not_mix(api: Any, tmp_path: Path) -> None:
    with PartFile(part_of(tmp_path / "x.zip")), pytest.raises(NameTakenError):
        fetch(api, image(), tmp_path / "x.zip")


def test_an_older_part_is_taken_over_and_further_ones_removed(tmp_path: Path) -> None:
    older = [tmp_path / name for name in ("none", "first", "second")]
    older[1].write_bytes(b"1111")
    older[2].write_bytes(b"22")
    with PartFile.resuming(tmp_path / "new", older) as part:
        assert part.size == 4
    assert os.listdir(tmp_path) == ["new"]


def test_an_older_part_that_is_held_is_left_alone(tmp_path: Path) -> None:
    with PartFile(tmp_path / "old") as held:
        held.write(b"1111")
        with PartFile.resuming(tmp_path / "new", [tmp_path / "old"]) as part:
            assert part.size == 0
    assert sorted(os.listdir(tmp_path)) == ["new", "old"]


def test_a_part_is_never_placed_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"somebody's")
    with PartFile(tmp_path / "part") as part:
        part.write(b"ours")
        with pytest.raises(NameTakenError):
            part.place(tmp_path / "x.zip")
        part.place(tmp_path / "y.zip")
    assert (tmp_path / "x.zip").read_bytes() == b"somebody's"
    assert sorted(os.listdir(tmp_path)) == ["x.zip", "y.zip"]


def test_a_part_that_already_has_its_final_name_too_is_not_changed(tmp_path: Path) -> None:
    with PartFile(tmp_path / "part") as part:
        part.write(b"whole")
    os.link(tmp_path / "part", tmp_path / "x.zip")
    with PartFile(tmp_path / "part") as part:
        assert part.size == 0
        part.write(b"other bytes")
    assert (tmp_path / "x.zip").read_bytes() == b"whole"


def test_a_link_in_place_of_the_part_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "part").symlink_to(tmp_path / "precious")
    with pytest.raises(TransferError):
        PartFile(tmp_path / "part")


def test_a_full_disk_is_said_and_the_target_left_alone(api: Any, tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (CHUNK + 100, before[1]))
    try:
        with pytest.raises(DiskFullError, match="no room"):
            fetch(api, image(), tmp_path / "x.zip")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    fetch(api, image(), tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_bytes() == BODY


def test_a_folder_that_cannot_be_written_is_said(api: Any, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="cannot write"):
        fetch(api, image(), tmp_path / "missing" / "x.zip")


KILLED = """
import sys
from pathlib import Path
from satcat.api.partfile import PartFile
with PartFile(Path(sys.argv[1])) as part:
    while True:
        part.write(b"x" * 10000)
        print(part.size, flush=True)
"""


def test_a_killed_writer_leaves_a_part_that_can_be_opened_at_once(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "part")], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    child.stdout.readline()
    with pytest.raises(NameTakenError):
        PartFile(tmp_path / "part")
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    with PartFile(tmp_path / "part") as part:
        part.hash_with("md5")
        assert part.size >= 10000
        assert part.checksum == hash_file(tmp_path / "part", "md5")


def test_a_product_without_published_checksum_cannot_be_known(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(BODY)
    assert transfer.check_file(tmp_path / "x", replace(image(), md5=None, blake3=None)) is None
    assert transfer.check_file(tmp_path / "x", image()) is not None
    assert transfer.check_file(tmp_path / "absent", image()) is None
