"""Digests differ if, and only if, a row differs; pieces fit in memory whatever the rows hold."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satcat.copying import rows
from satcat.copying.rows import Digest, Shape, pieces
from satcat.models import products, sync_cursors

VALUES = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
    | st.text() | st.binary()
)  # fmt: skip
ROWS = st.lists(st.tuples(VALUES, VALUES), max_size=6)


def digest_of(table: list[tuple[Any, ...]]) -> Digest:
    made = Digest()
    for row in table:
        made.add(row)
    return made


def spelt(table: list[tuple[Any, ...]]) -> str:
    """What tells 1 from True and 1.0."""
    return repr(table)


@given(ROWS, ROWS)
def test_digests_are_alike_if_and_only_if_the_rows_are(
    one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]
) -> None:
    assert (digest_of(one) == digest_of(other)) == (spelt(one) == spelt(other))
    assert (str(digest_of(one)) == str(digest_of(other))) == (spelt(one) == spelt(other))


@given(ROWS.filter(bool), st.data())
def test_a_digest_shows_any_change_of_one_value(
    table: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(table) - 1))
    place = data.draw(st.integers(0, 1))
    value = data.draw(VALUES)
    row = list(table[at])
    row[place] = value
    changed = [*table[:at], tuple(row), *table[at + 1 :]]
    assert (digest_of(table) == digest_of(changed)) == (spelt(table) == spelt(changed))


@given(ROWS, st.data())
def test_a_digest_shows_rows_that_are_missing_twice_there_or_in_another_order(
    table: list[tuple[Any, ...]], data: st.DataObject
) -> None:
    other = data.draw(st.permutations(table)) + data.draw(st.lists(st.sampled_from(table or [()])))
    assert (digest_of(table) == digest_of(other)) == (spelt(table) == spelt(other))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**300), 10**300) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def as_postgresql_prints(value: Any) -> str:
    """JSON as jsonb gives it back: sorted by length of the keys, numbers as decimals with all their digits."""
    from decimal import Decimal

    if isinstance(value, dict):
        items = sorted(value.items(), key=lambda item: (len(item[0].encode()), item[0].encode()))
        inside = (f"{json.dumps(k)}: {as_postgresql_prints(v)}" for k, v in items)
        return "{" + ", ".join(inside) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_postgresql_prints, value)) + "]"
    if isinstance(value, float):
        return f"{Decimal(repr(value)) + 0:f}" if value else "0.0"
    return json.dumps(value)


@given(st.dictionaries(st.text(), JSON, max_size=4))
def test_json_is_canonical_whichever_database_printed_it(value: dict[str, Any]) -> None:
    canonical = rows._json(json.dumps(value))
    assert canonical == rows._json(json.dumps(value, ensure_ascii=False, indent=1))
    assert canonical == rows._json(as_postgresql_prints(value))
    assert canonical == rows._json(canonical)
    assert rounded(json.loads(canonical)) == rounded(value)


def rounded(value: Any) -> Any:
    """With every number as the float that it is, or is next to."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return float(value) if type(value) is int else value


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_of_64_bits_keep_every_digit(number: int) -> None:
    assert rows._json(f"[{number}]") == f"[{number}]"


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-840, 840))
def test_instants_are_canonical_however_they_come(moment: datetime, minutes: int) -> None:
    stored = rows._instant(moment)
    assert rows._instant(stored) == stored
    assert datetime.fromisoformat(stored) == moment
    try:
        elsewhere = moment.astimezone(timezone(timedelta(minutes=minutes)))
    except OverflowError:
        return
    assert rows._instant(elsewhere) == stored


def test_pieces_are_cut_by_rows_and_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "PIECE_ROWS", 4)
    monkeypatch.setattr(rows, "PIECE_BYTES", 1000)
    table = [(n, "x" * (900 if n in (5, 6) else 1)) for n in range(12)]
    made = Digest()
    cut = list(pieces(iter(table), made))
    assert [row for piece in cut for row in piece] == table
    assert [len(piece) for piece in cut] == [4, 3, 4, 1]
    assert made == digest_of(table)
    assert made.rows == 12


def test_rows_are_asked_for_only_when_their_piece_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "PIECE_ROWS", 3)
    asked = []
    endless = (asked.append(n) or (n,) for n in iter(int, 1))
    next(pieces(endless, Digest()))
    assert len(asked) == 3


def test_a_row_is_named_by_its_key() -> None:
    assert Shape(sync_cursors).name((1, 0, "deletion", "2024")) == (
        "the row of sync_cursors with scope_id 1, slice 0, feed deletion"
    )
    assert Shape(products).key(tuple(range(40))) == (0,)
