"""From a file to a server and back: what either engine holds, the other gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from satcat import integrity
from satcat.copying import writing
from satcat.copying.comparing import compare
from satcat.copying.rows import Row, Shape
from satcat.database import Database
from satcat.errors import (
    CatalogueError,
    CatalogueUnfinishedError,
    CatalogueUnreachableError,
    FilterError,
)
from satcat.models import products
from satcat.products import SatelliteImage
from satcat.sync import store
from tests.copying.conftest import (
    MOMENT,
    assert_equal,
    copied,
    dump,
    fill,
    findings,
    keep_few_tiles,
)
from tests.copying.dying import copy_and_die
from tests.engines import Catalogues, Files, plainly
from tests.postgres import Server

Make = Callable[[str], str]


@pytest.fixture(scope="module")
def both(
    postgres: Server, template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Make]:
    """Make a catalogue with few tiles on this engine; it stays until the module is done."""
    engines: dict[str, Catalogues] = {"sqlite": Files(template), "postgresql": postgres}
    folder = tmp_path_factory.mktemp("across")
    small: dict[str, str] = {}
    made: list[tuple[Catalogues, str]] = []

    def make(engine: str) -> str:
        made.append(
            (engines[engine], engines[engine].new(folder / f"{len(made)}.db", small.get(engine)))
        )
        if engine not in small:
            small[engine] = made[-1][1]
            keep_few_tiles(small[engine])
            return make(engine)
        return made[-1][1]

    yield make
    for catalogues, address in made:
        catalogues.drop(address)


@pytest.fixture(scope="module")
def filled(both: Make) -> dict[str, str]:
    """A catalogue with something of everything on either engine."""
    made = {engine: both(engine) for engine in ("sqlite", "postgresql")}
    for address in made.values():
        fill(address)
    return made


OTHER = {"sqlite": "postgresql", "postgresql": "sqlite"}
from_either = pytest.mark.parametrize("engine", OTHER)


@from_either
def test_there_and_back_nothing_is_lost(both: Make, filled: dict[str, str], engine: str) -> None:
    there, back = both(OTHER[engine]), both(engine)
    first = copied(filled[engine], there)
    second = copied(there, back)
    assert [str(t.target) for t in first.tables] == [str(t.source) for t in second.tables]
    assert_equal(filled[engine], there)
    assert_equal(filled[engine], back)
    assert not findings(there)
    with Database.open(filled[engine]) as left, Database.open(there) as right:
        assert all(each.equal for each in compare(left, right))


@from_either
def test_the_other_engine_goes_on_numbering_above_all_numbers_ever_given(
    both: Make, filled: dict[str, str], engine: str, make_product: Callable[..., SatelliteImage]
) -> None:
    target = both(OTHER[engine])
    copied(filled[engine], target)
    ever = plainly(filled[engine], "SELECT max(pk) FROM products")[0][0]
    with Database.open(target) as opened, opened.write() as connection:
        store.store(connection, [make_product()], scope_id=1, at=MOMENT)
        assert (connection.scalar(sa.select(sa.func.max(products.c.pk))) or 0) > ever
        assert list(integrity.check(connection)) == []


def test_a_server_knows_at_once_what_it_holds(both: Make, filled: dict[str, str]) -> None:
    target = both("postgresql")
    copied(filled["sqlite"], target)
    ((estimate,),) = plainly(
        target, "SELECT reltuples::integer FROM pg_class WHERE relname = 'products'"
    )
    assert [(estimate,)] == plainly(target, "SELECT count(*) FROM products")


def test_a_copy_whose_server_session_is_ended_says_so_and_is_finished_by_the_same_command(
    both: Make, filled: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = both("postgresql")
    insert = writing.insert

    def insert_and_lose(connection: sa.Connection, shape: Shape, piece: Sequence[Row]) -> None:
        if shape.table is products:
            pid = connection.scalar(sa.select(sa.func.pg_backend_pid()))
            plainly(target, f"SELECT pg_terminate_backend({pid})")
        insert(connection, shape, piece)

    monkeypatch.setattr(writing, "insert", insert_and_lose)
    with pytest.raises(CatalogueUnreachableError):
        copied(filled["sqlite"], target)
    monkeypatch.undo()
    copied(filled["sqlite"], target)
    assert_equal(filled["sqlite"], target)


@from_either
def test_a_copy_to_the_other_engine_that_was_killed_is_finished_by_the_same_command(
    both: Make, filled: dict[str, str], engine: str
) -> None:
    target = both(OTHER[engine])
    for nth in (2, 2, 3):  # what an earlier one wrote is passed over
        killed = copy_and_die(filled[engine], target, kill_at="products", nth=nth, piece_rows=10)
        assert killed == -9
    with pytest.raises(CatalogueUnfinishedError):
        Database.open(target)
    copied(filled[engine], target)
    assert_equal(filled[engine], target)


UNKEEPABLE = {
    "a zero byte in a name": ("name", "a\0b"),
    "a zero byte in JSON": ("attributes", '{"a": "\\u0000"}'),
    "a number of more than 32 bits": ("relative_orbit", 2**31),
    "bytes that are no geometry": ("footprint", b"\x01\x02"),
    "a name too long for an index": ("name", "".join(chr(33 + k * k % 8000) for k in range(9000))),
}


@pytest.mark.parametrize(("column", "value"), UNKEEPABLE.values(), ids=UNKEEPABLE)
def test_what_postgresql_cannot_keep_is_named_and_the_copy_goes_on_when_it_is_mended(
    both: Make, column: str, value: object
) -> None:
    source, target = both("sqlite"), both("postgresql")
    insert = (
        "INSERT INTO products (id, source, name, collection, sensing_start, content_hash, first_seen_at, changed_at)"
        " VALUES (?, 'cdse', 'n', 'c', '2024-06-01T00:00:00.000000Z', '', '2024-06-01T00:00:00.000000Z', '2024-06-01T00:00:00.000000Z')"
    )
    for each in "abc":
        plainly(source, insert, values=[each])
    right = plainly(source, f"SELECT {column} FROM products WHERE pk = 2")[0]
    plainly(source, f"UPDATE products SET {column} = ? WHERE pk = 2", values=[value])
    with pytest.raises(
        CatalogueError, match="the row of products with pk 2 cannot be copied"
    ) as told:
        copied(source, target)
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 400
    plainly(source, f"UPDATE products SET {column} = ? WHERE pk = 2", values=right)
    copied(source, target)
    assert_equal(source, target)


def test_two_ways_to_one_database_are_one_catalogue(filled: dict[str, str]) -> None:
    address = filled["postgresql"]
    before = dump(address)
    other = address.replace("postgresql+psycopg", "postgresql") + "&application_name=other"
    with pytest.raises(FilterError, match="itself"):
        copied(address, other)
    assert dump(address) == before
