"""Some files of a product: what is fetched, kept, refused and recorded."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from satcat.database import Database
from satcat.downloads.check import FileState, verify_files
from satcat.downloads.worker import Timing
from satcat.models import downloads
from satcat.sandbox import Sandbox, packages
from satcat.sandbox.responses import as_json

#: A run that gives up no source while a slow machine is at it.
WAITING = Timing(lease=5, beat=0.1, look=0.2, poll=0.02, patience=60)


@pytest.fixture
def want(database: Database) -> Callable[..., None]:
    """Set which files a row asks for, as plain SQL does."""

    def want(product_id: str, *patterns: str, **others: Any) -> None:
        one = sa.update(downloads).where(downloads.c.product_id == product_id)
        with database.write() as connection:
            connection.execute(one.values(include="\n".join(patterns) or None, **others))

    return want


def listing(folder: str) -> Callable[[Any], bool]:
    """Match the listing of a folder, and not those of what is in it."""
    return lambda request: request.path.endswith(f"{folder})/Nodes")


@pytest.fixture
def once(run: Callable[..., Any], watcher: Any) -> Callable[[], Any]:
    """A run that ends after its first row, so that no wait for another attempt is waited out."""

    def once() -> Any:
        watcher.on_finish = lambda outcome: watcher.stop.set()
        return run(progress=watcher, stop=watcher.stop, workers=1)

    return once


def inside(folder: Path) -> dict[str, bytes]:
    """The files of a folder by their paths, hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def package(sandbox: Sandbox, product_id: str) -> dict[str, bytes]:
    """What the product's package holds, by the paths inside its folder."""
    files = packages.files(sandbox.catalogue.products[product_id])
    return {file.path.partition("/")[2]: b"".join(file.pieces) for file in files}


def test_only_the_wanted_files_and_the_manifest_come_into_a_safe_folder(
    publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], want: Callable[..., None],
    sandbox: Sandbox, out: Path,
) -> None:  # fmt: skip
    (one,) = publish()
    want(one, "*_B0[34]_10m.jp2", "*MTD*.xml")
    assert run().done == 1
    whole, here = package(sandbox, one), inside(Path(row(one).path))
    assert {name for name in here if not name.endswith((".jp2", ".xml"))} == {"manifest.safe"}
    assert sorted(here) == sorted(n for n in whole if "_B02" not in n and "_B08" not in n)
    assert all(whole[name] == content for name, content in here.items())
    assert os.listdir(out) == [sandbox.catalogue.products[one].name]
    found = row(one)
    assert (found.status, found.verification, found.checksum) == ("done", "manifest", None)
    assert found.size_bytes == sum(map(len, here.values())) == found.bytes_done
    assert not [r for r in sandbox.log.matching("$value") if "Nodes" not in str(r)]


def test_patterns_mean_paths_too_and_folders_out_of_reach_are_not_listed(
    publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], want: Callable[..., None],
    sandbox: Sandbox,
) -> None:  # fmt: skip
    s1, s2 = publish(collection="SENTINEL-1"), publish()
    want(*s1, "annotation/*.xml")
    want(*s2, "MTD_*.xml")
    assert run().done == 2
    assert set(inside(Path(row(*s1).path))) == {"manifest.safe", "annotation/product.xml"}
    listed = [str(r).partition("/Nodes")[2] for r in sandbox.log.matching("/Nodes") if "$value" not in str(r)]  # fmt: skip
    assert any("annotation" in steps for steps in listed)
    assert not any("measurement" in steps for steps in listed)
    assert any("IMG_DATA" in steps for steps in listed)  # a bare name may be anywhere


def test_a_sen3_product_keeps_its_ending_and_a_single_file_is_itself(
    publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], want: Callable[..., None],
    sandbox: Sandbox,
) -> None:  # fmt: skip
    (s3,), (s5,) = publish(collection="SENTINEL-3"), publish(collection="SENTINEL-5P")
    want(s3, "Oa01*.nc")
    want(s5, "*.nc")
    assert run().done == 2
    assert Path(row(s3).path).name == sandbox.catalogue.products[s3].name
    assert set(inside(Path(row(s3).path))) == {"xfdumanifest.xml", "Oa01_radiance.nc"}
    assert row(s3).verification == "manifest"
    assert Path(row(s5).path).is_file() and row(s5).verification == "checksum"


def test_what_no_pattern_matches_fails_and_names_the_patterns_and_the_files(
    publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], want: Callable[..., None],
    out: Path,
) -> None:  # fmt: skip
    ids = [*publish(), *publish(collection="SENTINEL-5P")]
    for one in ids:
        want(one, "*_B99.jp2", "*.tif")
    assert run().failed == 2
    for one, files in zip(ids, ("6", "1"), strict=True):
        assert row(one).error.endswith(
            f"no file matches *_B99.jp2 or *.tif; its package has {files}"
        )
        assert row(one).path is None
    assert os.listdir(out) == []


def test_two_products_of_one_name_have_two_folders(
    publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], want: Callable[..., None],
    sandbox: Sandbox, out: Path,
) -> None:  # fmt: skip
    (one,) = publish()
    (two,) = publish(name=sandbox.catalogue.products[one].name)
    for each in (one, two):
        want(each, "*_B03*")
    assert run(workers=2).done == 2
    name = sandbox.catalogue.products[one].name
    first, second = sorted((row(i).path for i in (one, two)), key=len)
    assert Path(first).name == name
    assert Path(second).name in {name.replace(".SAFE", f"_{i[:8]}.SAFE") for i in (one, two)}
    for each in (one, two):
        assert inside(Path(row(each).path)).items() <= package(sandbox, each).items()


def test_a_folder_that_is_there_and_not_ours_is_left_alone(
    publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], want: Callable[..., None],
    sandbox: Sandbox, out: Path,
) -> None:  # fmt: skip
    (one,) = publish()
    foreign = out / sandbox.catalogue.products[one].name
    foreign.mkdir(parents=True)
    want(one, "*_B03*")
    assert run().done == 1
    assert list(foreign.iterdir()) == []
    assert Path(row(one).path) == out / f"{foreign.stem}_{one[:8]}.SAFE"


HOSTILE = [
    "..", ".", "../../../../tmp/out.jp2", "/etc/out.jp2", "a\\..\\out.jp2", "C:out.jp2", "CON.jp2", "nul.jp2", "x.jp2 ",
    "x.jp2.", "a\x00.jp2", "a\n.jp2", "\ud800.jp2", "a" * 300 + ".jp2", "a/b.jp2", "x\u202e.jp2", "~/x.jp2",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("is_folder", [False, True])
def test_a_name_that_leads_elsewhere_is_refused_and_nothing_is_written(
    name: str, is_folder: bool, publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any],
    want: Callable[..., None], sandbox: Sandbox, out: Path, tmp_path: Path,
) -> None:  # fmt: skip
    (one,) = publish()
    want(one, "*")

    def add(answer: dict[str, Any]) -> dict[str, Any]:
        size, children = (0, 1) if is_folder else (5, 0)
        entry = {"Id": name, "Name": name, "ContentLength": size, "ChildrenNumber": children}
        return {"result": [*answer["result"], entry]}

    sandbox.faults.next("edited", edit=add, match=listing(".SAFE"))
    before = {path for path in tmp_path.rglob("*") if out not in path.parents}
    assert run().failed == 1
    assert (row(one).status, "not safe" in row(one).error) == ("bad_at_source", True)
    assert row(one).error.isprintable() and len(row(one).error) <= 500
    assert {path for path in tmp_path.rglob("*") if out not in path.parents} - before <= {out}
    assert os.listdir(out) == []


def test_files_that_some_systems_take_for_one_are_refused(
    publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], want: Callable[..., None],
    sandbox: Sandbox,
) -> None:  # fmt: skip
    (one,) = publish()
    want(one, "*.xml")

    def shout(answer: dict[str, Any]) -> dict[str, Any]:
        twins = [{**e, "Name": e["Name"].upper()} for e in answer["result"] if e["Name"].endswith(".xml")]  # fmt: skip
        twins = [{**e, "Name": e["Name"].replace(".XML", ".xml").lower().replace("mtd", "mTd")} for e in twins]  # fmt: skip
        return {"result": [*answer["result"], *twins]}

    sandbox.faults.next("edited", edit=shout, match=listing(".SAFE"))
    run()
    assert row(one).status == "bad_at_source" and "beside each other" in row(one).error


@pytest.mark.parametrize(
    "answer",
    [
        [], {}, {"result": None}, {"result": [1]}, {"result": [{"Name": ""}]}, {"result": [{"Name": 5}]},
        {"result": [{"Name": "x"}]}, {"result": [{"Name": "x", "ContentLength": -1, "ChildrenNumber": 0}]},
        {"result": [{"Name": "x", "ContentLength": 2**70, "ChildrenNumber": 0}]},
        {"result": [{"Name": "x", "ContentLength": True, "ChildrenNumber": 0}]},
    ],
)  # fmt: skip
def test_a_listing_that_is_none_is_asked_for_again(
    answer: Any, publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any],
    want: Callable[..., None], sandbox: Sandbox,
) -> None:  # fmt: skip
    (one,) = publish()
    want(one, "*_B03*")
    sandbox.faults.next("edited", edit=lambda true: answer, match="/Nodes")
    assert run().done == 1 and row(one).attempts == 0


@pytest.mark.parametrize("number", [1, 200, 30_000])
def test_a_package_without_end_is_given_up(
    number: int, publish: Callable[..., list[str]], once: Callable[[], Any], row: Callable[[str], Any],
    want: Callable[..., None], sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (one,) = publish()
    want(one, "*.xml")
    entries = [{"Name": f"d{n}", "ContentLength": 0, "ChildrenNumber": 1} for n in range(number)]
    top = {"result": entries[:1]}

    def endless(view: object, id: str, path: str, base: str) -> Any:
        return as_json(200, {"result": entries} if path else top)

    monkeypatch.setattr(sandbox.delivery, "nodes", endless)
    once()
    assert row(one).status == "bad_at_source" and "entries" in row(one).error
    assert len(sandbox.log) <= 120 and "$value" not in str(list(sandbox.log))


@pytest.mark.parametrize("lie", [-1, 1, 5000])
def test_a_size_that_is_not_that_of_the_listing_is_never_taken(
    lie: int, publish: Callable[..., list[str]], once: Callable[[], Any], row: Callable[[str], Any],
    want: Callable[..., None], sandbox: Sandbox, out: Path,
) -> None:  # fmt: skip
    (one,) = publish()
    want(one, "*_B03*")

    def off(answer: dict[str, Any]) -> dict[str, Any]:
        return {"result": [{**e, "ContentLength": e["ContentLength"] + lie} for e in answer["result"]]}  # fmt: skip

    sandbox.faults.next("edited", n=99, edit=off, match=listing("R10m"))
    once()
    assert row(one).status == "bad_at_source" and "size is" in row(one).error
    assert not list(out.glob("*.SAFE"))


def test_a_product_replaced_between_listing_and_fetching_is_listed_again(
    publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], want: Callable[..., None],
    sandbox: Sandbox,
) -> None:  # fmt: skip
    (one,) = publish(size_bytes=80_000)
    want(one, "*_B03*")
    sandbox.faults.on_request(
        lambda request: sandbox.catalogue.replace(one, size_bytes=120_000), match="_B03"
    )
    assert run().done == 1
    assert inside(Path(row(one).path)).items() <= package(sandbox, one).items()


@pytest.mark.parametrize(
    "kind", ["corrupt", "cut", "html", "truncated", "reset", "unsized", "drip"]
)
def test_no_fault_leaves_a_wrong_file_behind(
    kind: Any, publish: Callable[..., list[str]], once: Callable[[], Any], row: Callable[[str], Any],
    want: Callable[..., None], sandbox: Sandbox,
) -> None:  # fmt: skip
    (one,) = publish()
    want(one, "*_B0[34]*", "*.xml")
    sandbox.faults.next(kind, match="manifest.safe)/$value", rate=1e6, after=60)
    sandbox.faults.next(kind, match="_B03_10m.jp2)/$value", rate=1e6, after=100)
    sandbox.faults.next(kind, match="MTD", rate=1e6, after=100)
    assert once().done == 1
    assert inside(Path(row(one).path)).items() <= package(sandbox, one).items()
    assert row(one).verification == "manifest"


def test_a_file_that_its_manifest_contradicts_is_bad_at_source(
    publish: Callable[..., list[str]], once: Callable[[], Any], row: Callable[[str], Any], want: Callable[..., None],
    sandbox: Sandbox, out: Path,
) -> None:  # fmt: skip
    (one,) = publish()
    want(one, "*_B03*")
    sandbox.faults.next("corrupt", n=99, match="_B03")
    once()
    assert row(one).status == "bad_at_source" and "md5" in row(one).error and "_B03" in row(one).error  # fmt: skip
    assert not list(out.glob("*.SAFE"))


def test_without_a_usable_manifest_the_sizes_count(
    publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], want: Callable[..., None],
    sandbox: Sandbox,
) -> None:  # fmt: skip
    (one,) = publish()
    want(one, "*_B03*")

    def without(answer: dict[str, Any]) -> dict[str, Any]:
        return {"result": [e for e in answer["result"] if e["Name"] != "manifest.safe"]}

    sandbox.faults.next("edited", edit=without, match=listing(".SAFE"))
    assert run().done == 1
    assert row(one).verification == "size_only" and len(inside(Path(row(one).path))) == 1


@pytest.mark.parametrize("where", ["/Nodes", listing("R10m"), "$value"])
def test_being_asked_to_wait_is_no_failure_and_what_is_here_is_kept(
    where: Any, publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any],
    want: Callable[..., None], sandbox: Sandbox,
) -> None:  # fmt: skip
    (one,) = publish()
    want(one, "*_B03*")
    sandbox.faults.next("status", n=3, status=429, retry_after=0, match=where)
    assert run(timing=WAITING).done == 1
    assert (row(one).attempts, row(one).claim) == (0, 1)


@pytest.mark.parametrize("kind", ["status", "reset", "html"])
def test_a_listing_that_fails_is_tried_again_alone(
    kind: Any, publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any],
    want: Callable[..., None], sandbox: Sandbox,
) -> None:  # fmt: skip
    (one,) = publish()
    want(one, "*_B03*")
    sandbox.faults.next(kind, n=2, match=listing("R10m"))
    assert run().done == 1 and row(one).claim == 1
    assert len([r for r in sandbox.log.matching("/Nodes") if "$value" not in str(r)]) == 6 + 2


def test_products_that_are_gone_or_archived_are_said_to_be(
    publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], want: Callable[..., None],
    sandbox: Sandbox,
) -> None:  # fmt: skip
    gone, archived = publish(2)
    for one in (gone, archived):
        want(one, "*_B03*")
    sandbox.catalogue.delete(gone)
    sandbox.catalogue.take_offline(archived)
    report = run()
    assert (report.failed, report.skipped) == (1, 1)
    assert (row(gone).status, row(archived).status) == ("gone", "offline")


def test_files_that_are_here_and_right_are_not_fetched_again(
    publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], want: Callable[..., None],
    sandbox: Sandbox,
) -> None:  # fmt: skip
    (one,) = publish()
    want(one, "*.jp2")
    run()
    folder = Path(row(one).path)
    altered = next(folder.rglob("*_B03*"))
    altered.write_bytes(b"x" * altered.stat().st_size)
    next(folder.rglob("*_B04*")).unlink()
    want(one, "*.jp2", status="queued")
    sandbox.log.clear()
    assert run().done == 1
    assert len(sandbox.log.matching("$value")) == 2
    assert Path(row(one).path) == folder
    assert inside(folder).items() <= package(sandbox, one).items()


def test_a_blank_pattern_means_the_whole(
    publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], want: Callable[..., None],
) -> None:  # fmt: skip
    (one,) = publish()
    want(one, " ", "")
    assert run().done == 1
    assert (row(one).include, row(one).verification) == (None, "checksum")


def test_parts_are_not_counted_as_held(
    publish: Callable[..., list[str]],
    run: Callable[..., Any],
    want: Callable[..., None],
    database: Database,
) -> None:
    part, _ = publish(2)
    want(part, "*_B03*")
    assert run().done == 2
    with database.read() as connection:
        held = connection.scalar(sa.text("SELECT sum(downloaded) FROM tile_coverage"))
    assert held == 1


def test_a_row_takes_one_connection(
    publish: Callable[..., list[str]],
    run: Callable[..., Any],
    want: Callable[..., None],
    sandbox: Sandbox,
) -> None:
    for one in publish(6):
        want(one, "*")
    assert run().done == 6
    assert sandbox.log.peak("$value") <= 4


def test_verify_looks_at_parts_for_what_was_asked_of_them(
    publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], want: Callable[..., None],
    database: Database, sandbox: Sandbox,
) -> None:  # fmt: skip
    fine, missing, altered, unlisted = publish(4)
    for one in (fine, missing, altered, unlisted):
        want(one, "*_B0[34]_10m.jp2")

    def without(answer: dict[str, Any]) -> dict[str, Any]:
        return {"result": [e for e in answer["result"] if e["Name"] != "manifest.safe"]}

    sandbox.faults.next(
        "edited", edit=without, match=lambda request: listing(".SAFE")(request) and unlisted in request.path
    )  # fmt: skip
    assert run().done == 4 and row(unlisted).verification == "size_only"
    report = verify_files(database)
    assert report.ok == 3 and [p.state for p in report.problems] == [FileState.UNCHECKED]
    next(Path(row(missing).path).rglob("*_B03*")).unlink()
    next(Path(row(unlisted).path).rglob("*_B04*")).unlink()
    band = next(Path(row(altered).path).rglob("*_B04*"))
    band.write_bytes(bytes(band.stat().st_size))
    report = verify_files(database, requeue=True)
    assert {p.product_id for p in report.problems} == {missing, altered, unlisted}
    assert run().done == 3 and verify_files(database).ok == 4


def test_folders_follow_the_layout_whatever_an_earlier_run_had(
    publish: Callable[..., list[str]], run: Callable[..., Any], row: Callable[[str], Any], want: Callable[..., None],
    sandbox: Sandbox, out: Path,
) -> None:  # fmt: skip
    (one,) = publish()
    want(one, "*_B03*")
    sandbox.faults.next("status", n=20, status=422, match="_B03")
    run()
    assert row(one).status == "failed" and list(out.glob(".*.parts/manifest.safe"))
    sandbox.faults.clear()
    sandbox.log.clear()
    want(one, "*_B03*", status="queued")
    assert run(layout="collection/date/tile").done == 1
    assert len(sandbox.log.matching("$value")) == 1  # the manifest was here
    assert len(Path(row(one).path).relative_to(out).parts) == 4
    assert [path.name for path in out.iterdir()] == ["SENTINEL-2"]


def test_a_row_called_off_leaves_nothing(
    publish: Callable[..., list[str]], run: Callable[..., Any], want: Callable[..., None], sandbox: Sandbox,
    out: Path,
) -> None:  # fmt: skip
    (one,) = publish()
    want(one, "*_B03*")
    sandbox.faults.on_request(lambda request: want(one, "*_B03*", status="cancelled"), match="_B03")
    run()
    assert os.listdir(out) == []
