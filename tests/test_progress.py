"""What people see of long work."""

from __future__ import annotations

import io
from contextlib import redirect_stderr

import pytest

from satcat import progress
from satcat.downloads.report import Item, Outcome

DONE, FAILED = Outcome("done"), Outcome("failed", "no luck")


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
    monkeypatch.setattr("satcat.progress.time.monotonic", lambda: now)
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
        watch.advanced(one, 700, 1000)
        watch.advanced(one, 100, 1000)  # it had to start again
        watch.advanced(one, 1000, 1000)
        watch.finished(one, DONE)
        watch.started(three)
        watch.finished(three, DONE)  # was here already
        watch.advanced(two, 10, 1000)
        watch.finished(two, FAILED)
        watch.end()
    assert watch.failed == {two.product_id: "failed"}
    text = terminal.getvalue()
    assert f"failed: {two.name}\n" in text
    assert "3 files:  67%" in text.splitlines()[-1].rpartition("\r")[2]


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
    watch = progress.of_downloads(quiet=False, files=1, size=10)
    product = item(size=10)
    watch.started(product)
    watch.advanced(product, 10, 1000)
    watch.finished(product, DONE)
    watch.end()
    assert capsys.readouterr().err == f"done: {product.name}\n"
