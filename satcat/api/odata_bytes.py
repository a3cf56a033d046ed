"""The bytes of one product, from CDSE's download host.

Recorded error codes: 401 DAT-ZIP-604 no token, 109 token expired, 609 token of another audience; 429 DAT-ZIP-100 more than
four connections; 422 DAT-ZIP-111 no such form of id. What is answered for an archived product is not recorded: any refusal
that says "offline" counts as that, and so does 202, by which the older service announced an order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus

import requests

from satcat.api import answers
from satcat.api.auth import TokenProvider
from satcat.api.failures import host_of, source_errors
from satcat.api.http import Bearer, HttpClient
from satcat.errors import (
    CredentialsError,
    MalformedResponseError,
    ProductGoneError,
    ProductOfflineError,
    RequestRejectedError,
    SatcatError,
    TokenRefusedError,
    WrongRangeError,
)

_MAX_ERROR_BODY = 65_536
_WRONG_AUDIENCE = "DAT-ZIP-609"
#: Bytes; more are asked for only where they come fast, for much memory is taken each time, however little comes.
_SMALLEST_READ = 1 << 16
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_FILENAME = re.compile(r"""filename=(?:"([^"]*)"|([^;\s]+))""", re.IGNORECASE)


@dataclass(slots=True)
class HttpAnswer:
    """An answer on its way; see `satcat.api.base.Answer`."""

    response: requests.Response = field(repr=False)
    size: int | None
    start: int
    etag: str | None
    filename: str | None
    is_cut: bool = False

    def cut(self) -> None:
        """Break the connection."""
        self.is_cut = True
        with suppress(OSError, RuntimeError, ValueError):  # it is closed already
            self.response.raw.shutdown()

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the body as it was sent and as it arrives, whatever has come by then, at most `size` bytes at once.

        Raises:
            SourceError: the connection broke, or was cut, or the body ended before its promised length.
        """
        where, amount = host_of(self.response.url), min(_SMALLEST_READ, size)
        try:
            with source_errors(where):
                while piece := self.response.raw.read1(amount, decode_content=False):
                    if self.is_cut:  # then it may not have been decrypted
                        break
                    yield piece
                    amount = min(max(_SMALLEST_READ, 2 * len(piece)), size)
        except (ValueError, AttributeError):  # the socket's own, if it is cut just then
            if not self.is_cut:
                raise
        if self.is_cut:
            raise MalformedResponseError(where, "the answer was cut short")


@contextmanager
def open_bytes(
    http: HttpClient, tokens: TokenProvider, url: str, name: str, *, start: int, etag: str | None
) -> Iterator[HttpAnswer]:
    """Ask for the product's bytes; a token that is refused is renewed once, a refused range is given up.

    Raises:
        RateLimitedError: too many connections of this account: wait.
        ProductOfflineError, ProductGoneError: it cannot be had, or not now.
        TokenRefusedError: one made just now was refused, too.
        CredentialsError: no token is to be had, or it is not meant for this host.
        SourceError: anything else.
    """
    token = tokens.token()
    renewed = False
    while True:
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if etag and not etag.startswith("W/"):  # a weak one does not vouch for each byte
                headers["If-Range"] = etag
        with http.stream(url, headers=headers, auth=Bearer(token)) as response:
            status = response.status_code
            if status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
                start = 0
                continue
            if status != HTTPStatus.UNAUTHORIZED or renewed:
                _refuse(response, name, token)
                yield _answer(response, start)
                return
        tokens.invalidate(token)
        token, renewed = tokens.token(), True


def _refuse(response: requests.Response, name: str, token: str) -> None:
    status = response.status_code
    if status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        return
    where = host_of(response.url)
    body = response.raw.read(_MAX_ERROR_BODY, decode_content=True)
    if status == HTTPStatus.ACCEPTED:
        raise ProductOfflineError(f"{name}: it is archived; order it at the source first")
    error = answers.error_of(where, status, response.headers, body, [token])
    if not isinstance(error, RequestRejectedError):
        raise error or MalformedResponseError(where, f"status {status}")
    if status == HTTPStatus.UNAUTHORIZED:
        if _WRONG_AUDIENCE in error.detail:
            raise CredentialsError(
                f"{where} refused the access token ({error.detail}): it was made for another service; CDSE_DOWNLOAD_URL "
                "and CDSE_TOKEN_URL must belong together, so correct them, or unset both"
            )
        raise TokenRefusedError(where, error.detail)
    raise refusal(error, name)


def refusal(error: RequestRejectedError, name: str) -> SatcatError:
    """What a refusal by the download host says of the product called so."""
    if "offline" in error.detail.lower():
        return ProductOfflineError(
            f"{name}: it is archived ({error.detail}); order it at the source first"
        )
    if error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        return ProductGoneError(f"{name}: {error.where} no longer has it ({error.detail})")
    return error


def _answer(response: requests.Response, start: int) -> HttpAnswer:
    where, headers = host_of(response.url), response.headers
    if headers.get("Content-Encoding", "identity") != "identity":
        raise MalformedResponseError(where, f"the file came as {headers['Content-Encoding']}")
    length = _number(headers.get("Content-Length"))
    first, size = 0, length
    if response.status_code == HTTPStatus.PARTIAL_CONTENT:
        match = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
        if match is None or int(match[1]) != start:
            raise WrongRangeError(where, f"bytes from {start} on were asked for, others came")
        first, size = start, _number(match[3])
        if length is not None and length != int(match[2]) - first + 1:
            raise WrongRangeError(where, "the range and the length of the answer differ")
    return HttpAnswer(response, size, first, headers.get("ETag"), _filename(headers))


def _filename(headers: requests.structures.CaseInsensitiveDict[str]) -> str | None:
    match = _FILENAME.search(headers.get("Content-Disposition", ""))
    return (match[1] or match[2]) if match else None


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 19 else None
