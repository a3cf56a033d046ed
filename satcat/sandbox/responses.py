"""What goes back over the wire, and refusals as they were recorded or documented."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Response:
    """One answer: a body at hand, or a stream of `length` bytes, sent at `rate` bytes a second.

    `finish` is called once, just before the last byte leaves (or when the client is gone).
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: Iterator[memoryview] | None = None
    length: int | None = None
    finish: Callable[[], None] | None = None
    rate: float | None = None

    def with_headers(self, **headers: str) -> Response:
        """The same with further headers; `_` in a name stands for `-`."""
        return replace(
            self, headers={**self.headers, **{k.replace("_", "-"): v for k, v in headers.items()}}
        )


class Refusal(Exception):  # noqa: N818 - an answer, no fault of the sandbox
    """Raised anywhere in the making of an answer: this is the answer instead."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def as_json(status: int, body: Any) -> Response:
    """An answer in JSON."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(status, text.encode(), {"Content-Type": "application/json"})


def bad_request(message: str) -> Refusal:
    """400 of the catalogue. The real body was never recorded; this is the shape of its 404."""
    return Refusal(as_json(400, _detail(message)))


def not_found(message: str) -> Refusal:
    """404 of the catalogue."""
    return Refusal(as_json(404, _detail(message)))


def invalid(kind: str, place: list[str], message: str, value: str, **context: Any) -> Refusal:
    """422 of the catalogue, in the words of pydantic as recorded for `$skip`."""
    error: dict[str, Any] = {"type": kind, "loc": place, "msg": message, "input": value}
    if context:
        error["ctx"] = context
    return Refusal(as_json(422, {"detail": [error]}))


def zipper(status: int, code: int, message: str) -> Refusal:
    """A refusal of the download host."""
    body = {"trace-id": uuid.uuid4().hex, "code": f"DAT-ZIP-{code}", "message": message}
    return Refusal(as_json(status, body))


def _detail(message: str) -> dict[str, Any]:
    return {"detail": {"message": message, "request_id": str(uuid.uuid4())}}
