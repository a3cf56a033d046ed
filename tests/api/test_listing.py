"""The walk through a listing, against a small server in memory that behaves as CDSE does: pages of 4, skips up to 12."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from satcat.api import listing
from satcat.api.base import Page, Reject
from satcat.api.listing import Batch, Entry, Request, Walk
from satcat.errors import ListingTooDenseError, MalformedResponseError
from satcat.times import Interval

PAGE, MAX_SKIP = 4, 12
START = datetime(2024, 6, 1, tzinfo=UTC)


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


@dataclass
class Server:
    """Rows as id -> (sensing, publication), both in seconds; `before` runs ahead of each answer."""

    rows: dict[str, tuple[int, int]]
    before: Callable[[Server], None] = lambda server: None
    requests: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> Batch[str]:
        self.before(self)
        self.requests.append(request)
        assert request.skip <= MAX_SKIP
        found = sorted(
            (at(dates[request.key == "published"]), id)
            for id, dates in self.rows.items()
            if at(dates[request.key == "published"]) in request.interval
            and all(at(dates[key == "published"]) == moment for key, moment in request.instants)
        )
        shown = found[request.skip : request.skip + PAGE]
        following = request.skip + PAGE
        more = len(shown) == PAGE or (following < len(found) and following <= MAX_SKIP)
        batch = Batch(
            [Entry(id, moment, id) for moment, id in shown], more,
            count=len(found) if request.count else None,
        )  # fmt: skip
        listing.check(request, batch, "here")
        return batch

    def walk(self, interval: Interval | None = None, **options: bool) -> Walk[str]:
        return Walk(
            self, "here", key="sensed", other="published",
            interval=interval or Interval(), max_skip=MAX_SKIP, **options,
        )  # fmt: skip

    def ids(self, **options: bool) -> list[str]:
        return [id for page in self.walk(**options).pages() for id in page.rows]


rows = st.dictionaries(
    st.text("abcdef0123456789", min_size=1, max_size=4),
    st.tuples(st.integers(0, 3) | st.integers(0, 30), st.integers(0, 60)),
    max_size=60,
)


@given(rows)
def test_every_row_comes_exactly_once_and_in_order(content: dict[str, tuple[int, int]]) -> None:
    found = Server(content).ids()
    assert sorted(found) == sorted(content)
    seconds = [content[id][0] for id in found]
    assert seconds == sorted(seconds)


@given(rows, st.integers(0, 30), st.integers(1, 10))
def test_an_interval_is_respected(
    content: dict[str, tuple[int, int]], start: int, length: int
) -> None:
    pages = list(Server(content).walk(Interval(at(start), at(start + length))).pages())
    found = [id for page in pages for id in page.rows]
    assert sorted(found) == sorted(
        id for id, (sensed, _) in content.items() if start <= sensed < start + length
    )
    assert [page.last for page in pages] == [False] * (len(pages) - 1) + [True]


change = st.tuples(
    st.sampled_from(["add", "remove", "move"]),
    st.text("abcdef0123456789", min_size=1, max_size=4),
    st.tuples(st.integers(0, 3) | st.integers(0, 30), st.integers(0, 60)),
)


@settings(max_examples=300)
@given(rows, st.lists(st.lists(change, max_size=3), max_size=30), st.booleans())
def test_what_stays_unchanged_comes_exactly_once_whatever_else_happens(
    content: dict[str, tuple[int, int]],
    script: list[list[tuple[str, str, tuple[int, int]]]],
    remember: bool,
) -> None:
    touched: set[str] = set()
    steps = iter(script)

    def mutate(server: Server) -> None:
        for what, id, dates in next(steps, []):
            touched.add(id)
            if what == "remove":
                server.rows.pop(id, None)
            elif what == "add" or id in server.rows:
                server.rows[id] = dates

    before = dict(content)
    found = Server(dict(content), before=mutate).ids(remember=remember)
    for id in before.keys() - touched:
        assert found.count(id) == 1
    if remember:
        assert len(found) == len(set(found))


@given(rows)
def test_what_is_before_the_position_has_been_listed(content: dict[str, tuple[int, int]]) -> None:
    found: set[str] = set()
    for page in Server(content).walk().pages():
        found |= set(page.rows)
        if page.position is not None:
            due = {id for id, (sensed, _) in content.items() if at(sensed) < page.position}
            assert due <= found
    assert found == content.keys()


def test_one_instant_that_fills_pages_is_skipped_through_with_overlap() -> None:
    server = Server({f"{n:02d}": (5, n) for n in range(13)})
    assert server.ids() == [f"{n:02d}" for n in range(13)]
    assert [request.skip for request in server.requests] == [0, 3, 6, 9, 12]
    assert server.requests[-1].interval.start == at(5)


def test_what_follows_an_instant_that_filled_pages_comes_with_its_last_page() -> None:
    """No request is spent on finding out that the instant is over."""
    server = Server(
        {f"{n:02d}": (5, n) for n in range(9)} | {f"later{n}": (6, n) for n in range(3)}
    )
    assert len(server.ids()) == 12
    assert [request.skip for request in server.requests] == [0, 3, 6, 0]
    assert server.requests[-1].interval.start == at(6)


def test_a_page_of_one_row_that_says_there_is_more_of_its_instant_leads_nowhere() -> None:
    walk = Walk(
        lambda _: Batch([Entry("a", at(1), "a")], more=True),
        "here", key="sensed", other="published", interval=Interval(),
    )  # fmt: skip
    with pytest.raises(MalformedResponseError, match="leads nowhere"):
        list(walk.pages())


def test_an_instant_too_dense_to_skip_through_is_cut_by_the_other_date() -> None:
    server = Server({f"{n:03d}": (5, n // 3) for n in range(100)} | {"later": (6, 0)})
    found = server.ids()
    assert sorted(found) == sorted(server.rows) and len(found) == 101
    assert max(request.skip for request in server.requests) == 12
    assert any(request.key == "published" and request.instants for request in server.requests)


def test_an_instant_too_dense_by_both_dates_is_an_error_that_names_it() -> None:
    server = Server({f"{n:03d}": (5, 7) for n in range(100)})
    with pytest.raises(ListingTooDenseError, match="2024-06-01T00:00:05"):
        server.ids()


def test_rows_that_shift_within_an_instant_start_it_again() -> None:
    def delete_one(server: Server) -> None:
        if len(server.requests) == 2:
            del server.rows["01"]

    server = Server({f"{n:02d}": (5, n) for n in range(12)}, before=delete_one)
    assert sorted(server.ids()) == [f"{n:02d}" for n in range(12)]
    assert [request.skip for request in server.requests][:4] == [0, 3, 6, 0]


def test_an_instant_that_never_comes_to_rest_is_an_error() -> None:
    def delete_first(server: Server) -> None:
        if server.requests and server.rows:
            del server.rows[min(server.rows)]

    server = Server({f"{n:03d}": (5, n) for n in range(200)}, before=delete_first)
    with pytest.raises(MalformedResponseError, match="shift again and again"):
        server.ids()


def test_a_count_is_asked_for_once() -> None:
    server = Server({f"{n:02d}": (n, n) for n in range(20)})
    pages = list(server.walk(count=True).pages())
    assert [page.count for page in pages] == [20] + [None] * (len(pages) - 1)
    assert [request.count for request in server.requests] == [True] + [False] * (len(pages) - 1)


def test_the_empty_listing_is_one_last_page() -> None:
    assert list(Server({}).walk().pages()) == [Page([], last=True)]


def test_memory_stays_flat_when_rows_need_not_be_remembered() -> None:
    server = Server({f"{n:04d}": (n, n) for n in range(2000)})
    walk = server.walk()
    assert sum(len(page.rows) for page in walk.pages()) == 2000
    assert len(walk._given) <= 2 * PAGE


def entry(id: str, second: int | None) -> Entry[str]:
    return Entry(id, None if second is None else at(second), id)


@pytest.mark.parametrize(
    ("request_", "batch", "words"),
    [
        (Request("sensed"), Batch([entry("a", 2), entry("b", 1)], more=False), "out of order"),
        (Request("sensed"), Batch([entry("a", 1), entry("a", 1)], more=False), "twice"),
        (Request("sensed", Interval(at(2), at(4))), Batch([entry("a", 1)], more=False), "outside"),
        (Request("sensed", Interval(at(2), at(4))), Batch([entry("a", 4)], more=False), "outside"),
        (Request("sensed"), Batch([], more=True), "leads nowhere"),
        (Request("sensed"), Batch([entry("a", None)], more=True), "leads nowhere"),
    ],
)
def test_a_page_that_cannot_be_true_is_refused(
    request_: Request, batch: Batch[str], words: str
) -> None:
    with pytest.raises(MalformedResponseError, match=words):
        listing.check(request_, batch, "here")


def test_a_record_without_a_date_stands_in_no_order() -> None:
    batch = Batch([entry("a", 1), entry("x", None), entry("b", 2)], more=True)
    listing.check(Request("sensed", Interval(at(1), at(4))), batch, "here")
    assert batch.keys == [at(1), at(2)]


def test_a_record_that_is_no_row_comes_as_a_reject_once() -> None:
    reject = Reject("{}", "it has no usable Id")
    answers = iter([
        Batch([Entry("r", None, reject), Entry("a", at(1), "a")], more=True),
        Batch([Entry("r", None, reject), Entry("a", at(1), "a"), Entry("b", at(2), "b")], more=False),
        Batch([Entry("r", None, reject), Entry("a", at(1), "a"), Entry("b", at(2), "b")], more=False),
    ])  # fmt: skip
    walk = Walk(
        lambda request: next(answers), "here", key="sensed", other="published", interval=Interval()
    )
    pages = list(walk.pages())
    assert [reject for page in pages for reject in page.rejects] == [reject]
    assert [row for page in pages for row in page.rows] == ["a", "b"]


def test_a_short_page_that_names_a_next_one_is_not_the_end() -> None:
    def shorten(request: Request) -> Batch[str]:
        whole = server(request)
        return Batch(whole.entries[:2], more=len(whole.entries) > 2)

    server = Server({f"{n:02d}": (n // 3, n) for n in range(30)})
    walk = Walk(
        shorten, "here", key="sensed", other="published", interval=Interval(), max_skip=MAX_SKIP
    )
    assert [row for page in walk.pages() for row in page.rows] == sorted(server.rows)
