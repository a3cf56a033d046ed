"""The sandbox's own log."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from satcat.sandbox import Log, Request, Sandbox


def request(started: float, ended: float | None, path: str = "/x") -> Request:
    return Request("GET", path, {}, "", False, None, started, 200, ended)


def test_a_request_is_noted_with_what_came_with_it(sandbox: Sandbox, client: Any) -> None:
    client.session.headers["User-Agent"] = "tester/1"
    client.products(filter="contains(Name,'_T30TWM_')", expand=["Attributes", "Assets"], top=5)
    client.download("Products(x)/$value", token="secret-token")
    first, second = sandbox.log
    assert first.path == "/odata/v1/Products"
    assert first.query == {
        "$filter": "contains(Name,'_T30TWM_')", "$expand": "Attributes,Assets", "$top": "5",
    }  # fmt: skip
    assert (first.method, first.user_agent, first.status) == ("GET", "tester/1", 200)
    assert (first.authorised, second.authorised) == (False, True)
    assert first.ended is not None
    assert first.started <= first.ended <= second.started
    assert "secret-token" not in repr(sandbox.log)
    assert sandbox.log.matching("Attributes,Assets") == [first]
    sandbox.log.clear()
    assert len(sandbox.log) == 0


def test_requests_one_after_the_other_are_never_at_once(sandbox: Sandbox, client: Any) -> None:
    for _ in range(50):
        client.products()
    assert sandbox.log.max_concurrent == 1


@given(st.lists(st.tuples(st.integers(0, 20), st.none() | st.integers(0, 20)), max_size=12))
def test_the_peak_is_the_most_at_one_instant(spans: list[tuple[int, int | None]]) -> None:
    log = Log()
    taken = [(start, None if length is None else start + length + 1) for start, length in spans]
    for start, end in taken:
        log.append(request(start, end))
    expected = max(
        (sum(s <= t and (e is None or t < e) for s, e in taken) for t in range(42)), default=0
    )
    assert log.max_concurrent == expected


def test_a_peak_can_be_had_of_some_requests() -> None:
    log = Log()
    for path in ("/a", "/a", "/b"):
        log.append(request(0, 5, path))
    assert (log.peak("/a"), log.peak("/b"), log.peak("/c")) == (2, 1, 0)
