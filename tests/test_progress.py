"""What people see of long work."""

from __future__ import annotations

import io
import json
import re
from contextlib import redirect_stderr

import pytest

from satcat import progress
from satcat.downloads.queue import Held
from satcat.downloads.report import Item, Outcome
from satcat.progress.downloads import DownloadLines
from satcat.progress.events import DownloadEvents
from satcat.terminal import fitted

FILE = Held("/x/S2A.zip", 1000, "blake3", "0" * 64, "checksum")
DONE, FAILED = Outcome("done", file=FILE), Outcome("failed", "no luck")


def item(number: int = 1, *, name: str | None = None, size: int | None = 1000) -> Item:
    return Item(f"id-{number}", name or f"S2A_{number}.SAFE", size)


class Terminal(io.StringIO):
    """A stderr that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_bar_shows_the_total_also_when_it_grows() -> None:
    with redirect_stderr(Terminal()) as terminal:
        bar = progress.of_sync(quiet=False)
        bar.begin("tiles", 10)
        bar.expect(5)
        bar.advance(15)
        bar.say("a word")
        bar.end()
    assert "15/15" in terminal.getvalue()
    assert "a word\n" in terminal.getvalue()


def test_what_has_no_known_end_claims_none() -> None:
    with redirect_stderr(Terminal()) as terminal:
        bar = progress.of_sync(quiet=False)
        bar.begin("changes", None)
        bar.advance(1500)
        bar.end()
    assert "changes [00:00, 1,500 products]" in terminal.getvalue()
    assert "%" not in terminal.getvalue()


def test_without_a_terminal_a_line_comes_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr("satcat.progress.syncs.time.monotonic", lambda: now)
    lines = progress.of_sync(quiet=False)
    lines.begin("tiles", 1000)
    for now in range(1, 91):  # noqa: B007 - the clock above reads it
        lines.advance(10)
    lines.end()
    assert capsys.readouterr().err.splitlines() == [
        "tiles: 300 of 1,000 products, 10.0 a second",
        "tiles: 600 of 1,000 products, 10.0 a second",
        "tiles: 900 of 1,000 products, 10.0 a second",
    ]


def test_quiet_shows_nothing() -> None:
    with redirect_stderr(Terminal()) as terminal:
        bar = progress.of_sync(quiet=True)
        bar.begin("tiles", 10)
        bar.say("a word")
        bar.end()
        watch = progress.of_downloads(quiet=True, files=1, size=10)
        watch.started(item(size=10))
        watch.finished(item(size=10), DONE)
        watch.end()
    assert terminal.getvalue() == ""


def test_download_bars_add_up_and_leave_one_line() -> None:
    with redirect_stderr(Terminal()) as terminal:
        watch = progress.of_downloads(quiet=False, files=3, size=3000)
        one, two, three = (item(n) for n in range(3))
        watch.started(one)
        watch.started(two)
        watch.advanced(one, 700, 1000, 700)
        watch.advanced(one, 100, 1000, 100)  # it had to start again
        watch.advanced(one, 1000, 1000, 1000)
        watch.finished(one, DONE)
        watch.started(three)
        watch.finished(three, DONE)  # was here already
        watch.advanced(two, 10, 1000, 10)
        watch.finished(two, FAILED)
        watch.end()
    assert watch.failed == {two.product_id: "failed"}
    text = terminal.getvalue()
    assert f"failed: {two.name}: no luck\n" in text
    assert re.match(r"3 of 3 files +67% ", text.splitlines()[-1].rpartition("\r")[2])


def test_a_product_that_failed_and_then_came_is_no_failure() -> None:
    watch = progress.DownloadWatch()
    product = item(size=10)
    watch.finished(product, FAILED)
    watch.finished(product, DONE)
    assert watch.failed == {}


def test_hostile_names_cannot_drive_the_terminal() -> None:
    product = item(name="\x1b]0;pwned\x07")
    with redirect_stderr(Terminal()) as terminal:
        watch = progress.of_downloads(quiet=False, files=1, size=10)
        watch.started(product)
        watch.finished(product, FAILED)
        watch.end()
    assert "\x1b]0" not in terminal.getvalue()
    assert "failed: \\x1b]0;pwned\\x07" in terminal.getvalue()


def test_without_a_terminal_each_file_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    watch = progress.of_downloads(quiet=False, files=2, size=2000)
    one, two = item(1), item(2)
    with watch:
        for each in (one, two):
            watch.started(each)
            watch.advanced(each, 1000, 1000, 0)
        watch.finished(one, DONE)
        watch.waiting("cannot reach h")
        watch.resumed(90)
        watch.finished(two, Outcome("retry", f"{two.name}: cut", wait=30))
        watch.finished(two, Outcome("released"))
    said = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        r"done: S2A_1.SAFE \(1.0 kB, was here already, checked by checksum\)", said[0]
    )
    assert said[1:] == [
        "waiting: cannot reach h", "going on after 1 min 30 s", "retry: S2A_2.SAFE: cut; again in 30 s",
    ]  # fmt: skip


def test_a_file_that_came_in_one_go_has_its_size_said_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with DownloadLines(files=1, total=1000) as watch:
        watch.started(item())
        watch.advanced(item(), 1000, 1000, 1000)
        watch.finished(item(), DONE)
    assert "(1.0 kB in less than a second, checked by checksum)" in capsys.readouterr().err


def test_what_was_hashed_of_an_earlier_run_does_not_count_as_fetched(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with DownloadLines(files=1, total=1000) as watch:
        watch.started(item())
        for hashed in (200, 400, 700):
            watch.advanced(item(), hashed, None, 0)
        watch.advanced(item(), 1000, 1000, 300)
        watch.finished(item(), DONE)
    assert "(1.0 kB, 300 B in less than a second, checked" in capsys.readouterr().err


def test_a_log_says_now_and_then_how_far_all_is(capsys: pytest.CaptureFixture[str]) -> None:
    watch = DownloadLines(files=4, total=4000)
    with watch:
        for each in (item(1), item(2)):
            watch.started(each)
            watch.advanced(each, 400, 1000, 0)
            watch.advanced(each, 500, 1000, 100)
        watch.tell()
        watch.finished(item(1), FAILED)
        watch.finished(item(2), DONE)
        watch.tell()  # nothing is on its way
    said = capsys.readouterr().err.splitlines()
    assert re.fullmatch(
        r"0 of 4 files, 2 on their way, 1.0 kB of 4.0 kB, \S+ \S?B/s, about .* left", said[0]
    )
    assert len(said) == 3


@pytest.mark.parametrize("columns", [40, 80, 120, 300])
def test_names_are_fitted_to_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    name = "S2B_MSIL2A_20240604T110619_N0510_R137_T30TWM_20240604T125003.SAFE"
    shown = fitted(name, beside=46)
    assert len(shown) == max(12, columns - 46)
    assert shown.rstrip() == name or (shown.startswith("S2B") and "T30TWM"[-4:] in shown)


class ClosedPipe(Terminal):
    """A stream whose reader has gone."""

    def write(self, text: str) -> int:
        raise BrokenPipeError

    def flush(self) -> None:
        raise BrokenPipeError


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_closed_stderr_stops_nothing(is_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClosedPipe, "isatty", lambda self: is_terminal)
    with redirect_stderr(ClosedPipe()):
        with progress.of_downloads(quiet=False, files=1, size=10) as watch:
            watch.started(item())
            watch.advanced(item(), 10, 1000, 10)
            watch.waiting("a word")
            watch.finished(item(), FAILED)
        progress.write("another")
        assert not watch.stop.is_set()


def test_events_are_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    watch = DownloadEvents(every=600)
    with pytest.raises(ValueError, match="told"), watch:
        for each in (item(1), item(2, size=None), item(3), item(4), item(5), item(6)):
            watch.started(each)
        watch.advanced(item(1), 200, 1000, 0)
        watch.advanced(item(1), 700, 1000, 500)
        watch.tell()
        watch.finished(item(1), DONE)
        watch.finished(item(2), Outcome("gone", "deleted\nby the source"))
        watch.waiting("cannot reach h")
        watch.resumed(1.25)
        watch.finished(item(3), Outcome("offline", "archived", wait=7200))
        watch.finished(item(4), Outcome("retry", "cut", wait=30))
        watch.finished(item(5), Outcome("cancelled"))
        watch.finished(item(6), Outcome("released"))
        raise ValueError("told")
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for event in events:
        assert event.pop("at").endswith("Z")
    started, told = events[:6], {event["event"]: event for event in events[6:]}
    assert started[1] == {
        "event": "started",
        "id": "id-2",
        "name": "S2A_2.SAFE",
        "size_bytes": None,
    }
    assert sorted(told["progress"]) == [
        "bytes_done", "bytes_per_second", "event", "id", "name", "size_bytes",
    ]  # fmt: skip
    assert told["finished"] == {
        "event": "finished", "id": "id-1", "name": "S2A_1.SAFE", "path": "/x/S2A.zip", "size_bytes": 1000,
        "checksum_algorithm": "blake3", "checksum": "0" * 64, "verification": "checksum", "note": None,
    }  # fmt: skip
    about = {"id": "id-2", "name": "S2A_2.SAFE"}
    assert told["failed"] == {
        "event": "failed", **about, "status": "gone", "error": "deleted\nby the source",
    }  # fmt: skip
    assert told["waiting"] == {"event": "waiting", "reason": "cannot reach h"}
    assert told["resumed"] == {"event": "resumed", "seconds": 1.2}
    assert told["parked"]["again_in_seconds"] == 7200 and told["parked"]["status"] == "offline"
    assert told["retry"]["again_in_seconds"] == 30
    assert set(told["cancelled"]) == set(told["released"]) == {"event", "id", "name"}
    assert events[-1].pop("seconds") >= 0
    assert events[-1] == {
        "event": "summary", "done": 1, "failed": 1, "skipped": 2, "bytes": 500, "error": "told",
    }  # fmt: skip
    assert watch.failed == {"id-2": "gone", "id-3": "offline"}


def test_events_that_nobody_reads_stop_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", ClosedPipe())
    watch = DownloadEvents(every=600)
    watch.started(item())
    watch.end()
    assert watch.stop.is_set() and watch.is_broken
