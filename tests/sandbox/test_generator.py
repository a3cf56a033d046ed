"""The generated catalogue: always the same, and like the real one where it matters."""

from __future__ import annotations

import re
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime

import pytest
import shapely

from satcat import tiles
from satcat.sandbox import Record, Sandbox
from satcat.sandbox.generator import SPAN, generate
from satcat.sandbox.listing import Selection
from satcat.sandbox.listings import listing
from satcat.sandbox.records import attribute
from satcat.sandbox.sentinel2 import TILES, passes, tracks

NAMES = {
    "S2MSI1C": r"S2[ABC]_MSIL1C_\d{8}T\d{6}_N\d{4}_R\d{3}_T\d{2}[A-Z]{3}_\d{8}T\d{6}\.SAFE",
    "S2MSI2A": r"S2[ABC]_MSIL2A_\d{8}T\d{6}_N\d{4}_R\d{3}_T\d{2}[A-Z]{3}_\d{8}T\d{6}\.SAFE",
    "IW_GRDH_1S": r"S1A_IW_GRDH_1SDV(_\d{8}T\d{6}){2}_\d{6}_[0-9A-F]{6}_[0-9A-F]{4}\.SAFE",
    "IW_SLC__1S": r"S1A_IW_SLC__1SDV(_\d{8}T\d{6}){2}_\d{6}_[0-9A-F]{6}_[0-9A-F]{4}\.SAFE",
    "AUX_POEORB": r"S1A_OPER_AUX_POEORB_OPOD_\d{8}T\d{6}_V\d{8}T\d{6}_\d{8}T\d{6}\.EOF",
    "OL_1_EFR___": r"S3A_OL_1_EFR____(\d{8}T\d{6}_){3}\d{4}_\d{3}_\d{3}_\d{4}_PS1_O_NT_004\.SEN3",
    "L2__NO2___": r"S5P_OFFL_L2__NO2____(\d{8}T\d{6}_){2}\d{5}_03_\d{6}_\d{8}T\d{6}\.nc",
}


@pytest.fixture(scope="module")
def records() -> Sequence[Record]:
    return generate(2000)


@pytest.fixture(scope="module")
def sentinel2(records: Sequence[Record]) -> Sequence[Record]:
    return [record for record in records if record.collection == "SENTINEL-2"]


@pytest.mark.parametrize("n", [0, 1, 7, 100, 2000, 5000])
def test_there_are_as_many_as_asked_for(n: int) -> None:
    assert len({record.id for record in generate(n)}) == n


def test_the_same_seed_gives_the_same_products(records: Sequence[Record]) -> None:
    generate.cache_clear()
    assert generate(2000) == records
    assert not {r.id for r in generate(2000, seed=2)} & {r.id for r in records}


def test_what_is_published_by_script_is_the_same_too() -> None:
    first, second = (Sandbox(products=0, seed=3).catalogue for _ in range(2))
    assert first.publish_random(20) == second.publish_random(20)


def test_names_follow_the_grammar_of_their_type(records: Sequence[Record]) -> None:
    assert {record.product_type for record in records} == set(NAMES)
    for record in records:
        assert re.fullmatch(NAMES[record.product_type], record.name), record.name


def test_sentinel_2_is_most_of_it_in_both_levels_and_three_satellites(
    sentinel2: Sequence[Record],
) -> None:
    assert 1700 < len(sentinel2) < 1900
    levels = Counter(record.product_type for record in sentinel2)
    assert abs(levels["S2MSI1C"] - levels["S2MSI2A"]) < 100
    assert {record.name[:3] for record in sentinel2} == {"S2A", "S2B", "S2C"}
    assert {record.tile_id for record in sentinel2} <= set(TILES)


def test_the_tiles_of_a_datatake_share_its_sensing_start(sentinel2: Sequence[Record]) -> None:
    starts = defaultdict(set)
    tile_ids = defaultdict(set)
    for record in sentinel2:
        key = record.name[:3], record.sensing_start.date(), attribute(record, "orbitNumber")
        starts[key].add(record.sensing_start)
        tile_ids[key].add(record.tile_id)
    assert all(len(found) == 1 for found in starts.values())
    assert max(map(len, tile_ids.values())) > 5


def test_name_and_attributes_agree(sentinel2: Sequence[Record]) -> None:
    for record in sentinel2:
        _, _, sensed, baseline, orbit, tile, _ = record.name.removesuffix(".SAFE").split("_")
        assert tile == f"T{record.tile_id}"
        assert sensed == f"{record.sensing_start:%Y%m%dT%H%M%S}"
        assert orbit == f"R{attribute(record, 'relativeOrbitNumber'):03}"
        assert baseline == "N" + str(attribute(record, "processorVersion")).replace(".", "")
        assert f"_T{record.tile_id}_" in str(attribute(record, "granuleIdentifier"))


def test_footprints_are_whole_tiles_or_parts_cut_by_the_swath(sentinel2: Sequence[Record]) -> None:
    shares = []
    for wkt, tile_id in {(r.footprint, r.tile_id) for r in sentinel2}:
        assert wkt is not None
        assert tile_id is not None
        footprint, tile = shapely.from_wkt(wkt), tiles.footprint(tile_id)
        assert footprint.is_valid
        assert tile.buffer(1e-6).contains(footprint)
        shares.append(footprint.area / tile.area)
    assert max(shares) == pytest.approx(1)
    assert min(shares) < 0.5


def test_dates_come_in_their_order_and_before_now(records: Sequence[Record]) -> None:
    for record in records:
        assert SPAN[0] <= record.sensing_start.date() < SPAN[1]
        assert record.sensing_start <= record.sensing_end < record.origin_date
        assert record.origin_date < record.publication_date < record.modification_date
        assert record.modification_date < datetime(2025, 4, 1, tzinfo=UTC)


def test_a_year_has_every_month_and_all_kinds_of_sky(sentinel2: Sequence[Record]) -> None:
    assert {record.sensing_start.month for record in sentinel2} == set(range(1, 13))
    clouds = [record.cloud_cover for record in sentinel2 if record.cloud_cover is not None]
    assert len(clouds) == len(sentinel2)
    assert min(clouds) == 0
    assert max(clouds) == 100
    assert 0.15 < sum(cloud <= 20 for cloud in clouds) / len(clouds) < 0.7


def test_some_were_reprocessed_and_some_ids_share_a_name(sentinel2: Sequence[Record]) -> None:
    assert any("_N0511_" in record.name for record in sentinel2)
    names = Counter(record.name for record in sentinel2)
    assert 1 <= sum(count == 2 for count in names.values()) < 20


def test_orbit_files_have_no_footprint(records: Sequence[Record]) -> None:
    for record in records:
        assert (record.footprint is None) == (record.product_type == "AUX_POEORB")


def test_a_known_pass_is_flown() -> None:
    flown = list(passes(0, date(2024, 6, 1), date(2024, 6, 11)))
    assert [(t.platform, t.relative_orbit, f"{t.sensing_start:%m-%dT%H:%M:%S}") for t in flown] == [
        ("S2B", 137, "06-04T11:06:19"),
        ("S2A", 137, "06-09T11:06:19"),
    ]
    assert {next(passes(track, *SPAN)).relative_orbit for track in (1, 2, 3)} == {94, 51, 8}


def test_a_tile_is_seen_by_neighbouring_orbits() -> None:
    assert set(tracks("30TWM")) == {0, 1}
    assert set(tracks("01KAB")) == {0}  # it crosses 180°: taken whole
    assert "MULTIPOLYGON" in tracks("01KAB")[0]


def test_a_large_catalogue_spreads_over_more_tiles() -> None:
    many = Counter(record.tile_id for record in generate(6000))
    assert len(many) > 20
    assert "30TWM" in many


def test_products_of_the_future_are_left_out() -> None:
    now = datetime(2024, 7, 1, tzinfo=UTC)
    early = Sandbox(products=500, now=now).catalogue.products.values()
    assert 100 < len(early) < 400
    assert max(record.modification_date for record in early) <= now


def test_hundreds_of_thousands_of_products_fit_in_memory() -> None:
    generate(100)  # what is loaded once does not count
    tracemalloc.start()
    sandbox = Sandbox(products=6000, seed=77)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(sandbox.catalogue.products) == 6000
    assert taken / 6000 < 2000  # bytes each: 200,000 stay under 400 MB


def test_the_checksums_of_a_page_are_made_once() -> None:
    sandbox = Sandbox(products=200)
    query = {"$top": ["1000"], "$expand": ["Attributes"], "$orderby": ["PublicationDate"]}
    first = listing(sandbox.catalogue, query, "", products=True)
    made = [record.digests for record in sandbox.catalogue.products.values()]
    assert None not in made
    assert listing(sandbox.catalogue, query, "", products=True).body == first.body
    again = [record.digests for record in sandbox.catalogue.products.values()]
    assert all(one is other for one, other in zip(made, again, strict=True))


def test_a_page_of_a_large_catalogue_looks_at_few_rows() -> None:
    sandbox = Sandbox(products=5000)
    day = datetime(2024, 6, 4, tzinfo=UTC), datetime(2024, 6, 6, tzinfo=UTC)
    looked_at = []
    wanted = Selection({"ContentDate/Start": day}, lambda record: looked_at.append(record) or True,
                       "PublicationDate")  # fmt: skip
    found = sandbox.catalogue.select_products(wanted)
    assert looked_at
    assert {record.id for record in looked_at} == {record.id for record in found}
    assert len(found) < 100
