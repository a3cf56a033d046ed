"""A source that is not whole: what cannot be copied is named, and nothing is made of it."""

from __future__ import annotations

import pytest

from satcat.errors import CatalogueDamagedError, CatalogueError
from tests.copying.conftest import assert_equal, copied
from tests.engines import ANY_VALUE, plainly

WHERE = "WHERE id = 'odd point'"
DAMAGE = {
    "an instant": (f"UPDATE products SET sensing_start = 'soon' {WHERE}", "sensing_start"),
    "an instant without a day": (
        "UPDATE downloads SET not_before = '2024-99-99T00:00:00.000000Z' WHERE status = 'done'", "not_before",
    ),
    "JSON": (f"UPDATE products SET attributes = '{{' {WHERE}", "attributes"),
    "infinite JSON": (f"UPDATE products SET attributes = '[1e999]' {WHERE}", "attributes"),
    "endless JSON": (f"UPDATE products SET attributes = '[{'9' * 400}]' {WHERE}", "attributes"),
    "JSON of no number": (f"UPDATE products SET attributes = '[NaN]' {WHERE}", "attributes"),
    "JSON's null": ("UPDATE sync_runs SET report = 'null' WHERE id = 1", "report"),
    "JSON of half a character": (f"UPDATE products SET attributes = '[\"\\ud800\"]' {WHERE}", "attributes"),
    "a truth value": (f"UPDATE products SET online = 2 {WHERE}", "online"),
    "a number": (f"UPDATE products SET cloud_cover = 'some' {WHERE}", "cloud_cover"),
    "half a number": (f"UPDATE products SET relative_orbit = 1.5 {WHERE}", "relative_orbit"),
    "text that is bytes": (f"UPDATE products SET name = x'ff' {WHERE}", "name"),
    "bytes that are text": (f"UPDATE products SET footprint = 'x' {WHERE}", "footprint"),
}  # fmt: skip


@ANY_VALUE
@pytest.mark.parametrize(("damage", "column"), DAMAGE.values(), ids=DAMAGE)
def test_a_value_that_cannot_be_is_named(
    source: str, target: str, damage: str, column: str
) -> None:
    plainly(source, damage)
    with pytest.raises(CatalogueError, match=rf"is damaged: its {column} cannot be ") as caught:
        copied(source, target)
    assert len(str(caught.value)) < 400


@ANY_VALUE
def test_text_that_is_no_text_is_damage(source: str, target: str) -> None:
    plainly(source, f"UPDATE products SET name = CAST(x'ff' AS TEXT) {WHERE}")
    with pytest.raises(CatalogueDamagedError, match="UTF-8"):
        copied(source, target)


@ANY_VALUE
def test_rows_that_refer_to_nothing_are_told(source: str, target: str) -> None:
    plainly(source, "INSERT INTO scope_products (scope_id, pk) VALUES (99, 1)")
    with pytest.raises(CatalogueError, match=r"scope_products .*db check"):
        copied(source, target)
    plainly(source, "DELETE FROM scope_products WHERE scope_id = 99")
    copied(source, target)
    assert_equal(source, target)


@ANY_VALUE
def test_instants_that_people_wrote_otherwise_are_copied_in_the_stored_form(
    source: str, target: str
) -> None:
    said = "UPDATE downloads SET not_before = ? WHERE status = 'done'"
    plainly(source, said, values=["2030-01-01 10:00"])
    copied(source, target)
    plainly(source, said, values=["2030-01-01T10:00:00.000000Z"])
    assert_equal(source, target)


def test_counts_that_are_wrong_in_the_source_are_told_as_its_own(source: str, target: str) -> None:
    plainly(source, "UPDATE tile_months SET products = products + 1 WHERE tile_id = '30TWM'")
    with pytest.raises(CatalogueError, match=r"counts its own products wrongly.*verify --repair"):
        copied(source, target)
    plainly(source, "UPDATE tile_months SET products = products - 1 WHERE tile_id = '30TWM'")
    copied(source, target)
    assert_equal(source, target)
