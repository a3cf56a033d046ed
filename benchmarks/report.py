"""What a benchmark tells, and the table of it."""

from __future__ import annotations

import os
import platform
import sqlite3
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Result:
    """One line: what was measured, what came out, beside what, and what was asked for."""

    what: str
    value: str
    beside: str = ""
    goal: str = ""
    met: bool | None = None

    @property
    def verdict(self) -> str:
        return {True: "yes", False: "**no**", None: ""}[self.met]


def table(results: Iterable[Result]) -> str:
    """The results in Markdown."""
    lines = ["| what | satcat | beside | goal | met |", "|---|---|---|---|---|"]
    lines += [f"| {r.what} | {r.value} | {r.beside} | {r.goal} | {r.verdict} |" for r in results]
    return "\n".join(lines)


def machine() -> str:
    """This machine and moment, in one line."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return (
        f"{datetime.now(UTC):%Y-%m-%d}; {os.cpu_count()} cores, {pages / 2**30:.0f} GB, {_system()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}; "
        f"load {os.getloadavg()[0]:.1f} when it ended"
    )


def _system() -> str:
    try:
        said = platform.freedesktop_os_release()
    except OSError:
        return platform.system()
    return f"{said.get('NAME', '').partition(' ')[0]} {said.get('VERSION_ID', '')}"


def ram_disk() -> Path:
    """A folder in memory, where there is one."""
    return next(filter(Path.is_dir, [Path("/dev/shm")]), Path(tempfile.gettempdir()))
