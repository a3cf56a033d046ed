"""Errors, clocks and JSON of HTTP answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satcat.api import answers
from satcat.errors import (
    MalformedResponseError,
    RateLimitedError,
    RequestRejectedError,
    SourceError,
    SourceUnavailableError,
)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Sat, 01 Jun 2024 10:00:00 GMT", datetime(2024, 6, 1, 10, tzinfo=UTC)),
        ("Sat, 01 Jun 2024 12:00:00 +0200", datetime(2024, 6, 1, 10, tzinfo=UTC)),
        ("Sat, 01 Jun 2024 10:00:00 -0000", datetime(2024, 6, 1, 10, tzinfo=UTC)),
        ("yesterday", None), ("", None), (None, None), ("Sat, 99 Jun 99999 10:00:00 GMT", None),
    ],
)  # fmt: skip
def test_http_dates_become_utc(text: str | None, moment: datetime | None) -> None:
    assert answers.http_date(text) == moment


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0), ({"Retry-After": "1.5"}, 1.5), ({"Retry-After": "-3"}, 0.0), ({}, None),
        ({"Retry-After": "soon"}, None), ({"Retry-After": "inf"}, None), ({"Retry-After": "nan"}, None),
        ({"Retry-After": "Sat, 01 Jun 2024 10:01:00 GMT", "Date": "Sat, 01 Jun 2024 10:00:00 GMT"}, 60.0),
        ({"Retry-After": "Sat, 01 Jun 2024 09:00:00 GMT", "Date": "Sat, 01 Jun 2024 10:00:00 GMT"}, 0.0),
    ],
)  # fmt: skip
def test_retry_after_is_a_number_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert answers.retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind"),
    [
        (200, {}, b"", None), (206, {}, b"", None), (204, {}, b"", MalformedResponseError),
        (302, {}, b"", MalformedResponseError), (400, {}, b"", RequestRejectedError),
        (404, {}, b'{"detail":"no"}', RequestRejectedError), (404, {}, b"", RequestRejectedError),
        (404, {}, b" <html>", MalformedResponseError), (429, {}, b"", RateLimitedError),
        (500, {}, b"", SourceUnavailableError), (503, {}, b"", SourceUnavailableError),
        (503, {"Retry-After": "3"}, b"", RateLimitedError),
    ],
)  # fmt: skip
def test_each_status_has_its_error(
    status: int, headers: dict[str, str], body: bytes, kind: type[SourceError] | None
) -> None:
    error = answers.error_of("here", status, headers, body)
    assert type(error) is (type(None) if kind is None else kind)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"detail": "no such field"}, "no such field"),
        ({"detail": {"message": "unknown id", "request_id": "x"}}, "unknown id"),
        (
            {"detail": [{"loc": ["query", "$skip"], "msg": "should be less", "input": "10001"}]},
            "query/$skip: should be less",
        ),
        (
            {"detail": {"ErrorMessage": "Validation error.", "ErrorCode": 400, "RequestID": "x"}},
            "Validation error.",
        ),
        ({"code": "DAT-ZIP-100", "message": "Max session number exceeded"}, "DAT-ZIP-100: Max session number exceeded"),
        ({"error": "invalid_grant", "error_description": "Invalid user credentials"}, "Invalid user credentials"),
        ({"detail": []}, "no reason given"),
        ([], "no reason given"),
    ],
)  # fmt: skip
def test_the_useful_part_of_an_error_is_found(body: object, words: str) -> None:
    assert answers.detail(json.dumps(body).encode()) == words


def test_recorded_errors_have_words(recorded: Path) -> None:
    for path in (recorded / "errors").glob("*.json"):
        for item in json.loads(path.read_text()):
            words = answers.detail(json.dumps(item["body"]).encode())
            assert words and words != "no reason given" and "\n" not in words


@given(st.binary(max_size=2000))
def test_any_error_body_is_one_short_line(body: bytes) -> None:
    line = answers.detail(body)
    assert 0 < len(line) <= 300
    assert line.isprintable()


@pytest.mark.parametrize(
    "body", [b"", b"<html></html>", b'{"value":[', b"\xff\xfe\x00", b"[" * 200_000]
)
def test_a_body_that_is_no_json_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedResponseError):
        answers.parse_json("here", body)


def test_a_number_of_thousands_of_digits_spoils_nothing_else() -> None:
    body = b'{"value": [{"Id": "a", "ContentLength": ' + b"9" * 5000 + b'}, {"Id": "b", "n": 7}]}'
    first, second = answers.parse_json("there", body)["value"]
    assert first["ContentLength"] == "9" * 5000
    assert second == {"Id": "b", "n": 7}
