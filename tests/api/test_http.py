"""The HTTP client over real sockets: retries, limits, redirects, and what it never gives away."""

from __future__ import annotations

import gzip
import json
import logging
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from satcat.api import http as client
from satcat.api.http import Bearer, HttpClient, Retries
from satcat.errors import (
    MalformedResponseError,
    RateLimitedError,
    RequestRejectedError,
    SourceError,
    SourceUnavailableError,
    StaleResponseError,
)

Answer = Callable[[BaseHTTPRequestHandler], None]
QUICK = Retries(attempts=4, first_wait=0.01)


def reply(status: int = 200, body: object = None, **headers: str) -> Answer:
    """An answer; a body that is no bytes is sent as JSON, a `Date` of "" leaves it out."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        fields = {"Date": handler.date_time_string(), "Content-Length": str(len(content))}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        handler.send_response_only(status)
        for name, value in fields.items():
            if value:
                handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)
        handler.close_connection = "Content-Length" not in fields

    return answer


def cut(handler: BaseHTTPRequestHandler) -> None:
    reply(200, {"value": "x" * 100}, Content_Length="500")(handler)
    handler.close_connection = True


def reset(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    handler.close_connection = True
    handler.connection.close()


@dataclass
class Seen:
    """What one request asked."""

    path: str
    headers: dict[str, str]


class Server:
    """Gives scripted answers, then the last one for ever; keeps what it was asked."""

    def __init__(self) -> None:
        self.script: list[Answer] = [reply(body={"value": 1})]
        self.seen: list[Seen] = []
        self.busy = self.most_busy = 0
        lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with lock:
                    server.seen.append(Seen(self.path, dict(self.headers)))
                    server.busy += 1
                    server.most_busy = max(server.busy, server.most_busy)
                    answer = server.script.pop(0) if len(server.script) > 1 else server.script[0]
                try:
                    answer(self)
                finally:
                    with lock:
                        server.busy -= 1

            do_POST = do_GET  # noqa: N815 - http.server asks for it

            def log_message(self, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}/odata"


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


@pytest.fixture
def http() -> Iterator[HttpClient]:
    made = HttpClient(retries=QUICK)
    yield made
    made.close()


def get(http: HttpClient, url: str) -> Any:
    return http.get(url, [("$filter", "a eq 'b c'")], lambda body: body["value"]).value


@pytest.mark.parametrize(
    "trouble",
    [
        reply(500), reply(502, b"<html>"), reply(503), reply(504), reply(429), reply(429, None, Retry_After="0"),
        reply(200, b"<html>login</html>"), reply(200, b'{"value": [1, 2'), reply(200, b""), cut, reset,
        reply(404, b"<html>not here</html>"),
    ],
)  # fmt: skip
def test_what_may_pass_is_tried_again(server: Server, http: HttpClient, trouble: Answer) -> None:
    server.script = [trouble, trouble, reply(body={"value": 7})]
    assert get(http, server.url) == 7
    assert http.requests_sent == 3


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        (reply(503), SourceUnavailableError), (reset, SourceUnavailableError), (reply(429), RateLimitedError),
        (reply(200, b"<html>"), MalformedResponseError), (cut, MalformedResponseError),
    ],
)  # fmt: skip
def test_trouble_that_stays_ends_in_its_error(
    server: Server, http: HttpClient, trouble: Answer, kind: type[SourceError]
) -> None:
    server.script = [trouble]
    with pytest.raises(kind) as caught:
        get(http, server.url)
    assert http.requests_sent == QUICK.attempts
    assert server.url.split("/")[2] in str(caught.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_not_tried_again(server: Server, http: HttpClient, status: int) -> None:
    server.script = [reply(status, {"detail": "no such field"})]
    with pytest.raises(RequestRejectedError, match="no such field") as caught:
        get(http, server.url)
    assert caught.value.status == status
    assert http.requests_sent == 1


def test_nobody_there_is_said_in_the_systems_words(http: HttpClient) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(SourceUnavailableError, match="connection refused"):
        get(http, f"http://127.0.0.1:{port}/")


def test_a_value_that_reading_refuses_is_asked_for_again(server: Server, http: HttpClient) -> None:
    server.script = [reply(body=1), reply(body=2)]

    def read(body: int) -> int:
        if body == 1:
            raise MalformedResponseError("here", "one")
        return body

    assert http.get(server.url, [], read).value == 2


@given(st.integers(1, 8), st.floats(0, 1), st.none() | st.floats(0, 10_000))
def test_waits_grow_up_to_a_cap_and_are_never_shorter_than_asked_for(
    failures: int, chance: float, asked: float | None
) -> None:
    policy = Retries(attempts=9, first_wait=1.0, longest_wait=120.0, longest_asked=3600.0)
    seconds = policy.wait(failures, RateLimitedError("here", asked), chance)
    if asked is not None and asked > 3600:
        assert seconds is None
        return
    assert seconds is not None
    assert min(2.0 ** (failures - 2), 120) <= seconds <= max(120, asked or 0)
    assert seconds >= (asked or 0)


def test_the_last_attempt_and_a_refusal_are_not_waited_for() -> None:
    policy = Retries(attempts=3)
    assert policy.wait(3, SourceUnavailableError("here", "x"), 0.5) is None
    assert policy.wait(1, RequestRejectedError("here", 400, "x"), 0.5) is None


def test_retry_after_is_waited_for_and_told(server: Server) -> None:
    told: list[tuple[float, SourceError]] = []
    http = HttpClient(retries=QUICK, on_wait=lambda seconds, error: told.append((seconds, error)))
    server.script = [reply(503, None, Retry_After="0.3"), reply(body={"value": 1})]
    before = time.monotonic()
    get(http, server.url)
    assert time.monotonic() - before >= 0.3
    [(seconds, error)] = told
    assert seconds == 0.3 and isinstance(error, RateLimitedError)


def test_never_more_than_four_requests_at_once(server: Server, http: HttpClient) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.05)
        reply(body={"value": 1})(handler)

    server.script = [slow]
    threads = [threading.Thread(target=get, args=(http, server.url)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.seen) == 12
    assert server.most_busy == 4


def test_stopping_ends_a_long_wait_in_every_thread(server: Server) -> None:
    http = HttpClient(retries=Retries(attempts=9, first_wait=100.0))
    server.script = [reply(503)]
    ended: list[type[BaseException]] = []

    def ask() -> None:
        try:
            get(http, server.url)
        except BaseException as error:  # noqa: BLE001
            ended.append(type(error))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    while len(server.seen) < 6:
        time.sleep(0.01)
    before = time.monotonic()
    http.stop.set()
    for thread in threads:
        thread.join()
    assert time.monotonic() - before < 1
    assert ended == [KeyboardInterrupt] * 6


def test_the_query_is_percent_encoded(server: Server, http: HttpClient) -> None:
    get(http, server.url)
    assert server.seen[0].path == "/odata?%24filter=a+eq+%27b+c%27"


def test_a_compressed_body_is_read(server: Server, http: HttpClient) -> None:
    server.script = [reply(200, gzip.compress(b'{"value": 5}'), Content_Encoding="gzip")]
    assert get(http, server.url) == 5


def test_a_body_without_end_is_given_up(
    server: Server, http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_MAX_BODY", 1_000_000)
    server.script = [reply(200, gzip.compress(b"0" * 50_000_000), Content_Encoding="gzip")]
    with pytest.raises(MalformedResponseError, match="more than 1000000 bytes"):
        get(http, server.url)


def test_the_servers_clock_is_kept(server: Server, http: HttpClient) -> None:
    server.script = [reply(body=1, Date="Sat, 01 Jun 2024 10:00:00 GMT"), reply(body=1, Date="")]
    first = http.get(server.url, [], lambda body: body)
    assert (
        first.server_time is not None
        and first.server_time.isoformat() == "2024-06-01T10:00:00+00:00"
    )
    assert http.get(server.url, [], lambda body: body).server_time is None
    assert http.server_time == first.server_time


def test_an_answer_older_than_another_is_asked_for_again(server: Server, http: HttpClient) -> None:
    new, old = "Sat, 01 Jun 2024 10:00:00 GMT", "Sat, 01 Jun 2024 09:54:59 GMT"
    server.script = [reply(body=1, Date=new), reply(body=2, Date=old), reply(body=3, Date=new)]
    http.get(server.url, [], lambda body: body)
    assert http.get(server.url, [], lambda body: body).value == 3
    server.script = [reply(body=2, Date=old)]
    with pytest.raises(StaleResponseError):
        http.get(server.url, [], lambda body: body)


def test_a_redirect_on_the_same_host_is_followed(server: Server, http: HttpClient) -> None:
    server.script = [reply(301, None, Location="/other?x=1"), reply(body={"value": 3})]
    assert get(http, server.url) == 3
    assert server.seen[1].path == "/other?x=1"


def test_a_redirect_to_another_host_is_refused(server: Server, http: HttpClient) -> None:
    with serving() as other:
        server.script = [reply(302, None, Location=other.url)]
        with pytest.raises(MalformedResponseError, match="it redirects to 127"):
            get(http, server.url)
        assert not other.seen


def test_redirects_in_a_circle_end(server: Server, http: HttpClient) -> None:
    server.script = [reply(302, None, Location="/odata")]
    with pytest.raises(MalformedResponseError, match="circle"):
        get(http, server.url)


@pytest.mark.parametrize(
    "location",
    ["http://[bad", "https://h:99999999/x", "http://h:x/", "http://a b/", "ftp://h/x", "http://\u2100.org/", "//[", "mailto:me"],
)  # fmt: skip
@pytest.mark.parametrize("leave", [False, True])
def test_a_redirect_to_no_address_is_an_answer_that_cannot_be_used(
    location: str, leave: bool, server: Server, http: HttpClient
) -> None:
    server.script = [reply(302, None, Location=location.encode().decode("latin-1"))]
    with pytest.raises(MalformedResponseError, match=r"^127\.0\.0\.1:.*redirects to nowhere"):
        if leave:
            http.stream(server.url, headers={}, auth=Bearer("x")).__enter__()
        http.get(server.url, [], lambda body: body, patient=False)


def test_a_signed_link_that_leads_to_a_dead_host_is_named_without_its_signature(
    server: Server, http: HttpClient
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        dead = f"127.0.0.1:{free.getsockname()[1]}"
    server.script = [reply(302, None, Location=f"http://{dead}/x?X-Amz-Signature=secret")]
    try:
        with http.stream(server.url, headers={}, auth=Bearer("x")):
            pass
    except SourceUnavailableError as error:
        shown = "".join(traceback.format_exception(error))
    assert f"cannot reach {dead} (connection refused)" in shown and "secret" not in shown


def test_a_token_never_follows_a_redirect_to_another_host(server: Server, http: HttpClient) -> None:
    with serving() as other:
        server.script = [reply(302, None, Location=other.url)]
        other.script = [reply(200, b"bytes")]
        with http.stream(server.url, headers={}, auth=Bearer("secret")) as response:
            assert response.raw.read() == b"bytes"
        assert server.seen[0].headers["Authorization"] == "Bearer secret"
        assert "Authorization" not in other.seen[0].headers


@pytest.mark.parametrize(
    "target", ["http://example.org/a", "http://other.org/", "ftp://example.org/"]
)
def test_a_redirect_from_https_to_less_is_refused(target: str) -> None:
    request = requests.Request("GET", "https://example.org/a", auth=Bearer("secret"))
    with pytest.raises(MalformedResponseError):
        client._redirected(request, target, leave=True)


def test_netrc_plays_no_part(
    server: Server, http: HttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login someone password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    get(http, server.url)
    with http.stream(server.url, headers={}, auth=Bearer("token")):
        pass
    http.post(server.url, {"a": "b"})
    assert [seen.headers.get("Authorization") for seen in server.seen] == [
        None,
        "Bearer token",
        None,
    ]


def test_proxies_are_not_asked_for_this_machine(
    server: Server, http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert get(http, server.url) == 1
    assert get(http, server.url.replace("127.0.0.1", "localhost")) == 1


def test_a_proxy_is_asked_for_other_hosts(
    server: Server, http: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url)
    assert get(http, "http://catalogue.invalid/odata") == 1
    assert server.seen[0].path.startswith("http://catalogue.invalid/odata")


def test_cookies_are_not_kept(server: Server, http: HttpClient) -> None:
    server.script = [reply(body={"value": 1}, Set_Cookie="a=b")]
    get(http, server.url)
    get(http, server.url)
    assert "Cookie" not in server.seen[1].headers


def test_a_form_is_sent_again_only_when_the_source_says_not_now(
    server: Server, http: HttpClient
) -> None:
    server.script = [reply(503), reply(429), reply(body={"ok": True})]
    assert http.post(server.url, {"a": "b"}) == {"ok": True}
    server.script = [reset]
    sent = http.requests_sent
    with pytest.raises(SourceUnavailableError):
        http.post(server.url, {"a": "b"})
    assert http.requests_sent == sent + 1


def test_a_secret_that_an_error_echoes_is_blotted_out(server: Server, http: HttpClient) -> None:
    server.script = [
        reply(401, {"error_description": "no: password=hunter%262&totp=123456 hunter&2"})
    ]
    with pytest.raises(RequestRejectedError) as caught:
        http.post(server.url, {"username": "me", "password": "hunter&2", "totp": "123456"})
    assert caught.value.detail == "no: password=***&totp=*** ***"


@pytest.mark.parametrize(
    "body",
    [
        rb'{"error_description": "no: p\u00e4ss\"w\/ rt\ud83d\udd11"}', '{"msg": "no: päss\\"w/ rt🔑"}'.encode(),
        rb'{"detail": "no: p%c3%A4ss%22w%2F+rt%F0%9F%94%91"}', rb'{"detail": "no: \u0070\u00E4ss\u0022w/%20rt\uD83D\uDD11"}',
        rb'cut short: no: p\u00e4ss\"w/ rt\ud83d\udd11', '["no: päss\\"w/ rt🔑"]'.encode(),
    ],
)  # fmt: skip
def test_a_secret_is_blotted_out_however_it_is_spelt(
    body: bytes, server: Server, http: HttpClient
) -> None:
    server.script = [reply(400, body)]
    with pytest.raises(RequestRejectedError) as caught:
        http.post(server.url, {"password": 'päss"w/ rt🔑'})
    assert caught.value.detail.endswith("no: ***")


def test_a_form_is_never_sent_on(server: Server, http: HttpClient) -> None:
    server.script = [reply(307, None, Location="/other")]
    with pytest.raises(MalformedResponseError):
        http.post(server.url, {"password": "secret"})
    assert len(server.seen) == 1


def test_no_secret_is_logged(
    server: Server, http: HttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with http.stream(server.url + "?token=secret", headers={}, auth=Bearer("secret")):
        pass
    http.post(server.url, {"password": "secret"})
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("satcat")]
    assert len(ours) == 2
    assert not any("secret" in line for line in ours)
