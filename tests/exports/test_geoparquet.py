"""A GeoParquet file says of itself what version 1.1 of its standard wants, and gives back what the catalogue holds."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from satcat import SearchFilters
from satcat.catalogue import Catalogue
from satcat.errors import MissingLibraryError
from satcat.exports import geoparquet
from satcat.exports.rows import Rows
from satcat.products import RESULT_COLUMNS
from tests.exports.conftest import LINE, fields, geometry

ALL = SearchFilters()


@pytest.fixture
def file(catalogue: Catalogue, tmp_path: Path) -> Path:
    path = tmp_path / "out.parquet"
    assert catalogue.export(path, ALL) == 7
    return path


def geo(path: Path) -> Any:
    return json.loads(pq.read_metadata(path).metadata[b"geo"])


def test_its_metadata_is_that_of_the_standard(file: Path) -> None:
    assert geo(file) == {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {
            "geometry": {
                "encoding": "WKB",
                "geometry_types": ["MultiPolygon", "Polygon"],
                "orientation": "counterclockwise",
                "edges": "planar",
                "bbox": [-180.0, -17.0, 180.0, 90.0],
                "covering": {
                    "bbox": {side: ["bbox", side] for side in ("xmin", "ymin", "xmax", "ymax")}
                },
            }
        },
    }


def test_columns_have_types_and_are_compressed(file: Path) -> None:
    schema = pq.read_schema(file)
    assert schema.names == [*RESULT_COLUMNS, "geometry", "bbox"]
    types = {name: schema.field(name).type for name in schema.names}
    assert types["sensing_start"] == pa.timestamp("us", "UTC")
    assert (types["size_bytes"], types["online"], types["cloud_cover"]) == (
        pa.int64(),
        pa.bool_(),
        pa.float64(),
    )
    assert types["bbox"] == pa.struct(
        [(side, pa.float64()) for side in ("xmin", "ymin", "xmax", "ymax")]
    )
    group = pq.read_metadata(file).row_group(0)
    assert {group.column(place).compression for place in range(group.num_columns)} == {"ZSTD"}


def test_rows_come_back_sorted_by_tile_and_time(file: Path, catalogue: Catalogue) -> None:
    held = catalogue.search(ALL)
    rows = pq.read_table(file).to_pylist()
    order = [(row["tile_id"] or "~", -row["sensing_start"].timestamp()) for row in rows]
    assert order == sorted(order)
    assert {row["id"] for row in rows} == set(held)
    for row in rows:
        product = held[row["id"]]
        for name in RESULT_COLUMNS:
            expected = getattr(product, name)
            assert (json.loads(row[name]) if name == "attributes" else row[name]) == expected, name
        shape = geometry(product.footprint)
        if shape is None:
            assert (row["geometry"], row["bbox"]) == (None, None)
            continue
        back = shapely.from_wkb(row["geometry"])
        assert back.normalize() == shape.normalize()
        assert all(part.exterior.is_ccw for part in shapely.get_parts(back))
        assert tuple(row["bbox"].values()) == shape.bounds


def test_geopandas_reads_it_and_the_part_that_meets_a_box(file: Path) -> None:
    read = geopandas.read_parquet(file)
    assert (len(read), read.crs.to_string()) == (7, "OGC:CRS84")
    near = geopandas.read_parquet(file, bbox=(2.4, 41.4, 2.6, 41.6))
    assert {"S2B_0.SAFE"} <= set(near["name"]) < set(read["name"])


def test_what_was_asked_for_decides_the_order(catalogue: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "out.geoparquet"
    catalogue.export(path, ALL, columns=["id"], limit=3)
    assert pq.read_schema(path).names == ["id", "geometry", "bbox"]
    assert pq.read_table(path)["id"].to_pylist() == list(catalogue.search(ALL, limit=3))


def test_lines_and_files_without_rows_are_told(
    catalogue: Catalogue, add_products: Callable[..., None], tmp_path: Path
) -> None:
    path = tmp_path / "out.parquet"
    assert catalogue.export(path, SearchFilters(tile_id="33UUP")) == 0
    assert geo(path)["columns"]["geometry"]["geometry_types"] == []
    assert "bbox" not in geo(path)["columns"]["geometry"]
    assert pq.read_table(path).num_rows == 0
    add_products(fields(7, LINE))
    catalogue.export(path, ALL)
    assert geo(path)["columns"]["geometry"]["geometry_types"] == [
        "LineString",
        "MultiPolygon",
        "Polygon",
    ]


def many(count: int) -> Iterator[tuple[object, ...]]:
    wkb = shapely.box(0, 0, 1, 1).wkb
    for number in range(count):
        yield (f"{number:036d}", wkb, {"n": number})


def test_rows_stream_into_groups(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    before, peaks = pa.total_allocated_bytes(), []

    def watched() -> Iterator[tuple[object, ...]]:
        for number, row in enumerate(many(20_000)):
            if number % 500 == 0:
                peaks.append(pa.total_allocated_bytes() - before)
            yield row

    rows = Rows(["id", "footprint", "attributes"], watched())
    assert geoparquet.write(rows, path, row_group=1000) == 20_000
    groups = pq.read_metadata(path)
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [1000] * 20
    assert max(peaks) < 2_000_000  # all rows would be 4 MB


def test_without_pyarrow_it_says_what_to_install(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingLibraryError, match=r"pip install 'satcat-mirror\[parquet\]'"):
        catalogue.export(tmp_path / "out.parquet", ALL)
    assert not any(path.name.startswith((".out", "out")) for path in tmp_path.iterdir())
