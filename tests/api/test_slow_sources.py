"""Bytes that come slowly are shown, kept and stopped after as they come, whatever frame they come in."""

from __future__ import annotations

import hashlib
import os
import socketserver
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from satcat.api.auth import TokenProvider
from satcat.api.http import HttpClient
from satcat.api.odata_bytes import HttpAnswer, open_bytes
from satcat.api.partfile import PartFile
from satcat.api.transfer import bring
from satcat.errors import MalformedResponseError, TransferStoppedError
from satcat.products import SatelliteImage

BODY = b"\0" + os.urandom(4_000_000)
FAST = 3_000_000  # bytes that come at once
STEP = 5_000  # bytes that come each hundredth of a second after those
NEAR = 60_000  # bytes that may be on their way
IMAGE = SatelliteImage(
    id="11111111-2222-3333-4444-555555555555", source="cdse", name="X.SAFE", collection="SENTINEL-2",
    sensing_start=datetime(2024, 6, 4, tzinfo=UTC), size_bytes=len(BODY), md5=hashlib.md5(BODY).hexdigest(),
)  # fmt: skip
FRAMES = {
    "sized": f"Content-Length: {len(BODY)}\r\n\r\n",
    "one chunk": f"Transfer-Encoding: chunked\r\n\r\n{len(BODY):x}\r\n",
    "till closed": "\r\n",
}


class Slow(socketserver.ThreadingTCPServer):
    """Sends a part of the body at once, and the rest slowly."""

    allow_reuse_address = daemon_threads = True

    def __init__(self, frame: str, fast: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.frame, self.fast, self.sent = FRAMES[frame], fast, 0


class Handler(socketserver.StreamRequestHandler):
    server: Slow

    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        self.wfile.write(f"HTTP/1.1 200 OK\r\n{self.server.frame}".encode())
        ends = [self.server.fast, *range(self.server.fast + STEP, len(BODY), STEP), len(BODY)]
        for start, end in zip([0, *ends], ends, strict=False):
            try:
                self.wfile.write(BODY[start:end])
            except OSError:
                return
            self.server.sent = end
            time.sleep(0.01)


class Tokens(TokenProvider):
    def __init__(self) -> None:
        pass

    def token(self) -> str:
        return "t"


class Source:
    """Just the part of a source that a transfer needs."""

    def __init__(self, port: int) -> None:
        self.url, self.http = f"http://127.0.0.1:{port}/x", HttpClient()

    def open(self, product: Any, *, start: int, etag: str | None, **_: Any) -> Any:
        return open_bytes(self.http, Tokens(), self.url, "x", start=start, etag=etag)


@pytest.fixture
def serve() -> Iterator[Any]:
    servers = []

    def serve(frame: str, fast: int) -> tuple[Slow, Any]:
        servers.append(server := Slow(frame, fast))
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server, Source(server.server_address[1])

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("fast", [0, FAST])
@pytest.mark.parametrize("frame", FRAMES)
def test_what_came_before_a_stop_is_shown_and_kept(
    frame: str, fast: int, serve: Any, tmp_path: Path
) -> None:
    server, source = serve(frame, fast)
    stop, shown, sent = threading.Event(), [0], [0]

    def on_answer(answer: Any) -> None:
        def end() -> None:
            sent[0], shown[0] = server.sent, shown[-1]
            stop.set()
            answer.cut()

        threading.Timer(0.4, end).start()

    with PartFile(tmp_path / "part") as part, pytest.raises(TransferStoppedError):
        bring(
            source, IMAGE, part, stop=stop, on_answer=on_answer,
            on_progress=lambda done, total: shown.append(done),
        )  # fmt: skip
    kept = (tmp_path / "part").read_bytes()
    assert fast + 10 * STEP < sent[0] < len(BODY)
    assert sent[0] - NEAR < shown[0] and sent[0] - NEAR < len(kept)
    assert BODY.startswith(kept)


@pytest.mark.parametrize("frame", FRAMES)
def test_nothing_is_given_of_an_answer_that_was_cut(frame: str, serve: Any) -> None:
    _, source = serve(frame, FAST)
    with source.open(IMAGE, start=0, etag=None) as answer:
        assert isinstance(answer, HttpAnswer)
        pieces = answer.chunks(1000)
        assert next(pieces) == BODY[:1000]
        answer.cut()
        with pytest.raises(MalformedResponseError, match="cut short"):
            next(pieces)
