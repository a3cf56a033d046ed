"""The bytes of products: ranges, tokens, limits and refusals of the download host."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from satcat.api.http import HttpClient, Retries
from satcat.api.odata import ODataAPI
from satcat.errors import (
    CredentialsError,
    FilterError,
    MalformedResponseError,
    ProductGoneError,
    ProductOfflineError,
    RateLimitedError,
    RequestRejectedError,
    SourceError,
    SourceUnavailableError,
    TokenRefusedError,
)
from satcat.filters import SearchFilters
from satcat.products import SatelliteImage
from satcat.sandbox import Sandbox


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(products=60, seed=5) as running:
        yield running


@pytest.fixture
def api(sandbox: Sandbox) -> ODataAPI:
    return connect(sandbox)


@pytest.fixture
def image(api: ODataAPI) -> SatelliteImage:
    return next(iter(api.search(SearchFilters(collection="SENTINEL-2")).values()))


def connect(sandbox: Sandbox, password: str = "sandbox", connections: int = 4) -> ODataAPI:
    return ODataAPI(
        "sandbox", password,
        catalogue_url=sandbox.catalogue_url, download_url=sandbox.download_url, token_url=sandbox.token_url,
        http=HttpClient(connections, retries=Retries(attempts=3, first_wait=0.01)),
    )  # fmt: skip


def content(api: ODataAPI, image: SatelliteImage, **options: Any) -> bytes:
    with api.open(image, **options) as answer:
        return b"".join(answer.chunks(10_000))


def downloads(sandbox: Sandbox) -> int:
    return sum("$value" in request.path for request in sandbox.log)


def test_the_whole_file_comes_with_its_size_and_name(api: ODataAPI, image: SatelliteImage) -> None:
    with api.open(image) as answer:
        body = b"".join(answer.chunks(10_000))
        assert (answer.size, answer.start) == (image.size_bytes, 0)
        assert answer.filename == image.name.replace(".SAFE", ".zip")
        assert answer.etag
    assert len(body) == image.size_bytes and body.startswith(b"PK")


def test_the_rest_of_a_file_comes_where_ranges_are_honoured(
    sandbox: Sandbox, api: ODataAPI, image: SatelliteImage
) -> None:
    sandbox.settings.ranges = "honour"
    whole = content(api, image)
    with api.open(image) as answer:
        etag = answer.etag
    with api.open(image, start=5000, etag=etag) as answer:
        assert (answer.start, answer.size) == (5000, image.size_bytes)
        assert b"".join(answer.chunks(10_000)) == whole[5000:]
    with api.open(image, start=5000, etag='"another"') as answer:
        assert answer.start == 0


def test_a_range_that_is_ignored_is_an_answer_from_the_start(
    sandbox: Sandbox, api: ODataAPI, image: SatelliteImage
) -> None:
    sandbox.settings.ranges = "ignore"
    with api.open(image, start=5000) as answer:
        assert answer.start == 0
        assert len(b"".join(answer.chunks(10_000))) == image.size_bytes


def test_a_range_that_was_not_asked_for_is_refused(
    sandbox: Sandbox, api: ODataAPI, image: SatelliteImage
) -> None:
    sandbox.settings.ranges = "wrong"
    with (
        pytest.raises(MalformedResponseError, match="bytes from 5000 on"),
        api.open(image, start=5000),
    ):
        pass


def test_a_range_behind_the_end_is_given_up(
    sandbox: Sandbox, api: ODataAPI, image: SatelliteImage
) -> None:
    sandbox.settings.ranges = "honour"
    assert image.size_bytes is not None
    with api.open(image, start=image.size_bytes + 10) as answer:
        assert answer.start == 0


def test_a_refused_token_is_renewed_once(
    sandbox: Sandbox, api: ODataAPI, image: SatelliteImage
) -> None:
    content(api, image)
    sandbox.faults.next("expired", match="$value")
    assert len(content(api, image)) == image.size_bytes
    sandbox.log.clear()
    sandbox.faults.next("status", n=9, status=401, match="$value")
    with pytest.raises(TokenRefusedError, match="refuses a fresh access token") as refused:
        content(api, image)
    assert downloads(sandbox) == 2 and refused.value.exit_code == 5


def test_wrong_credentials_are_said(sandbox: Sandbox, image: SatelliteImage) -> None:
    with pytest.raises(CredentialsError, match="refused the login"):
        content(connect(sandbox, password="wrong"), image)


class Echo(BaseHTTPRequestHandler):
    """A host that refuses, and quotes what it was sent."""

    status = 403

    def body(self) -> bytes:
        return f'{{"message": "bad token: {self.headers["Authorization"]}"}}'.encode()

    def do_GET(self) -> None:
        body = self.body()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


def test_a_token_that_a_refusal_quotes_stays_out_of_the_error(
    sandbox: Sandbox, image: SatelliteImage
) -> None:
    with HTTPServer(("127.0.0.1", 0), Echo) as host:
        threading.Thread(target=host.handle_request, daemon=True).start()
        api = ODataAPI(
            "sandbox", "sandbox", catalogue_url=sandbox.catalogue_url, token_url=sandbox.token_url,
            download_url=f"http://127.0.0.1:{host.server_port}",
        )  # fmt: skip
        with pytest.raises(RequestRejectedError) as caught:
            content(api, image)
    assert caught.value.detail == "bad token: Bearer ***"


class OfAnotherAudience(Echo):
    """A host that takes the tokens of another service."""

    status = 401

    def body(self) -> bytes:
        return b'{"code": "DAT-ZIP-609", "message": "token audience not allowed"}'


def test_a_token_of_another_service_says_which_addresses_to_correct(
    sandbox: Sandbox, image: SatelliteImage
) -> None:
    with HTTPServer(("127.0.0.1", 0), OfAnotherAudience) as host:
        serve = threading.Thread(target=host.serve_forever, args=(0.02,), daemon=True)
        serve.start()
        api = ODataAPI(
            "sandbox", "sandbox", catalogue_url=sandbox.catalogue_url, token_url=sandbox.token_url,
            download_url=f"http://127.0.0.1:{host.server_port}",
        )  # fmt: skip
        with pytest.raises(CredentialsError, match="CDSE_DOWNLOAD_URL and CDSE_TOKEN_URL") as said:
            content(api, image)
        host.shutdown()
        serve.join()
    assert f"127.0.0.1:{host.server_port} refused the access token (DAT-ZIP-609" in str(said.value)


def test_a_fifth_connection_is_told_to_wait(sandbox: Sandbox, image: SatelliteImage) -> None:
    sandbox.settings.rate = 1000.0
    many = connect(sandbox, connections=8)
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(many.open(image))
        with pytest.raises(RateLimitedError), many.open(image):
            pass


def test_archived_and_deleted_products_are_told_apart(
    sandbox: Sandbox, api: ODataAPI, image: SatelliteImage
) -> None:
    sandbox.catalogue.take_offline(image.id)
    with pytest.raises(ProductOfflineError, match="archived"), api.open(image):
        pass
    sandbox.catalogue.delete(image.id)
    with pytest.raises(ProductGoneError, match="no longer has it"), api.open(image):
        pass


@pytest.mark.parametrize(
    ("kind", "options", "error"),
    [
        ("status", {"status": 503}, SourceUnavailableError), ("reset", {}, SourceUnavailableError),
        ("status", {"status": 429, "retry_after": 7}, RateLimitedError),
        ("status", {"status": 202}, ProductOfflineError), ("cut", {"after": 3000}, MalformedResponseError),
    ],
)  # fmt: skip
def test_trouble_is_told_and_not_tried_again(
    sandbox: Sandbox,
    api: ODataAPI,
    image: SatelliteImage,
    kind: Any,
    options: dict[str, Any],
    error: type[Exception],
) -> None:
    sandbox.faults.next(kind, match="$value", **options)
    with pytest.raises(error):
        content(api, image)
    assert downloads(sandbox) == 1


def test_how_long_to_wait_is_handed_on(
    sandbox: Sandbox, api: ODataAPI, image: SatelliteImage
) -> None:
    sandbox.faults.next("status", status=429, retry_after=7, match="$value")
    with pytest.raises(RateLimitedError) as caught:
        content(api, image)
    assert caught.value.retry_after == 7


def test_a_broken_connection_is_a_source_error_inside_the_block_too(
    sandbox: Sandbox, api: ODataAPI, image: SatelliteImage
) -> None:
    sandbox.faults.next("cut", after=3000, match="$value")
    with api.open(image) as answer, pytest.raises(SourceError):
        b"".join(answer.chunks(1000))


def test_the_catalogues_redirect_takes_no_token_along(
    sandbox: Sandbox, image: SatelliteImage
) -> None:
    api = ODataAPI(
        "sandbox", "sandbox",
        catalogue_url=sandbox.catalogue_url, token_url=sandbox.token_url,
        download_url=sandbox.catalogue_url,
    )  # fmt: skip
    sandbox.log.clear()
    with pytest.raises(TokenRefusedError, match="Token not found"):
        content(api, image)
    arrived = [request for request in sandbox.log if "/download/" in request.path]
    assert arrived and not any(request.authorised for request in arrived)


def test_what_is_no_id_never_reaches_a_url(api: ODataAPI, image: SatelliteImage) -> None:
    sent = api.requests_sent
    with pytest.raises(FilterError):
        api.open(replace(image, id="../../x"))
    assert api.requests_sent == sent
