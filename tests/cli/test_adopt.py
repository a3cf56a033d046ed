"""`satcat adopt` prints what it finds in every form, and its exit code tells whether all is right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from satcat.cli.adopt import STATES
from satcat.downloads.examine import State
from satcat.sandbox import Sandbox, packages
from tests.cli.conftest import Run


@pytest.fixture
def archive(run: Run, mirror: str, source: Sandbox, tmp_path: Path) -> dict[str, Path]:
    """The packages of three mirrored products, the last one cut, by id."""
    folder = tmp_path / "archive"
    folder.mkdir()
    ids = run("query", "--limit", "3", "-f", "ids").out.split()
    paths = {}
    for product_id in ids:
        record = source.catalogue.products[product_id]
        paths[product_id] = folder / packages.delivered_name(record)
        paths[product_id].write_bytes(b"".join(packages.pieces(record)))
    paths[ids[-1]].write_bytes(paths[ids[-1]].read_bytes()[:1000])
    (folder / "notes.txt").write_text("mine")
    (folder / "S2A_MSIL2A_20200604T110619_N0510_R137_T30TWM_20200604T150000.zip").touch()
    return paths


def test_the_help_words_every_state(run: Run) -> None:
    assert set(STATES) == {str(state) for state in State}
    told = run("adopt", "--help").out
    assert all(f"\n  {state} " in told for state in STATES)


def test_rows_on_stdout_the_sum_on_stderr_and_the_exit_code_tells(
    run: Run, archive: dict[str, Path]
) -> None:
    done = run("adopt", "archive", "-f", "ndjson")
    rows = [json.loads(line) for line in done.out.splitlines()]
    expected: dict[str | None, str] = {
        **dict.fromkeys(archive, "right"), list(archive)[-1]: "partial", None: "unknown",
    }  # fmt: skip
    assert {row["product_id"]: row["state"] for row in rows} == expected
    assert done.err.splitlines() == [
        "2 right, 1 partial, 1 unknown",
        f"2 products recorded as done; {_kilobytes(archive)} right; 1 other file passed over",
        "with --queue, `satcat adopt` queues what is partial or corrupt",
    ]
    assert done.code == 8
    list(archive.values())[-1].unlink()
    assert run("adopt", "archive").code == 0


def _kilobytes(archive: dict[str, Path]) -> str:
    from satcat import wording

    return wording.size(sum(path.stat().st_size for path in list(archive.values())[:-1]))


def test_what_is_wrong_goes_to_the_queue_by_itself_or_through_a_list(
    run: Run, archive: dict[str, Path]
) -> None:
    *_, cut = archive
    listed = run(
        "adopt", "archive", "--dry-run", "--only", "partial", "--only", "unknown", "-f", "ids"
    )
    assert (listed.out, listed.code) == (f"{cut}\n", 8)
    assert "nothing is marked" in run("queue").err
    queued = run("adopt", "archive", "--queue", "-f", "csv", "-o", "found.csv")
    assert "queued 1 product to be downloaded" in queued.err
    assert run("queue", "list", "--status", "queued", "-f", "ids").out == f"{cut}\n"
    assert len(Path("found.csv").read_text().splitlines()) == 5


def test_a_place_that_is_not_there_is_named(run: Run, mirror: str) -> None:
    done = run("adopt", "nowhere")
    assert (done.code, done.err) == (2, "satcat: nowhere: there is no such file or folder\n")
