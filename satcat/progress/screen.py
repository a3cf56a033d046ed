"""Where progress is shown: stderr, which may be a terminal, a log, or closed. What cannot be shown stops nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TextIO

from tqdm import tqdm

from satcat.terminal import printable

#: Seconds between two lines where there is no terminal.
LINE_EVERY = 30.0
#: A bar of bytes, and one of something whose length nobody knows.
_BYTES = "{desc} {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} {rate_fmt} {remaining}"
_ENDLESS_BYTES = "{desc} {n_fmt} {rate_fmt} {elapsed}"


@dataclass(frozen=True, slots=True)
class Forgiving:
    """A stream on which writing never fails: whoever read it has gone, and the work goes on."""

    stream: TextIO

    def write(self, text: str) -> int:
        """Write what can be written."""
        return self._try(lambda: self.stream.write(text)) or len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        self._try(self.stream.flush)

    def _try(self, do: Callable[[], Any]) -> Any:
        with suppress(OSError, ValueError):  # a broken pipe, or a file that is closed
            return do()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def stderr() -> Any:
    """What progress is written to."""
    return Forgiving(sys.stderr)


def write(text: str) -> None:
    """Print a line on stderr, above the bars if there are any."""
    tqdm.write(printable(text), file=stderr())


def line(text: str) -> None:
    """Print a line where there are no bars."""
    out = stderr()
    out.write(f"{printable(text)}\n")
    out.flush()


def bar(**options: Any) -> tqdm[Any]:
    """A bar on stderr, as wide as the terminal is."""
    return tqdm(file=stderr(), dynamic_ncols=True, **options)


def bytes_bar(label: str, total: int | None, *, position: int = 0, done: int = 0) -> tqdm[Any]:
    """A bar of bytes; what is there at its beginning does not count as fast."""
    form = _BYTES if total else _ENDLESS_BYTES
    return bar(
        desc=printable(label), total=total, initial=done, unit="B", unit_scale=True, position=position,
        leave=position == 0, bar_format=form, smoothing=0.1,
    )  # fmt: skip


def set_total(made: tqdm[Any], total: int | None) -> None:
    """Tell a bar of bytes its length, when that is known at last, or no longer."""
    if made.total != total:
        made.total = total
        made.bar_format = _BYTES if total else _ENDLESS_BYTES
