"""The `$filter` grammar, and what a filter finds against a naive reading of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satcat.sandbox import TypedValue, odata
from satcat.sandbox.listing import Listing, Selection
from satcat.sandbox.predicates import PRODUCT_FIELDS, bounds, kinds, predicate
from satcat.sandbox.records import Record

KINDS = kinds(PRODUCT_FIELDS)
SQUARE = "POLYGON((0 0,1 0,1 1,0 1,0 0))"


def any_of(value_type: str, name: str, operator: str, literal: str) -> str:
    """The lambda that asks for an attribute."""
    cast = f"OData.CSC.{value_type}Attribute"
    return (
        f"Attributes/{cast}/any(att:att/Name eq '{name}' and att/{cast}/Value {operator} {literal})"
    )


def record(**fields: object) -> Record:
    moment = datetime(2024, 6, 4, tzinfo=UTC)
    given: dict[str, object] = {
        "id": "11111111-1111-4111-8111-111111111111",
        "name": "S2B_MSIL2A_T30TWM.SAFE",
        "collection": "SENTINEL-2",
        "product_type": "S2MSI2A",
        "sensing_start": moment,
        "sensing_end": moment,
        "origin_date": moment,
        "publication_date": moment,
        "modification_date": moment,
        "size_bytes": 10_000,
    }
    return Record(**(given | fields))


def found(text: str, **fields: object) -> bool:
    return predicate(odata.parse(text, KINDS), PRODUCT_FIELDS)(record(**fields))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Collection/Name eq 'SENTINEL-2'", True),
        ("Collection/Name eq 'SENTINEL-3'", False),
        ("Name eq 'S2B_MSIL2A_T30TWM.SAFE'", True),
        ("contains(Name,'_T30TWM')", True),
        ("contains(Name, 'MSIL1C')", False),
        ("startswith(Name,'S2B')", True),
        ("endswith(Name,'.SAFE')", True),
        ("Id eq '11111111-1111-4111-8111-111111111111'", True),
        ("Id eq 11111111-1111-4111-8111-111111111111", True),
        ("Online eq true", True),
        ("Online eq False", False),
        ("ContentDate/Start ge 2024-06-04", True),
        ("ContentDate/Start gt 2024-06-04T00:00:00.000Z", False),
        ("ContentDate/Start ge '2024-06-04T00:00:00.000Z'", True),
        ("ContentDate/Start eq 2024-06-04T02:00:00+02:00", True),
        ("PublicationDate lt 2024-06-04T00:00:00.000001Z", True),
        ("not Online eq true", False),
        ("not (Online eq false)", True),
        ("Online eq false or Online eq true and Name eq 'x'", False),
        ("(Online eq true or Online eq true) and Name eq 'x'", False),
        ("Online eq true or Online eq true and Name eq 'x'", True),
        ("Name eq 'it''s'", False),
    ],
)
def test_a_documented_filter_is_understood(text: str, expected: bool) -> None:
    assert found(text) is expected


def test_a_doubled_quote_stands_for_one() -> None:
    assert found("Name eq 'it''s'", name="it's")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Name",
        "Name eq",
        "Name eq 'x",
        "Name ne 'x'",
        "Name in ('x')",
        "Name gt 'x'",
        "ContentLength gt 5",
        "Nonsense eq 'x'",
        "Online eq 1",
        "ContentDate/Start gt yesterday",
        "ContentDate/Start gt 2024-06-04T00:00:00 02:00",
        "Name eq 'x' and",
        "(Name eq 'x'",
        "Name eq 'x') ",
        "Name eq 'x' Name eq 'y'",
        "contains(Online,'x')",
        "contains(Name)",
        any_of("String", "productType", "lt", "'x'"),
        any_of("String", "productType", "eq", "5"),
        any_of("Integer", "orbitNumber", "eq", "1.5"),
        any_of("Double", "cloudCover", "le", "lots"),
        any_of("Decimal", "cloudCover", "le", "5"),
        f"OData.CSC.Intersects(area=geography'{SQUARE}')",
        "OData.CSC.Intersects(area=geography'SRID=4326;POLYGON((0 0,1 0,1 1,0 1))')",
        "OData.CSC.Intersects(area=geography'SRID=4326;POLYGON((0 0,1 1,1 0,0 1,0 0))')",
        "OData.CSC.Intersects(area=geography'SRID=4326;MULTIPOLYGON(((0 0,1 0,1 1,0 1,0 0)))')",
        "OData.CSC.Intersects(area=geography'SRID=4326;POINT EMPTY')",
        "not " * 100 + "Online eq true",
        "(" * 5000 + "Online eq true" + ")" * 5000,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(odata.ODataError):
        odata.parse(text, KINDS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (any_of("String", "productType", "eq", "'S2MSI2A'"), True),
        (any_of("Double", "cloudCover", "le", "20"), True),
        (any_of("Double", "cloudCover", "lt", "12.5"), False),
        (any_of("Integer", "cloudCover", "le", "20"), False),
        (any_of("Integer", "orbitNumber", "ge", "100"), True),
        (any_of("DateTimeOffset", "beginningDateTime", "eq", "2024-06-04T00:00:00Z"), True),
        (any_of("Boolean", "sliceProductFlag", "eq", "true"), True),
        (any_of("String", "spatialResolution", "eq", "'10'"), False),
        (any_of("Integer", "spatialResolution", "eq", "10"), False),
        (any_of("String", "noSuchThing", "eq", "'x'"), False),
        ("attributes/OData.CSC.StringAttribute/any(i0:i0/Name eq 'productType' and i0/Value eq 'S2MSI2A')", True),
    ],
)  # fmt: skip
def test_an_attribute_matches_by_name_type_and_value_or_silently_not(
    text: str, expected: bool
) -> None:
    attributes = {
        "orbitNumber": 100,
        "sliceProductFlag": True,
        "spatialResolution": TypedValue("10", "Integer"),
    }
    assert found(text, cloud_cover=12.5, attributes=attributes) is expected


@pytest.mark.parametrize(
    ("area", "footprint", "expected"),
    [
        (SQUARE, "POLYGON ((0.5 0.5, 2 0.5, 2 2, 0.5 2, 0.5 0.5))", True),
        (SQUARE, "POLYGON ((3 3, 4 3, 4 4, 3 4, 3 3))", False),
        ("POINT(3.5 3.5)", "POLYGON ((3 3, 4 3, 4 4, 3 4, 3 3))", True),
        ("POINT(5 5)", "POLYGON ((3 3, 4 3, 4 4, 3 4, 3 3))", False),
        (SQUARE, None, False),
        (SQUARE, "nonsense", False),
    ],
)
def test_an_area_finds_the_footprints_that_meet_it(
    area: str, footprint: str | None, expected: bool
) -> None:
    text = f"OData.CSC.Intersects(area=geography'SRID=4326;{area}')"
    assert found(text, footprint=footprint) is expected


@dataclass(frozen=True)
class Case:
    """A filter as text, and what a naive reading of it makes of a record's fields."""

    text: str
    expected: frozenset[str]


START = datetime(2024, 6, 1, tzinfo=UTC)
RECORDS = [
    record(
        id=f"{n:08}-0000-4000-8000-000000000000",
        name=f"N{n % 4}",
        sensing_start=START + timedelta(days=n % 5),
        publication_date=START + timedelta(days=n % 7),
        cloud_cover=None if n % 6 == 0 else float(n % 3),
        online=n % 2 == 0,
    )
    for n in range(40)
]
IDS = frozenset(r.id for r in RECORDS)


def matching(text: str, test: object) -> Case:
    return Case(text, frozenset(r.id for r in RECORDS if test(r)))  # type: ignore[operator]


DAYS = [START + timedelta(days=n) for n in range(-1, 8)]
COMPARISONS = {
    "eq": lambda a, b: a == b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}
leaves = st.one_of(
    st.builds(
        lambda key, op, day: matching(
            f"{key[0]} {op} {day:%Y-%m-%dT%H:%M:%S.000Z}",
            lambda r: COMPARISONS[op](getattr(r, key[1]), day),
        ),
        st.sampled_from([("ContentDate/Start", "sensing_start"), ("PublicationDate", "publication_date")]),
        st.sampled_from(list(COMPARISONS)),
        st.sampled_from(DAYS),
    ),
    st.builds(
        lambda n: matching(f"contains(Name,'{n}')", lambda r: str(n) in r.name), st.integers(0, 5)
    ),
    st.builds(
        lambda b: matching(f"Online eq {str(b).lower()}", lambda r: r.online is b), st.booleans()
    ),
    st.builds(
        lambda op, n: matching(
            any_of("Double", "cloudCover", op, str(n)),
            lambda r: r.cloud_cover is not None and COMPARISONS[op](r.cloud_cover, n),
        ),
        st.sampled_from(list(COMPARISONS)),
        st.integers(0, 3),
    ),
)  # fmt: skip
filters = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda a: Case(f"not ({a.text})", IDS - a.expected), inner),
        st.builds(
            lambda a, b: Case(f"({a.text}) and ({b.text})", a.expected & b.expected), inner, inner
        ),
        st.builds(
            lambda a, b: Case(f"({a.text}) or ({b.text})", a.expected | b.expected), inner, inner
        ),
    ),
    max_leaves=8,
)


@given(case=filters, order=st.sampled_from([None, "ContentDate/Start", "PublicationDate"]))
def test_a_filter_finds_what_a_naive_reading_finds(case: Case, order: str | None) -> None:
    listing: Listing[Record] = Listing(("ContentDate/Start", "PublicationDate"), PRODUCT_FIELDS)
    listing.add(RECORDS)
    node = odata.parse(case.text, KINDS)
    wanted = Selection(bounds(node), predicate(node, PRODUCT_FIELDS), order)
    rows = listing.select(wanted)
    assert len(rows) == len(case.expected)
    assert {row.id for row in rows} == case.expected


@given(
    case=filters,
    order=st.sampled_from(["ContentDate/Start", "PublicationDate"]),
    descending=st.booleans(),
    limit=st.integers(0, 45),
)
def test_rows_come_by_their_key_and_ties_by_id(
    case: Case, order: str, descending: bool, limit: int
) -> None:
    listing: Listing[Record] = Listing(("ContentDate/Start", "PublicationDate"), PRODUCT_FIELDS)
    for one in RECORDS:
        listing.add([one])
    node = odata.parse(case.text, KINDS)
    wanted = Selection(bounds(node), predicate(node, PRODUCT_FIELDS), order, descending, limit)
    expected = sorted((r for r in RECORDS if r.id in case.expected), key=lambda r: r.id)
    field = PRODUCT_FIELDS[order]
    expected.sort(key=lambda r: getattr(r, field), reverse=descending)
    assert listing.select(wanted) == expected[:limit]
