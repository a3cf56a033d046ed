"""What a dataset's folders are called: whatever a value is, it stays one folder's name, and readers get it back."""

from __future__ import annotations

from urllib.parse import unquote

import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import given
from hypothesis import strategies as st

from satcat.errors import FilterError
from satcat.exports.partitions import KEYS, UNKNOWN, folder, keys

HOSTILE = [
    "..", ".", "../../etc/passwd", "/etc", "a/b", "a\\b", "a=b", "month=2024-06", "%2F", "%", "a%", "\0", "\n", "C:",
    "nul", "*", "?", "~", "-rf", "$(id)", "'", '"', "[a]", "{a}", "#", "a b", " ", "é", "日本", "😀", "\u202e", "e\u0301",
    UNKNOWN, f"%5F{UNKNOWN[1:]}", "NULL", "null", "nan", "true", "+", "a+b", "^", "|", "<a>",
]  # fmt: skip
texts = st.one_of(st.text(), st.sampled_from(HOSTILE), st.text("%25Ff_./=", max_size=8))


def name_of(value: object) -> str:
    (part,) = folder(["collection"], [value]).parts
    return part


@given(texts)
def test_any_text_is_one_part_of_a_path_and_is_read_back(value: str) -> None:
    name = name_of(value)
    assert name.startswith("collection=")
    assert not set(name[len("collection=") :]) & set("/\\\0\"#'*:=?\x7f{[]^<>| ") - {""}
    assert all(character >= " " for character in name)
    assert value in ("", UNKNOWN) or unquote(name.partition("=")[2]) == value
    hive = ds.HivePartitioning(pa.schema([("collection", pa.string())]))
    read = ds.get_partition_keys(hive.parse(f"{name}/part-0.parquet"))
    assert read["collection"] == (None if value in ("", UNKNOWN) else value)


@given(texts, texts)
def test_different_values_have_different_folders(one: str, other: str) -> None:
    assert (name_of(one) == name_of(other)) == (one == other)


def test_what_is_unknown_is_called_as_hive_calls_it() -> None:
    assert name_of(None) == name_of("") == f"collection={UNKNOWN}"
    assert name_of(UNKNOWN) != name_of(None)


def test_numbers_and_flags_are_plain() -> None:
    assert [name_of(value) for value in (137, True, False)] == [
        "collection=137", "collection=true", "collection=false",
    ]  # fmt: skip
    assert str(folder(["collection", "month"], ["SENTINEL-2", "2024-06"])) == (
        "collection=SENTINEL-2/month=2024-06"
    )


def test_short_names_are_those_of_the_columns() -> None:
    assert keys("collection, month") == ["collection", "month"]
    assert keys(["tile", "type", "level", "orbit", "baseline", "year"]) == [
        "tile_id", "product_type", "processing_level", "relative_orbit", "processing_baseline", "year",
    ]  # fmt: skip
    assert keys(KEYS) == list(KEYS)


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ("colection", "--partition 'colection': nothing to partition by; did you mean collection?"),
        ("month,months", "'months'.*did you mean month"),
        ("id", "'id'.*there are collection, product_type"),
        ("cloud", "'cloud'.*there are"),
        ("sensing_start", "'sensing_start'.*there are"),
        ("month,month", "'month': it is there twice"),
        ("tile,tile_id", "'tile_id': it is there twice"),
        ("", "'': nothing to partition by"),
        ("month,", "'': nothing to partition by"),
        ("../x", "'../x': nothing to partition by"),
        ([], "name what to partition by"),
    ],
)
def test_what_is_no_key_is_told_with_a_hint(stated: str | list[str], told: str) -> None:
    with pytest.raises(FilterError, match=told) as raised:
        keys(stated)
    assert "\n" not in str(raised.value)
