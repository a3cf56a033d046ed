"""What people or programs put into a filter is a value: it is bound, and what looks like a wildcard is that character."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from satcat import select, times
from satcat.database import Database
from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.products import SatelliteImage
from satcat.sync.store import store

Make = Callable[..., SatelliteImage]
START = times.parse("2024-06-01T12:00:00Z")
ATTACKS = [
    "'", '"', "''", "' OR 1=1 --", "'; DROP TABLE products; --", "x') OR ('1'='1", "%", "_", "%%", "a_c", "*", "?", "[a-z]", "[",
    "]", "[^x]", "\\", "\\'", "a\x00b", "\x00", "`", ";", "--", "/*", "*/", ":name", "?1", "@x", "$x", "%(x)s", "{0}", "{}", "é",
    "e\u0301", "ß", "\U0001f6f0", "\u202e", "\ud800", "NULL", "1", "1.0", "true", "json_each", '"]', "a\nb", " x ",
]  # fmt: skip
texts = st.one_of(
    st.sampled_from(ATTACKS),
    st.text(max_size=12),
    st.text(alphabet="'\"%_*?[];-\\abc ", max_size=12),
    st.tuples(st.sampled_from(ATTACKS), st.sampled_from(ATTACKS)).map("".join),
)
#: Filters that take any text, and what they compare it with.
EQUAL = ("product_type", "processing_level", "platform")


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as opened:
        yield opened


def stored(text: str) -> str:
    """A text as a product of a hostile source may carry it."""
    return "".join(c for c in text if not "\ud800" <= c <= "\udfff")


def literal(pattern: str, text: str) -> bool:
    """Whether the pattern fits the whole text: * is any text, ? one character, everything else itself."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(literal(pattern[1:], text[n:]) for n in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and literal(pattern[1:], text[1:])


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    held=st.lists(texts, min_size=1, max_size=4),
    asked=texts,
    field=st.sampled_from([*EQUAL, "collection", "contains", "name"]),
)
def test_a_filter_s_text_is_compared_and_never_run(
    database: Database, held: list[str], asked: str, field: str
) -> None:
    try:
        filters = SearchFilters(**{field: asked})
    except FilterError:  # it cannot be meant: empty, or not printable
        assert not asked.strip() or not asked.isprintable()
        return
    meant = getattr(filters, field)
    meant = meant[0] if field == "contains" else meant
    values = [stored(text) for text in [*held, asked, asked.strip(), asked.strip().upper()]]
    column = "name" if field in ("name", "contains") else field
    images = [
        SatelliteImage(**{"id": f"p{n}", "source": "s", "name": "n", "collection": "c", "sensing_start": START, column: value})
        for n, value in enumerate(values)
    ]  # fmt: skip
    fits: dict[str, Callable[[str], bool]] = {
        "contains": lambda text: meant in text, "name": lambda text: literal(meant, text),
    }  # fmt: skip
    same = fits.get(field, lambda text: text == meant)
    if not (field in EQUAL and database.engine.dialect.name == "sqlite"):
        assume(not any("\x00" in value for value in values))
    with database.engine.connect() as connection, connection.begin() as transaction:
        store(connection, images, scope_id=None, at=START)
        expected = {image.id for image in images if same(getattr(image, column))}
        assert set(select.search(connection, filters)) == expected
        assert select.count(connection, filters, latest=False) == len(expected)
        total = connection.scalar(sa.text("SELECT count(*) FROM products"))
        assert total == len(images)
        transaction.rollback()


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=texts, option=st.sampled_from(["sort", "best", "per"]))
def test_a_column_s_name_is_looked_up_and_never_pasted(
    database: Database, text: str, option: str
) -> None:
    from satcat.choice import PERIODS, SHORT_NAMES
    from satcat.models import products

    assume(text.removeprefix("-") not in {*SHORT_NAMES, *PERIODS, *products.columns.keys()})
    choice: dict[str, Any] = {"best": "cloud", "per": ["tile"]} if option != "sort" else {}
    choice[option] = [text] if option == "per" else text
    with database.read() as connection, pytest.raises(FilterError, match=r"^--\w+ "):
        select.count(connection, SearchFilters(), **choice)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(words=st.lists(texts, max_size=4))
def test_ids_and_names_that_are_looked_for_are_values_too(
    database: Database, words: list[str]
) -> None:
    words = [stored(word) for word in words]
    with database.engine.connect() as connection, connection.begin() as transaction:
        image = SatelliteImage(id="p", source="s", name="n", collection="c", sensing_start=START)
        store(connection, [image], scope_id=None, at=START)
        assert select.matching(connection, SearchFilters(), [*words, "p"]) == {"p"}
        assert all(not select.find(connection, word) for word in words if word.strip() not in "pn")
        transaction.rollback()


def test_no_value_is_part_of_the_sql(connection: Connection, make_product: Make) -> None:
    ran: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        ran.append(statement)

    sa.event.listen(connection, "before_cursor_execute", note)
    filters = SearchFilters(
        collection="xq1", product_type="xq2", processing_level="XQ3", platform="XQ4", name="xq5*", contains=["xq6", "xq7"],
        tile_id=["30TWM", "30TXM"], cloud_cover=12.345, relative_orbit=98_765, orbit_direction="ASCENDING", online=True,
        start_date="2024-06-01", published_since="2023-01-01", bbox=(1.5, 2.5, 3.5, 4.5),
    )  # fmt: skip
    choice: dict[str, Any] = {
        "latest": True,
        "best": "cloud",
        "per": ["tile", "day"],
        "limit": 7_654_321,
        "covers": 0.5,
    }
    list(select.rows(connection, filters, ["id"], not_downloaded=True, **choice))
    select.count(connection, filters, **choice)
    assert ran
    for value in (
        "xq",
        "XQ",
        "30T",
        "12.345",
        "98765",
        "ASCENDING",
        "2024",
        "2023",
        "1.5",
        "7654321",
    ):
        assert not any(value in statement for statement in ran), value


@pytest.mark.parametrize(
    "where",
    ["(SELECT load_extension('x'))", "id IN (DELETE FROM products RETURNING id)", "1 UNION SELECT 1", "1 ORDER BY 1",
     "1 LIMIT 1", "(1); ATTACH 'x' AS y", "1)) OR ((1", "writefile('x', 'y')", "\x00", "1\x00 OR 1"],
)  # fmt: skip
def test_a_condition_reads_one_expression_and_changes_nothing(
    connection: Connection, make_product: Make, where: str
) -> None:
    store(connection, [make_product(id="a")], scope_id=None, at=START)
    with pytest.raises(FilterError, match="--where"), connection.begin_nested():
        list(select.iterate(connection, SearchFilters(where=where)))
    assert connection.scalar(sa.text("SELECT count(*) FROM products")) == 1
