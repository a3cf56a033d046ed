"""What an HTTP answer says: its clock, how long to wait, its JSON, and which error its status means. Pure."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeAlias

from satcat import times
from satcat.errors import (
    MalformedResponseError,
    RateLimitedError,
    RequestRejectedError,
    SourceError,
    SourceUnavailableError,
)

#: What an answer carries; megabytes, which are not copied.
Body: TypeAlias = bytes | bytearray

_MAX_DETAIL = 300
#: Where error bodies keep their words: CDSE's catalogue, its older APIs, its download host, its identity service.
_DETAIL_KEYS = (
    "detail",
    "ErrorMessage",
    "message",
    "msg",
    "error_description",
    "error",
    "description",
)


def http_date(text: str | None) -> datetime | None:
    """An HTTP date as UTC; None if there is none, or it is unreadable."""
    try:
        moment = parsedate_to_datetime(text) if text else None
        return moment and (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that `Retry-After` asks for, given as a number or as a date; None if it does not say."""
    text = headers.get("Retry-After")
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        moment = http_date(text)
        if moment is None:
            return None
        seconds = (moment - (http_date(headers.get("Date")) or times.now())).total_seconds()
    return max(0.0, seconds) if math.isfinite(seconds) else None


def parse_json(where: str, body: Body) -> Any:
    """The body as JSON.

    Raises:
        MalformedResponseError: it is cut off, HTML, nested too deeply, or anything else.
    """
    try:
        return loads(body)
    except ValueError:
        kind = "HTML" if body.lstrip()[:1] == b"<" else "no valid JSON"
        raise MalformedResponseError(where, f"{kind} of {len(body)} bytes") from None
    except RecursionError:
        raise MalformedResponseError(where, "JSON nested too deeply") from None


def loads(body: Body | str, *, strict: bool = True) -> Any:
    """The body as JSON; ValueError or RecursionError if it is none. Not strict: texts may hold control characters."""
    try:
        return json.loads(body, strict=strict)
    except json.JSONDecodeError:
        raise
    except (
        ValueError
    ):  # a number with more digits than Python reads: it stays text, and spoils no other record
        return json.loads(
            body,
            strict=strict,
            parse_int=lambda digits: int(digits) if len(digits) < 20 else digits,
        )


def error_of(
    where: str, status: int, headers: Mapping[str, str], body: Body, secrets: Iterable[str] = ()
) -> SourceError | None:
    """The error that an answer means; None for 200 and 206. It holds none of the secrets, which an answer may echo.

    HTML that comes with "not found" is the word of something in between, and believed to be temporary.
    """
    if status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        return None
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return RateLimitedError(where, retry_after(headers))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        seconds = retry_after(headers)
        if seconds is not None:
            return RateLimitedError(where, seconds, down=True)
        return SourceUnavailableError(where, f"status {status}", status)
    if status < HTTPStatus.BAD_REQUEST:
        return MalformedResponseError(where, f"status {status}")
    if status == HTTPStatus.NOT_FOUND and body.lstrip()[:1] == b"<":
        return MalformedResponseError(where, "status 404 with HTML")
    return RequestRejectedError(where, status, detail(body, secrets))


def detail(body: Body, secrets: Iterable[str] = ()) -> str:
    """The useful part of an error body in one line, whatever its form; never more than 300 characters, and no secret."""
    try:
        words = _words(json.loads(body))
    except (ValueError, RecursionError):
        words = [] if body.lstrip()[:1] == b"<" else [body.decode("utf-8", "replace")]
    said = "; ".join(words)
    for secret in filter(None, secrets):
        said = re.sub("".join(map(_spellings, secret)), "***", said, flags=re.IGNORECASE)
    line = "".join(c if c.isprintable() else " " for c in said)
    return " ".join(line.split())[:_MAX_DETAIL] or "no reason given"


def _spellings(char: str) -> str:
    """A pattern for a character as it is, as JSON may escape it, and as forms and addresses do; for any case."""
    utf16, utf8 = char.encode("utf-16-be", "surrogatepass"), char.encode("utf-8", "surrogatepass")
    escaped = "".join(rf"\\u{utf16[at : at + 2].hex()}" for at in range(0, len(utf16), 2))
    quoted = "".join(f"%{byte:02x}" for byte in utf8)
    short = {" ": r"|\+", "\t": r"|\\t", "\n": r"|\\n", "\r": r"|\\r"}.get(char, "")
    return rf"(?:\\?{re.escape(char)}|{escaped}|{quoted}{short})"


def _words(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [word for item in value[:5] for word in _words(item)]
    if not isinstance(value, dict):
        return []
    said = next((words for key in _DETAIL_KEYS if (words := _words(value.get(key)))), [])
    place = [item for item in _list(value.get("loc")) if isinstance(item, str)]
    code = value.get("code")
    prefix = "/".join(place) or (code if isinstance(code, str) else "")
    return [f"{prefix}: {', '.join(said)}"] if prefix and said else said


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
