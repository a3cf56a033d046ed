"""A catalogue in PostgreSQL works wherever its tables are, whatever roles and other sessions do."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from satcat import ODataAPI, integrity, readonly, select
from satcat.database import Database
from satcat.errors import CatalogueError, CatalogueLockedError, FilterError
from satcat.filters import SearchFilters
from satcat.models import downloads, products, unfinished_copy
from satcat.products import SatelliteImage
from satcat.sandbox import Sandbox
from satcat.sync import store
from satcat.sync.engine import sync
from tests.engines import address_of, plainly
from tests.postgres import Server

Make = Callable[..., SatelliteImage]


@pytest.fixture
def address(postgres: Server, tmp_path: Path) -> Iterator[str]:
    """The URL of a new empty catalogue."""
    made = postgres.new(tmp_path)
    yield made
    postgres.drop(made)


@pytest.fixture
def held(address: str) -> Iterator[Database]:
    """That catalogue, open."""
    with Database.open(address) as database:
        yield database


@pytest.fixture
def bare(postgres: Server) -> Iterator[str]:
    """The URL of a database without anything in it."""
    name = f"bare_{uuid.uuid4().hex[:12]}"
    tell(postgres.url, f"CREATE DATABASE {name} TEMPLATE template0")
    made = postgres.url.set(database=name).render_as_string(hide_password=False)
    yield made
    postgres.drop(made)


@pytest.fixture
def role(postgres: Server) -> Iterator[str]:
    """An administrator's role of one's own."""
    name = f"role_{uuid.uuid4().hex[:12]}"
    tell(postgres.url, f"CREATE ROLE {name} LOGIN SUPERUSER")
    yield name
    tell(postgres.url, f"DROP ROLE {name}")


def tell(url: sa.URL, statement: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)


def put(database: Database, *images: SatelliteImage) -> None:
    with database.write() as connection:
        store.store(connection, images, scope_id=None, at=datetime.now(UTC))


def ids(database: Database) -> list[str]:
    with database.read() as connection:
        return list(select.search(connection, SearchFilters()))


def faults(database: Database) -> list[str]:
    with database.read() as connection:
        return [str(found) for found in integrity.check(connection)]


def within(address: str, path: str) -> str:
    """The address with a search path."""
    url = sa.make_url(address).update_query_dict({"options": f"-csearch_path={path}"})
    return url.render_as_string(hide_password=False)


# Schemas


def test_two_catalogues_in_two_schemas_of_a_database_know_nothing_of_each_other(
    address: str, make_product: Make
) -> None:
    plainly(address, "CREATE SCHEMA other")
    other = within(address, "other,public")
    with Database.open(address) as one, Database.open(other, create=True) as two:
        put(one, make_product(id="one"))
        put(two, make_product(id="two"), make_product(id="three"))
        plainly(address, "DELETE FROM other.products WHERE id = 'three'")
        assert (ids(one), ids(two)) == (["one"], ["two"])
        assert (faults(one), faults(two)) == ([], [])
        with one.syncing("satcat sync"), two.syncing("satcat sync"):
            pass
        with one.write() as connection:
            unfinished_copy.create(connection)
        two.check_finished()
        with pytest.raises(CatalogueError, match="unfinished"):
            one.check_finished()


def test_two_schemas_of_a_new_database_may_be_filled_at_once(bare: str) -> None:
    plainly(bare, "CREATE SCHEMA one; CREATE SCHEMA two")

    def make(path: str) -> list[str]:
        with Database.open(within(bare, path), create=True) as made:
            return faults(made)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(make, ("one", "two"))) == [[], []]


@pytest.mark.parametrize("path", ["public", '"an odd one"'])
def test_the_extensions_may_be_in_a_schema_of_their_own(
    bare: str, make_product: Make, path: str
) -> None:
    plainly(
        bare,
        'CREATE SCHEMA ext; CREATE SCHEMA "an odd one"',
        "CREATE EXTENSION postgis SCHEMA ext; CREATE EXTENSION btree_gist SCHEMA ext",
    )
    with Database.open(within(bare, path.replace(" ", "\\ ")), create=True) as made:
        put(made, make_product(id="a"))
        with made.read() as connection:
            found = select.search(connection, SearchFilters(point=(0.0, 0.0)))
        assert (list(found), ids(made), faults(made)) == ([], ["a"], [])


def test_a_schema_that_is_not_there_is_told_and_no_other_one_taken(address: str) -> None:
    for create in (True, False):
        with pytest.raises(CatalogueError, match="no schema of the search path missing"):
            Database.open(within(address, "missing"), create=create)


def test_whoever_writes_the_counts_are_those_of_the_catalogue(
    address: str, role: str, make_product: Make
) -> None:
    plainly(address, f"CREATE SCHEMA {role}", f"CREATE TABLE {role}.tile_months (nothing integer)")
    theirs = sa.make_url(address).set(username=role).render_as_string(hide_password=False)
    with Database.open(address) as catalogue:
        put(catalogue, make_product(id="a"), make_product(id="b"))
        plainly(theirs, "DELETE FROM public.products WHERE id = 'a'")
        assert faults(catalogue) == []


# Settings of roles, and of databases


@pytest.mark.parametrize(
    "setting",
    ["extra_float_digits = 0", "datestyle = 'SQL, DMY'", "client_encoding = 'SQL_ASCII'", "timezone = 'Europe/Madrid'",
     "standard_conforming_strings = off", "default_transaction_isolation = 'serializable'", "bytea_output = 'escape'",
     "default_transaction_read_only = on"],
)  # fmt: skip
def test_what_a_role_has_set_changes_nothing(
    address: str, role: str, postgres: Server, make_product: Make, setting: str
) -> None:
    tell(postgres.url, f"ALTER ROLE {role} SET {setting}")
    theirs = sa.make_url(address).set(username=role).render_as_string(hide_password=False)
    product = make_product(id="a", name="Zażółć", cloud_cover=0.1 + 0.2, west=1 / 3)
    with Database.open(theirs) as catalogue:
        with catalogue.write() as connection, catalogue.write() as second:
            assert connection.scalar(sa.text("SHOW transaction_isolation")) == "read committed"
            second.execute(sa.insert(downloads).values(product_id="a"))
        put(catalogue, product)
        assert faults(catalogue) == []
        with catalogue.read() as connection:
            (found,) = select.search(connection, SearchFilters(where="name = 'Zażółć'")).values()
            assert connection.scalar(sa.select(downloads.c.requested_at)) is not None
        assert (found.cloud_cover, found.sensing_start) == (0.1 + 0.2, product.sensing_start)


def test_a_statement_that_takes_longer_than_a_role_may_is_told_in_one_line(
    address: str, role: str, postgres: Server
) -> None:
    tell(postgres.url, f"ALTER ROLE {role} SET statement_timeout = '300ms'")
    theirs = sa.make_url(address).set(username=role).render_as_string(hide_password=False)
    with Database.open(theirs) as catalogue, pytest.raises(CatalogueError) as caught:
        plainly(address, "INSERT INTO downloads (product_id) VALUES ('a')")
        with catalogue.read() as connection:
            connection.execute(sa.text("SELECT pg_sleep(20)"))
    assert "statement_timeout" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_who_reads_slowly_is_not_cut_off_as_who_writes_is(held: Database) -> None:
    patience = sa.text("SHOW idle_in_transaction_session_timeout")
    with held.read() as connection:
        assert connection.scalar(patience) == "1d"
    assert list(readonly.query(held, str(patience))) == [("1d",)]
    with held.write() as connection:
        assert connection.scalar(patience) == "5min"


# Others at the same moment


@pytest.mark.parametrize(
    ("first", "second"),
    [("DELETE FROM products WHERE id = '1'", "DELETE FROM products WHERE id > '1'"),
     ("DELETE FROM products WHERE id > '1'", "UPDATE products SET sensing_start = '2024-07-01' WHERE id = '1'"),
     ("UPDATE products SET cloud_cover = 50 WHERE id = '1'", "DELETE FROM products WHERE id = '2'")],
)  # fmt: skip
def test_counts_stay_right_when_two_change_one_tiles_products_at_once(
    held: Database, make_product: Make, first: str, second: str
) -> None:
    put(held, *(make_product(id=str(number)) for number in range(1, 5)))
    address = address_of(held)
    after = threading.Thread(target=plainly, args=(address, second))
    with psycopg.connect(address.replace("+psycopg", "")) as one:
        one.execute(first)
        after.start()
        await_blocked(held)
        put_aside = threading.Thread(target=put, args=(held, make_product(id="9")))
        put_aside.start()
        await_blocked(held, 2)
    after.join()
    put_aside.join()
    with held.read() as connection:
        number = connection.scalar(sa.select(sa.func.count()).select_from(products))
    counted = plainly(address, "SELECT sum(products) FROM tile_months")
    assert counted == [(number,)]
    assert "9" in ids(held)
    assert [fault for fault in faults(held) if not fault.startswith("altered")] == []


def await_blocked(database: Database, number: int = 1) -> None:
    """Wait until so many sessions wait for another one's lock."""
    waiting = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with database.read() as connection:
            if connection.scalar(waiting) >= number:
                return
        time.sleep(0.05)
    raise AssertionError("nobody waits")


def test_a_table_that_is_emptied_counts_nothing(held: Database, make_product: Make) -> None:
    put(held, make_product())
    plainly(address_of(held), "TRUNCATE products CASCADE")
    assert faults(held) == []
    assert plainly(address_of(held), "SELECT * FROM tile_months") == []
    assert plainly(address_of(held), "SELECT * FROM tile_years") == []


def test_a_lock_of_syncing_that_was_not_got_whole_is_not_kept(
    held: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_connection: sa.Connection) -> tuple[int, int]:
        raise CatalogueError("the server lets nobody wait")

    with monkeypatch.context() as patched:
        keys = "satcat.postgresql._keys"
        patched.setattr(keys, refuse)
        with pytest.raises(CatalogueError, match="nobody"), held.syncing("first"):
            pass
    taken = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    named = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'satcat: first%'"
    assert plainly(address_of(held), f"SELECT ({taken}), ({named})") == [(0, 0)]
    with (
        held.syncing("second"),
        Database.open(address_of(held)) as other,
        pytest.raises(CatalogueLockedError, match="second"),
        other.syncing("third"),
    ):
        pass


# Values


def test_whole_numbers_of_attributes_come_back_as_they_were(
    held: Database, make_product: Make
) -> None:
    ends = {"least": -(2**63) + 1, "below": -(10**18) - 1, "above": 10**18 + 1, "most": 2**63 - 1}
    put(held, make_product(id="a", attributes=ends))
    with held.read() as connection:
        (found,) = select.search(connection, SearchFilters()).values()
    assert found.attributes == ends
    assert faults(held) == []


def test_the_longest_names_and_words_find_room_in_every_index(
    held: Database, make_product: Make
) -> None:
    from satcat.api import odata_fields, odata_parse

    chance = random.Random(1)

    def text(length: int) -> str:  # of four bytes each, which no compression makes shorter
        return "".join(chr(chance.randrange(0x20000, 0x2A000)) for _ in range(length))

    def said(name: str, value: str) -> dict[str, Any]:
        return {"Name": name, "Value": value}

    names = ("productType", "tileId", "processingLevel", "instrumentShortName")
    record = {
        "Id": text(128),
        "Name": text(512),
        "ContentDate": {"Start": "2024-06-04T11:06:19.024Z"},
    }
    short = [said(name, text(odata_fields.MAX_WORD)) for name in names]
    long = [said(name, text(odata_fields.MAX_WORD + 1)) for name in names]
    images = [
        odata_parse.product(record | {"Attributes": short}, "SOME").row,
        odata_parse.product(record | {"Id": "long", "Attributes": long}, "SOME").row,
    ]
    assert all(isinstance(image, SatelliteImage) for image in images)
    put(held, *images)
    assert faults(held) == []
    with held.read() as connection:
        held_now = select.search(connection, SearchFilters())
    assert held_now["long"].tile_id is None
    assert held_now["long"].attributes["tileId"] == long[1]["Value"]
    assert len(held_now[str(record["Id"])].tile_id or "") == odata_fields.MAX_WORD


@pytest.mark.parametrize(
    ("said", "year"),
    [("infinity", 9999), ("-infinity", 1), ("20000-01-01", 9999), ("4000-01-01 BC", 1)],
)
def test_an_instant_that_python_has_none_for_is_the_last_or_the_first(
    held: Database, make_product: Make, said: str, year: int
) -> None:
    put(held, make_product(id="a"))
    plainly(address_of(held), f"UPDATE products SET sensing_end = '{said}'")
    plainly(
        address_of(held), f"INSERT INTO downloads (product_id, not_before) VALUES ('a', '{said}')"
    )
    with held.read() as connection:
        (found,) = select.search(connection, SearchFilters()).values()
        assert connection.scalar(sa.select(downloads.c.not_before)) == found.sensing_end
    assert found.sensing_end is not None
    assert found.sensing_end.year == year
    assert faults(held) == ["altered: a the row is not what the source said"]


# What somebody took away


def test_a_trigger_or_an_index_that_is_gone_is_told_before_counts_are_wrong(held: Database) -> None:
    plainly(
        address_of(held),
        "DROP TRIGGER tile_months_delete ON products",
        "ALTER TABLE products DISABLE TRIGGER tile_months_insert",
        "DROP INDEX ix_products_place",
    )
    gone = "is missing: make a whole catalogue of this one by `satcat copy`"
    assert faults(held) == [
        f"spatial index: the index ix_products_place {gone}",
        f"tile_months: the trigger tile_months_delete {gone}",
        "tile_months: the trigger tile_months_insert is disabled: enable it",
    ]
    with held.write() as connection:
        integrity.rebuild_derived(connection)


# People's conditions


@pytest.fixture(scope="module")
def one_product(postgres: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A catalogue with one product, which is marked."""
    address = postgres.new(tmp_path_factory.mktemp("conditions"))
    with Database.open(address) as database:
        held = {
            "name": "S2B_MSIL2A",
            "tile_id": "30TWM",
            "size_bytes": 1000,
            "attributes": {"x": 1},
        }
        moment = datetime(2024, 6, 4, tzinfo=UTC)
        about = {"id": "a", "source": "cdse", "collection": "SENTINEL-2", "sensing_start": moment}
        put(database, SatelliteImage(**about, **held))
        plainly(address, "INSERT INTO downloads (product_id) VALUES ('a')")
        yield database
    postgres.drop(address)


@pytest.mark.parametrize(
    "where",
    [
        r"tile_id = E'x\'') OR (E'\''=''", r"true) OR e'\''=e'\'' OR (''=''", r"tile_id = E'\''); DELETE FROM downloads; SELECT (E'\''=''",
        "ARRAY[']'] <> ARRAY[''] OR ']'=']'", "true OR ARRAY['x'] = ARRAY[']', ') OR (']", "true) OR `'` (1 = 1", "[']) OR ([']",
        "$$'$$ = '') OR ($$'$$ = ''", "id = U&'\\0027') OR (true", "true -- x", "true /* x",
    ],
)  # fmt: skip
def test_a_condition_cannot_leave_its_parentheses(one_product: Database, where: str) -> None:
    with one_product.write() as connection, pytest.raises(FilterError, match="--where"):
        select.search(connection, SearchFilters(collection="SENTINEL-1", where=where))
    assert plainly(address_of(one_product), "SELECT product_id FROM downloads") == [("a",)]


@pytest.mark.parametrize(
    "where",
    ["name LIKE 'S2B%' AND name LIKE '%100\\%' IS NOT true", "size_bytes::text = '1000'", "attributes @> '{\"x\": 1}'",
     "'{\"x\": 1}'::jsonb <@ attributes", "attributes->>'x' = '1'", "sensing_start >= DATE'2024-01-01'",
     "name <> E'a''b'", "tile_id = ANY('{30TWM,30TWN}')", "sensing_start < '2024-07-01'::timestamptz - interval '1 day'",
     "(ARRAY[1, 2])[1] = 1", "name ~ '^S2[AB]_' AND jsonb_exists(attributes, 'x')"],
)  # fmt: skip
def test_a_condition_is_taken_as_postgresql_takes_it(one_product: Database, where: str) -> None:
    assert plainly(address_of(one_product), f"SELECT id FROM products WHERE {where}") == [("a",)]
    with one_product.read() as connection:
        assert list(select.search(connection, SearchFilters(where=where))) == ["a"]
        other = SearchFilters(collection="SENTINEL-1", where=f"true OR {where}")
        assert list(select.search(connection, other)) == []


def test_a_sync_lets_the_server_know_at_once_how_much_it_holds(held: Database):
    with Sandbox(products=50) as sandbox:
        api = ODataAPI(catalogue_url=sandbox.catalogue_url)
        sync(held, api, SearchFilters(collection="SENTINEL-2"))
    with held.read() as connection:
        known = dict(
            connection.execute(
                sa.text("SELECT relname, reltuples FROM pg_class WHERE relname IN ('products', 'scope_products')")
            ).all()
        )  # fmt: skip
        count = connection.scalar(sa.select(sa.func.count()).select_from(products))
    assert count and known == {"products": count, "scope_products": count}  # it has no autovacuum
