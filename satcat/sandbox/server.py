"""HTTP on loopback: reads a request, lets scripted faults strike, and sends the answer."""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import responses
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from satcat.sandbox import packages
from satcat.sandbox.faults import Fault, edited, instead
from satcat.sandbox.log import Request
from satcat.sandbox.responses import Response
from satcat.sandbox.routing import answer

if TYPE_CHECKING:
    from satcat.sandbox.sandbox import Sandbox

_LARGEST_BODY = 1 << 20


class Server(ThreadingHTTPServer):
    """Listens on 127.0.0.1, with one thread for each connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, port: int, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), Handler)

    def server_bind(self) -> None:
        """Bind, without asking for this machine's name as the standard server does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection, and keep hold of it."""
        connection, address = super().get_request()
        with self._lock:
            self._connections.add(connection)
        return connection, address

    def close_request(self, request: Any) -> None:
        """Let go of a connection that has ended."""
        with self._lock:
            self._connections.discard(request)
        super().close_request(request)

    def stop(self) -> None:
        """Stop listening, and end the connections that are left."""
        self.shutdown()
        self.server_close()
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:  # already ended by its client
                    continue

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away; show what is wrong with the sandbox itself."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        """Answer a GET."""
        self._answer()

    def do_POST(self) -> None:
        """Answer a POST."""
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: `sandbox.log` notes every request."""

    def _answer(self) -> None:
        sandbox, body = self.server.sandbox, self._body()
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        request = Request(
            method=self.command,
            path=unquote(parts.path),
            query={name: ",".join(values) for name, values in query.items()},
            host=self.headers.get("Host", ""),
            user_agent=self.headers.get("User-Agent", ""),
            authorised=self.headers.get("Authorization", "").lower().startswith("bearer "),
            range=self.headers.get("Range"),
            started=time.monotonic(),
        )
        sandbox.log.append(request)
        try:
            fault = sandbox.faults.strike(request)
            response = self._before(fault)
            if response is None:
                headers = dict(self.headers.items())
                response = answer(
                    sandbox, request.method, request.path, query, headers, body, fault
                )
                response = edited(fault, response)
            self._send(request, response, fault)
        finally:
            request.ended = request.ended or time.monotonic()

    def _body(self) -> bytes:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LARGEST_BODY:
            raise ConnectionAbortedError("the request is too large")
        return self.rfile.read(length)

    def _before(self, fault: Fault | None) -> Response | None:
        """What a fault does before the real answer is made; its own answer, if it has one."""
        if fault is None:
            return None
        if fault.kind == "reset" and fault.after is None:
            self._reset()
        if fault.kind == "slow":
            time.sleep(fault.seconds)
        if fault.kind == "expired":
            self.server.sandbox.accounts.expire_tokens()
        return instead(fault, f"http://localhost:{self.server.server_port}{self.path}")

    def _reset(self) -> None:
        """Tear the connection down so that the client sees a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        raise ConnectionResetError

    def _send(self, request: Request, response: Response, fault: Fault | None) -> None:
        """Send an answer, as the fault leaves it.

        The request counts as ended just before its last bytes leave.
        """
        body, stated = _faulty_body(response, fault)
        kind = "" if fault is None else fault.kind
        self.close_connection |= kind in ("cut", "length", "unsized", "reset")
        rate = fault.rate if fault is not None and kind == "drip" else response.rate
        if (
            self.server.sandbox.settings.chunked
            and response.stream is not None
            and stated is not None
        ):
            body, stated = _in_chunks(body, ends=kind not in ("cut", "reset")), None
            response = response.with_headers(Transfer_Encoding="chunked")
        request.status = response.status
        held = memoryview(self._head(response, stated, fault))
        with ExitStack() as finishing:
            if response.finish is not None:
                finishing.callback(response.finish)
            if response.stream is None:
                held, body = memoryview(b"".join((held, *body))), iter(())
            for piece in body:
                self._write(held, rate)
                held = piece
            finishing.close()
            request.ended = time.monotonic()
            self._write(held, rate)
        if kind == "reset":
            self._reset()

    def _head(self, response: Response, length: int | None, fault: Fault | None) -> bytes:
        clock = self.server.sandbox.clock
        headers = {"Server": "satcat-sandbox", **response.headers}
        if clock.send_date and not (fault is not None and fault.kind == "no_date"):
            skew = fault.seconds if fault is not None and fault.kind == "skew" else 0.0
            taken_at = (
                fault.snapshot.taken_at
                if fault is not None and fault.snapshot is not None
                else None
            )
            headers["Date"] = clock.date_header(taken_at, skew)
        if length is not None:
            headers["Content-Length"] = str(length)
        if self.close_connection:
            headers["Connection"] = "close"
        lines = [f"HTTP/1.1 {response.status} {responses.get(response.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def _write(self, piece: memoryview, rate: float | None) -> None:
        """Send some bytes, at `rate` bytes per second if there is one."""
        if rate is None:
            self.connection.sendall(piece)
            return
        step = max(1, min(len(piece), int(rate / 20)))
        for at in range(0, len(piece), step):
            self.connection.sendall(piece[at : at + step])
            time.sleep(len(piece[at : at + step]) / rate)


def _faulty_body(
    response: Response, fault: Fault | None
) -> tuple[Iterator[memoryview], int | None]:
    """The pieces of the body to send, and the Content-Length to state."""
    length = len(response.body) if response.length is None else response.length
    body = iter([memoryview(response.body)]) if response.stream is None else response.stream
    match fault:
        case None:
            return body, length
        case Fault(kind="truncated"):
            after = length // 2 if fault.after is None else fault.after
            return _first(body, after), min(after, length)
        case Fault(kind="cut" | "reset"):
            return _first(body, length // 2 if fault.after is None else fault.after), length
        case Fault(kind="unsized"):
            return _first(body, length if fault.after is None else fault.after), None
        case Fault(kind="corrupt"):
            return packages.with_flaw(
                body, length // 2 if fault.after is None else fault.after
            ), length
        case Fault(kind="length"):
            return body, length + fault.by
        case _:
            return body, length


def _in_chunks(pieces: Iterator[memoryview], *, ends: bool) -> Iterator[memoryview]:
    """The pieces as HTTP's chunked coding has them, with or without the chunk that says that all is said."""
    for piece in pieces:
        if piece:  # an empty chunk would be the last one
            yield memoryview(b"%x\r\n" % len(piece) + piece + b"\r\n")
    if ends:
        yield memoryview(b"0\r\n\r\n")


def _first(pieces: Iterator[memoryview], length: int) -> Iterator[memoryview]:
    """The first `length` bytes."""
    for piece in pieces:
        if length <= 0:
            return
        yield piece[:length]
        length -= len(piece)
