"""What a list of words means: ids, names, beginnings of ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from satcat import select
from satcat.columns import utc_now
from satcat.database import Database
from satcat.downloads import marks, wanted
from satcat.downloads.marks import Changed, Marked
from satcat.errors import FilterError
from satcat.models import deleted_products, downloads, products
from tests.engines import PLAN

STEM = "S2B_MSIL2A_20240604T110619_N0510_R137_T30TWM_20240604T125003"
IDS = ["aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002",
       "bbbbbbbb-0000-4000-8000-000000000003", "cccccccc-0000-4000-8000-000000000004"]  # fmt: skip
NAMES = [f"{STEM}.SAFE", f"{STEM}_COG.SAFE", "S5P_OFFL_L2__NO2.nc", "S5P_OFFL_L2__NO2.nc"]


@pytest.fixture
def four(database: Database, add_products: Callable[..., None]) -> None:
    add_products(*({"id": id, "name": name} for id, name in zip(IDS, NAMES, strict=True)))


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        (IDS[0], [0]), (f" {IDS[0]} ", [0]), (STEM, [0]), (f"{STEM}.SAFE", [0]), (f"{STEM}.zip", [0]),
        (f"{STEM}.SAFE.zip", [0]), (f"{STEM}_COG", [1]), ("S5P_OFFL_L2__NO2.nc", [2, 3]), ("bbbbbbbb", [2]),
        (IDS[0][:-1], None), ("aaaaaaaa", None), ("bbbbbbb", []), (STEM[:-1], []), (".SAFE", []), ("%", []),
        ("x' OR '1'='1", []),
    ],
)  # fmt: skip
def test_a_word_means_what_show_takes_it_for(
    database: Database, four: None, word: str, meant: list[int] | None
) -> None:
    with database.read() as connection:
        found = wanted.in_catalogue(connection, [word])
        if meant is None:
            assert found == wanted.Wanted([], [], [word])
            with pytest.raises(FilterError, match="several"):
                select.find(connection, word)
        else:
            assert found == wanted.Wanted([IDS[n] for n in meant], [] if meant else [word], [])
            assert sorted(p.id for p in select.find(connection, word)) == found.ids


WORDS = st.sampled_from([*IDS, *NAMES, *(id[:n] for id in IDS for n in (6, 8, 20, 35))]) | st.text()


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(words=st.lists(WORDS, max_size=30))
def test_a_list_means_what_its_words_mean_one_by_one(
    database: Database, four: None, words: list[str]
) -> None:
    with database.read() as connection:
        found = wanted.in_catalogue(connection, words)
        expected: list[str] = []
        for word in filter(None, map(str.strip, words)):
            try:
                ids = sorted(p.id for p in select.find(connection, word))
                assert bool(ids) == (word not in found.unknown)
            except FilterError:
                assert word in found.ambiguous
                continue
            expected += ids
        assert found.ids == list(dict.fromkeys(expected))


def test_words_that_mean_nothing_are_named_and_the_others_are_marked(
    database: Database, four: None
) -> None:
    with database.write() as connection:
        marked = marks.mark(connection, ["nothing", STEM, "aaaaaaaa", IDS[0], "bbbbbbbb"])
        assert (marked.new, marked.unknown, marked.ambiguous) == (2, ("nothing",), ("aaaaaaaa",))
        assert marks.preview(connection, ["S5P_OFFL_L2__NO2", "?"]) == Marked(
            new=1, already=1, bytes_total=1000, unknown=("?",)
        )


def test_rows_whose_products_are_gone_are_still_called_by_their_names(
    database: Database, four: None
) -> None:
    with database.write() as connection:
        marks.mark(connection, IDS)
        _delete(connection, IDS[0], tombstone=True)
        _delete(connection, IDS[2], tombstone=False)
        gone = wanted.in_queue(connection, [STEM, "bbbbbbbb", "S5P_OFFL_L2__NO2"])
        assert gone == wanted.Wanted([IDS[0], IDS[2], IDS[3]], [], [])
        odd = ["a\x00b", "\udcff\udcfe"]  # as a terminal or a file may hold it
        assert wanted.in_queue(connection, odd) == wanted.Wanted([], odd, [])
        assert [select.find(connection, word) for word in odd] == [[], []]
        assert marks.mark(connection, [STEM]).unknown == (STEM,)
        assert marks.retry(connection, [STEM, "nothing"]) == Changed(0, ("nothing",))
        assert marks.unmark(connection, [STEM, "bbbbbbbb", "nothing"]) == Changed(2, ("nothing",))
        assert set(connection.scalars(sa.select(downloads.c.product_id))) == {IDS[1], IDS[3]}


def test_a_list_of_a_hundred_thousand_lines_takes_few_statements(
    database: Database, four: None
) -> None:
    statements = 0

    @sa.event.listens_for(database.engine, "before_cursor_execute")
    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    def stream() -> Iterator[str]:
        yield from (f"S2A_MSIL2A_{n}.SAFE" for n in range(100_000))
        yield STEM

    with database.read() as connection:
        found = wanted.in_catalogue(connection, stream())
        assert (found.ids, len(found.unknown)) == ([IDS[0]], 100_000)
        assert statements < 350


@PLAN
def test_names_are_looked_up_in_the_index(database: Database) -> None:
    with database.read() as connection:
        plan = "\n".join(row[3] for row in connection.exec_driver_sql(
            "EXPLAIN QUERY PLAN WITH g(t) AS (VALUES ('a'), ('b')) SELECT id FROM g JOIN products p "
            "ON p.name = g.t OR (p.name >= g.t || '.' AND p.name < g.t || '/')"
        ))  # fmt: skip
    assert "SCAN p" not in plan


def _delete(connection: Connection, id: str, *, tombstone: bool) -> None:
    name = connection.scalar(sa.select(products.c.name).where(products.c.id == id))
    connection.execute(sa.delete(products).where(products.c.id == id))
    if tombstone:
        connection.execute(
            sa.insert(deleted_products).values(
                id=id, name=name, kind="deleted", noticed_at=utc_now()
            )
        )
