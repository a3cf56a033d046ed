"""A download host that is never the bottleneck: one file, sent by the kernel (sendfile), from a process of its own.

    python -m benchmarks.loopback FILE

Speaks as much of CDSE as a download needs: a token for anybody, and `Products(<id>)/$value`, ranges included, where the
id's last 12 digits (hex) are an offset in the file, and its first 8 a number of MiB; 0 stands for "to the end".
Prints its port and serves until its input ends.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

MIB = 1 << 20
_ID = re.compile(r"Products\((\w{8})-0000-4000-8000-(\w{12})\)/\$value")
_TOKEN = b'{"access_token": "anybody", "expires_in": 36000}'


def product_id(offset: int, mib: int) -> str:
    """The id under which so many MiB from an offset on are served."""
    return f"{mib:08x}-0000-4000-8000-{offset:012x}"


class Server(ThreadingHTTPServer):
    """One thread for each connection."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that go away: aria2c does when it tries out ranges."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    file: BinaryIO

    def do_POST(self) -> None:
        """Give a token."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._head(200, len(_TOKEN))
        self.wfile.write(_TOKEN)

    def do_HEAD(self) -> None:
        """Say that it is here, and not elsewhere."""
        self._head(200, 0)

    def do_GET(self) -> None:
        """Send a part of the file."""
        found = _ID.search(self.path)
        if found is None:
            self._head(404, 0)
            return
        offset = int(found[2], 16)
        size = int(found[1], 16) * MIB or os.fstat(self.file.fileno()).st_size - offset
        ranged = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start, stop = 0, size
        if ranged is not None:
            start, stop = int(ranged[1]), min(int(ranged[2] or size - 1) + 1, size)
            self._head(206, stop - start, f"bytes {start}-{stop - 1}/{size}")
        else:
            self._head(200, size)
        while start < stop:
            start += os.sendfile(
                self.connection.fileno(), self.file.fileno(), offset + start, stop - start
            )

    def _head(self, status: int, length: int, content_range: str | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", '"1"')
        if content_range is not None:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


def serve(path: str) -> None:
    """Serve the file until standard input ends."""
    with Path(path).open("rb") as file:
        handler = type("FileHandler", (Handler,), {"file": file})
        server = Server(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_port, flush=True)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # its input ends with whoever started it
        sys.stdin.read()


if __name__ == "__main__":
    serve(sys.argv[1])
