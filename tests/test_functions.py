"""SQL that both engines spell in their own way means the same on both."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import assume, example, given
from hypothesis import strategies as st

from satcat import times
from satcat.columns import Instant, Text
from satcat.database import Database
from satcat.functions import (
    as_number,
    as_text,
    contains,
    each,
    exactly,
    is_like,
    joined,
    joined_once,
    json_array,
    within,
)  # fmt: skip
from tests.engines import Catalogues

TEXTS = st.text(alphabet=st.sampled_from("aAbS2_.-*?[]^\\%'äß€ \n"), max_size=8)
INSTANTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(
    lambda moment: moment.replace(tzinfo=UTC)
)


@pytest.fixture(scope="module")
def connection(
    catalogues: Catalogues, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sa.Connection]:
    address = catalogues.new(tmp_path_factory.mktemp("functions") / "satcat.db")
    with Database.open(address) as database, database.read() as reading:
        yield reading
    catalogues.drop(address)


def text(value: str | None) -> sa.ColumnElement[Any]:
    return sa.literal(value, Text)


@given(value=TEXTS, pattern=st.text(alphabet=st.sampled_from("aAbS2_.-*?\\%'äß€ \n"), max_size=8))
def test_a_pattern_has_stars_and_question_marks_and_nothing_else(
    connection: sa.Connection, value: str, pattern: str
) -> None:
    found = connection.scalar(sa.select(sa.case((is_like(text(value), pattern), 1), else_=0)))
    assert found == fnmatchcase(value, pattern)


@given(text_=st.text(alphabet=st.sampled_from("0123456789.+-eE x"), max_size=12) | st.none())
@example("1e5x").via("an exponent")
@example("12.50e+2").via("an exponent")
@example(" -.5").via("what is no digit first")
@example("1e").via("no exponent")
def test_a_text_is_the_number_that_it_begins_with(
    connection: sa.Connection, text_: str | None
) -> None:
    assume(not re.search(r"[eE][-+]?\d{3}", text_ or ""))  # beyond what any version says
    found = connection.scalar(sa.select(as_number(text(text_))))
    with closing(sqlite3.connect(":memory:")) as plain:
        (expected,) = plain.execute("SELECT CAST(? AS REAL)", [text_]).fetchone()
    assert found == expected


@given(digits=st.text(alphabet="0123456789ab", min_size=3, max_size=3))
def test_a_pattern_may_ask_for_digits(connection: sa.Connection, digits: str) -> None:
    like = is_like(text(f"_{digits}_x"), "_" + "[0-9]" * 3 + "_*")
    assert connection.scalar(sa.select(sa.case((like, 1), else_=0))) == digits.isdigit()


@given(value=TEXTS, part=TEXTS)
def test_a_text_contains_another_to_the_letter(
    connection: sa.Connection, value: str, part: str
) -> None:
    found = connection.scalar(sa.select(sa.case((contains(text(value), part), 1), else_=0)))
    assert found == (part in value)


@given(
    values=st.lists(TEXTS, max_size=5), numbers=st.lists(st.integers(-(2**62), 2**62), max_size=5)
)
def test_each_of_some_values_is_a_row(
    connection: sa.Connection, values: list[str], numbers: list[int]
) -> None:
    assert sorted(connection.scalars(each(values))) == sorted(values)
    column = sa.column("number", sa.BigInteger())
    assert sorted(connection.scalars(each(numbers, column))) == sorted(numbers)


@given(moment=INSTANTS)
def test_an_instant_as_text_is_its_stored_form(connection: sa.Connection, moment: datetime) -> None:
    found = connection.scalar(sa.select(as_text(sa.literal(moment, Instant))))
    assert found == times.to_text(moment)


@given(moment=INSTANTS, length=st.sampled_from([4, 7, 10]), period=INSTANTS)
def test_an_instant_is_within_the_period_that_its_text_begins_with(
    connection: sa.Connection, moment: datetime, length: int, period: datetime
) -> None:
    for named in (times.to_text(moment)[:length], times.to_text(period)[:length]):
        inside = within(sa.literal(moment, Instant), text(named))
        found = connection.scalar(sa.select(sa.case((inside, 1), else_=0)))
        assert found == times.to_text(moment).startswith(named)


@given(number=st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300))
def test_a_number_keeps_all_its_digits_as_text(connection: sa.Connection, number: float) -> None:
    said = connection.scalar(sa.select(exactly(sa.literal(number, sa.Double()))))
    assert said is not None
    assert float(said) == number


def test_what_is_unknown_stays_unknown(connection: sa.Connection) -> None:
    nothing = sa.literal(None, sa.Double())
    assert connection.scalar(sa.select(exactly(nothing))) is None
    assert connection.scalar(sa.select(as_text(sa.literal(None, Instant)))) is None
    none = sa.select(text("x").label("x")).where(sa.false()).subquery()
    assert connection.scalar(sa.select(joined(none.c.x, ""))) is None


def test_texts_are_joined_and_values_are_one_array(connection: sa.Connection) -> None:
    some = sa.union_all(*(sa.select(text(value).label("x")) for value in "abb")).subquery()
    assert sorted(connection.scalar(sa.select(joined(some.c.x, ""))) or "") == ["a", "b", "b"]
    once = connection.scalar(sa.select(joined_once(some.c.x))) or ""
    assert sorted(once.split(",")) == ["a", "b"]
    said = connection.scalar(
        sa.select(json_array(sa.func.count(), sa.null(), sa.func.max(some.c.x)))
    )
    assert (said or "").replace(" ", "") == '[3,null,"b"]'
