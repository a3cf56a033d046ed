"""What a mirror vouches for, and what it says of the rest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from satcat import mirrored, times
from satcat.database import Database
from satcat.filters import SearchFilters
from satcat.functions import insert_or_leave
from satcat.mirrored import NOTHING, REJECTS_OPEN, Survey
from satcat.models import scopes, sync_cursors, sync_rejects, sync_windows
from satcat.times import Interval
from satcat.vouched import NOT_FINISHED, NOT_MIRRORED

S2 = "SENTINEL-2"


def day(text: str | None) -> datetime | None:
    return None if text is None else times.parse_bound(text)


def days(start: str | None, end: str | None) -> Interval:
    return Interval(day(start), day(end))


NOW = times.parse_bound("2024-10-01")
JUNE, JULY = ("2024-06-01", "2024-07-01"), ("2024-07-01", "2024-08-01")


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as opened:
        yield opened


def mirror(
    connection: Connection,
    *complete: tuple[str | None, str | None],
    pending: tuple[tuple[str | None, str | None], ...] = (),
    followed_to: str = "2024-09-01",
    slices: list[dict[str, Any]] | None = None,
    **filters: Any,
) -> int:
    """Make a scope with these windows; its interval is theirs."""
    whole = SearchFilters(**{"collection": S2} | filters)
    parts = [SearchFilters(**{"collection": S2} | filters | own) for own in slices or [{}]]
    windows = sorted([*complete, *pending], key=lambda window: window[0] or "")
    number = len(connection.execute(sa.select(scopes.c.id)).all()) + 1
    row = {
        "id": number, "name": f"scope {number}", "source": "cdse", "url": "http://127.0.0.1",
        "collection": whole.collection, "filters": whole.to_json(),
        "slices": json.dumps([part.to_json() for part in parts]),
        "sensing_start": day(windows[0][0]), "sensing_end": day(windows[-1][1]),
    }  # fmt: skip
    connection.execute(sa.insert(scopes).values(row))
    for n, (start, end) in ((n, w) for n in range(len(parts)) for w in windows):
        status = "complete" if (start, end) in complete else "pending"
        window = {"window_start": day(start), "window_end": day(end), "status": status}
        connection.execute(sa.insert(sync_windows).values(scope_id=number, slice=n, **window))
        cursor = {"feed": "publication", "position": day(followed_to)}
        held = insert_or_leave(connection.dialect, sync_cursors)
        connection.execute(held, [{"scope_id": number, "slice": n, **cursor}])
    return number


def survey(connection: Connection, **filters: Any) -> Survey:
    return mirrored.survey(connection, SearchFilters(**filters), now=NOW)


def gaps(connection: Connection, **filters: Any) -> list[tuple[str | None, str, str]]:
    found = survey(connection, **filters).gaps
    return [(gap.tile, str(gap.interval), gap.reason) for gap in found]


def asked(start: str = "2024-06-01", end: str = "2024-06-30", **filters: Any) -> dict[str, Any]:
    return {"start_date": start, "end_date": end, **filters}


def test_an_empty_catalogue_vouches_for_nothing(connection: Connection) -> None:
    found = survey(connection, **asked(tile_id="30TWM"))
    assert [gap.reason for gap in found.gaps] == [NOTHING]
    assert found.notes() == ["nothing is mirrored yet: 2024-06-01 … 2024-07-01"]


def test_what_is_mirrored_and_complete_has_no_gap(connection: Connection) -> None:
    mirror(connection, JUNE, tile_id="30TWM", processing_level="L2A")
    found = survey(connection, **asked(tile_id="30TWM", processing_level="L2A", collection=S2))
    assert (found.gaps, found.narrowed) == ([], [])
    assert found.followed_to == day("2024-09-01")
    assert found.notes() == ["the mirror is as of 2024-09-01T00:00Z"]


def test_filters_that_only_pick_among_products_do_not_matter(connection: Connection) -> None:
    mirror(connection, JUNE)
    picky = {
        "cloud_cover": 20, "online": True, "name": "S2*", "where": "1", "published_since": "2024-06-01",
        "orbit_direction": "ASCENDING", "platform": "S2A", "relative_orbit": 1, "contains": "x",
        "product_type": "S2MSI2A", "processing_level": "L2A", "tile_id": "30TWM",
    }  # fmt: skip
    assert gaps(connection, **asked(collection=S2, **picky)) == []


def test_each_tile_that_is_not_mirrored_is_a_gap(connection: Connection) -> None:
    mirror(connection, JUNE, tile_id=["30TWM", "30TXM"])
    assert gaps(connection, **asked(tile_id=["30TWM", "31TCJ"])) == [
        ("31TCJ", "2024-06-01 … 2024-07-01", NOT_MIRRORED)
    ]


def test_slices_vouch_for_their_own_tiles(connection: Connection) -> None:
    slices = [{"tile_id": "30TWM"}, {"tile_id": "30TXM"}]
    number = mirror(connection, JUNE, tile_id=["30TWM", "30TXM"], slices=slices)
    second = sa.and_(sync_windows.c.scope_id == number, sync_windows.c.slice == 1)
    connection.execute(sa.update(sync_windows).where(second).values(status="mismatch"))
    assert gaps(connection, **asked(tile_id=["30TWM", "30TXM"])) == [
        ("30TXM", "2024-06-01 … 2024-07-01", NOT_FINISHED)
    ]


def test_time_is_told_apart_into_not_mirrored_and_not_finished(connection: Connection) -> None:
    mirror(connection, JUNE, pending=(JULY,), tile_id="30TWM")
    assert gaps(connection, **asked("2024-05-15", "2024-08-14", tile_id="30TWM")) == [
        ("30TWM", "2024-05-15 … 2024-06-01", NOT_MIRRORED),
        ("30TWM", "2024-08-01 … 2024-08-15", NOT_MIRRORED),
        ("30TWM", "2024-07-01 … 2024-08-01", NOT_FINISHED),
    ]


def test_several_scopes_together_cover_what_was_asked(connection: Connection) -> None:
    mirror(connection, JUNE, tile_id="30TWM", processing_level="L2A")
    mirror(connection, JULY, processing_level="L2A")
    june_and_july = asked("2024-06-01", "2024-07-31", processing_level="L2A")
    assert gaps(connection, **june_and_july, tile_id="30TWM") == []
    assert gaps(connection, **june_and_july, tile_id="30TXM") == [
        ("30TXM", "2024-06-01 … 2024-07-01", NOT_MIRRORED)
    ]


def test_a_time_end_left_open_means_what_is_mirrored(connection: Connection) -> None:
    mirror(connection, JUNE, tile_id="30TWM")
    found = survey(connection, tile_id="30TWM", collection=S2)
    assert found.gaps == []
    assert found.narrowed == ["from 2024-06-01T00:00Z", "until 2024-07-01T00:00Z"]
    assert gaps(connection, tile_id="30TWM", start_date="2024-05-01") == [
        ("30TWM", "2024-05-01 … 2024-06-01", NOT_MIRRORED)
    ]
    assert gaps(connection, tile_id="30TWM", start_date="2024-08-01") == [
        ("30TWM", "2024-08-01 … now on", NOT_MIRRORED)
    ]


def test_two_seasons_mirrored_are_meant_where_time_is_left_open(connection: Connection) -> None:
    mirror(connection, JUNE, tile_id="30TWM")
    mirror(connection, ("2023-06-01", "2023-07-01"), tile_id="30TWM")
    assert gaps(connection, tile_id="30TWM") == []
    assert gaps(connection, tile_id="30TWM", start_date="2023-06-01") == [
        ("30TWM", "2023-07-01 … 2024-06-01", NOT_MIRRORED)
    ]


def test_what_lies_ahead_is_no_gap(connection: Connection) -> None:
    mirror(connection, (None, None))
    assert gaps(connection, **asked("2024-06-01", "2030-01-01")) == []
    mirror(connection, JUNE, collection="SENTINEL-3")
    assert gaps(connection, **asked("2024-06-01", "2030-01-01", collection="SENTINEL-3")) == [
        (None, "2024-07-01 … now on", NOT_MIRRORED)
    ]
    assert gaps(connection, **asked("2029-06-01", "2030-01-01", collection="SENTINEL-3")) == []


def test_a_collection_level_type_or_tile_left_open_means_what_is_mirrored_and_is_named(
    connection: Connection,
) -> None:
    mirror(connection, JUNE, tile_id=["30TWM", "30TXM"], processing_level="L2A")
    mirror(connection, JUNE, collection="SENTINEL-3", product_type="OL_1_EFR___", tile_id="30TWM")
    found = survey(connection, **asked())
    assert found.gaps == []
    assert found.narrowed == [
        "collection SENTINEL-2, SENTINEL-3", "level L2A", "product type OL_1_EFR___", "tile 30TWM, 30TXM",
    ]  # fmt: skip
    assert found.tiles == ("30TWM", "30TXM")


def test_each_kind_that_is_mirrored_must_be_complete_by_itself(connection: Connection) -> None:
    mirror(connection, JUNE, tile_id="30TWM", processing_level="L2A")
    mirror(connection, JULY, tile_id="30TWM", processing_level="L1C")
    found = survey(connection, **asked("2024-06-01", "2024-07-31", tile_id="30TWM"))
    assert [(str(gap.kind), str(gap.interval)) for gap in found.gaps] == [
        ("SENTINEL-2 L1C", "2024-06-01 … 2024-07-01"),
        ("SENTINEL-2 L2A", "2024-07-01 … 2024-08-01"),
    ]


@pytest.mark.parametrize(
    ("scope", "query", "vouched"),
    [
        ({"processing_level": "L2A"}, {"processing_level": "L1C"}, False),
        ({"processing_level": "L2A"}, {"product_type": "S2MSI2A"}, True),
        ({"processing_level": "L2A"}, {"product_type": "S2MSI1C"}, False),
        ({"processing_level": "L2A"}, {"product_type": "AUX_GNSSRD"}, False),
        ({"product_type": "S2MSI2A"}, {"processing_level": "L2A"}, True),
        ({"product_type": "S2MSI2A"}, {"processing_level": "L1C"}, False),
        ({"product_type": "S2MSI2A"}, {"product_type": "S2MSI1C"}, False),
        ({"product_type": "S2MSI2A"}, {"product_type": "S2MSI2A", "processing_level": "L2A"}, True),
        ({"platform": "S2A"}, {}, False),
        ({"platform": "S2A"}, {"platform": "S2A"}, True),
        ({"platform": "S2A"}, {"platform": "S2B"}, False),
        ({"relative_orbit": 94}, {}, False),
        ({"relative_orbit": 94}, {"relative_orbit": 94, "platform": "S2A"}, True),
        ({"contains": "_N0510_"}, {}, False),
        ({"contains": ["MSIL2A", "_N0510_"]}, {"contains": "_N0510_"}, False),
        ({"contains": "_N0510_"}, {"contains": ["MSIL2A", "S2A_N0510_R"]}, True),
        ({"bbox": (-4, 40, 0, 44)}, {}, False),
        ({"bbox": (-4, 40, 0, 44)}, {"bbox": (-3, 41, -2, 42)}, True),
        ({"bbox": (-4, 40, 0, 44)}, {"bbox": (-5, 41, -2, 42)}, False),
        ({"bbox": (-4, 40, 0, 44)}, {"bbox": (-4, 40, 0, 44)}, True),
        ({"bbox": (-4, 40, 0, 44)}, {"point": (0, 44)}, True),
        ({"bbox": (-4, 40, 0, 44)}, {"tile_id": "30TWM"}, True),
        ({"bbox": (-4, 40, 0, 44)}, {"tile_id": "31TCJ"}, False),
        ({"bbox": (170, -5, -170, 5)}, {"bbox": (179, 0, -179, 1)}, True),
        ({"bbox": (170, -5, -170, 5)}, {"bbox": (0, 0, 1, 1)}, False),
        ({"tile_id": "30TWM"}, {"tile_id": "30TXM"}, False),
        ({"tile_id": "30TWM"}, {"bbox": (-2.9, 41.6, -2.5, 41.9)}, True),
        ({"tile_id": "30TWM"}, {"bbox": (-2.9, 41.6, -0.5, 41.9)}, False),
        ({"tile_id": ["30TWM", "30TXM"]}, {"bbox": (-2.9, 41.6, -0.8, 41.9)}, True),
        ({"tile_id": "30TWM", "bbox": (-4, 40, 0, 44)}, {"tile_id": "30TWM"}, True),
        ({"tile_id": "30TWM", "bbox": (-2.9, 41.6, -2.5, 41.9)}, {"tile_id": "30TWM"}, False),
        ({"tile_id": "30TWM"}, {"point": (100, 0)}, False),
        ({"collection": "SENTINEL-1"}, {"collection": "SENTINEL-2"}, False),
        ({"collection": "SENTINEL-1", "processing_level": "L1"}, {"product_type": "IW_GRDH_1S"}, True),
        ({"collection": "SENTINEL-1", "processing_level": "L1"}, {"product_type": "IW_OCN__2S"}, False),
        ({"collection": "SENTINEL-5P", "processing_level": "L2"}, {"product_type": "L2__NO2___"}, True),
        ({"collection": "LANDSAT-8", "processing_level": "L2"}, {"product_type": "L1TP"}, False),
        ({"collection": "LANDSAT-8", "tile_id": "203033"}, {"tile_id": "203033"}, True),
        ({}, {"tile_id": "203033"}, False),
    ],
)  # fmt: skip
def test_a_scope_vouches_only_for_queries_narrowed_at_least_as_much(
    connection: Connection, scope: dict[str, Any], query: dict[str, Any], vouched: bool
) -> None:
    mirror(connection, JUNE, **scope)
    found = gaps(connection, **asked(**query))
    assert (found == []) is vouched
    assert all(reason == NOT_MIRRORED for *_, reason in found)


def test_a_record_that_could_not_be_stored_is_a_gap_while_it_is_open(
    connection: Connection,
) -> None:
    number = mirror(connection, JUNE, tile_id="30TWM")
    record = {"slice": 0, "feed": "window", "error": "no name", "first_at": NOW, "last_at": NOW}
    for kind in ("reject", "warning"):
        values = {"scope_id": number, "kind": kind, **record}
        connection.execute(sa.insert(sync_rejects).values(values))
    query = asked(tile_id="30TWM")
    assert gaps(connection, **query) == [(None, "2024-06-01 … 2024-07-01", REJECTS_OPEN)]
    assert gaps(connection, **asked(tile_id="30TXM")) == [
        ("30TXM", "2024-06-01 … 2024-07-01", NOT_MIRRORED)
    ]
    connection.execute(sa.update(sync_rejects).values(resolved_at=NOW))
    assert gaps(connection, **query) == []


def test_the_mirror_is_as_old_as_its_oldest_scope_concerned(connection: Connection) -> None:
    mirror(connection, JUNE, tile_id="30TWM", followed_to="2024-08-01")
    mirror(connection, JULY, tile_id="30TWM", followed_to="2024-07-15")
    mirror(connection, JUNE, tile_id="31TCJ", followed_to="2024-01-01")
    assert survey(connection, tile_id="30TWM").followed_to == day("2024-07-15")
    assert survey(connection, tile_id="32TNT").followed_to is None


def test_notes_name_a_few_tiles_and_count_the_rest(connection: Connection) -> None:
    from satcat import footprints, tiles

    mirror(connection, JUNE, tile_id="30TWM")
    many = tiles.intersecting(footprints.from_bbox(0, 45, 30, 55))[:200]
    line = survey(connection, **asked(tile_id=many, collection=S2)).notes()[0]
    named = ", ".join(many[:5])
    assert line == f"not mirrored: tile {named} and 195 more, 2024-06-01 … 2024-07-01"


def test_many_gaps_are_cut_short(connection: Connection) -> None:
    holes = [(f"2024-{m:02}-01", f"2024-{m:02}-02") for m in range(1, 9)]
    mirror(connection, *holes, tile_id="30TWM")
    mirror(connection, *holes, tile_id="30TWM", collection="SENTINEL-3")
    notes = survey(connection, **asked("2024-01-01", "2024-09-01", tile_id="30TWM")).notes()
    assert notes[10] == "and 6 more such gaps"


MONTHS = [f"2024-{month:02}-01" for month in range(1, 6)]
SPANS = list(pairwise(MONTHS))
TILES = ["30TWM", "30TXM"]
scope_strategy = st.fixed_dictionaries(
    {
        "tile_id": st.sampled_from([None, ["30TWM"], ["30TXM"], TILES]),
        "processing_level": st.sampled_from([None, "L2A", "L1C"]),
        "platform": st.sampled_from([None, None, "S2A"]),
        "done": st.lists(st.booleans(), min_size=len(SPANS), max_size=len(SPANS)),
    }
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    made=st.lists(scope_strategy, max_size=4),
    tiles=st.sampled_from([["30TWM"], TILES]),
    platform=st.sampled_from([None, "S2A"]),
    span=st.sampled_from([(a, b) for a in range(4) for b in range(a + 1, 5)]),
)
def test_a_gap_is_just_what_no_scope_holds(
    database: Database,
    made: list[dict[str, Any]],
    tiles: list[str],
    platform: str | None,
    span: tuple[int, int],
) -> None:
    held = set()
    with database.engine.connect() as connection, connection.begin() as transaction:
        for scope in made:
            filters = {n: scope[n] for n in ("tile_id", "processing_level", "platform")}
            done = [window for window, is_done in zip(SPANS, scope["done"], strict=True) if is_done]
            pending = tuple(window for window in SPANS if window not in done)
            mirror(connection, *done, pending=pending, **filters)
            if filters["processing_level"] != "L1C" and filters["platform"] in (None, platform):
                held |= {(tile, month) for tile in filters["tile_id"] or TILES for month, _ in done}
        whole = SearchFilters(
            collection=S2, tile_id=tiles, processing_level="L2A", platform=platform,
            start_date=MONTHS[span[0]], end_date=day(MONTHS[span[1]]),
        )  # fmt: skip
        found = mirrored.survey(connection, whole, now=NOW).gaps
        transaction.rollback()
    for tile in tiles:
        for start, end in SPANS[span[0] : span[1]]:
            missing = [
                gap for gap in found
                if gap.tile in (None, tile) and gap.interval.intersection(days(start, end))
            ]  # fmt: skip
            assert bool(missing) is ((tile, start) not in held), (tile, start)
            assert all(gap.interval.contains(days(start, end)) for gap in missing)
