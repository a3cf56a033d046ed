"""What a benchmark tells, and the table of it."""

from __future__ import annotations

import os
import platform
import re
import resource
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self


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


@dataclass(frozen=True, slots=True)
class Figures:
    """What a part gives: lines of the table, more of it in Markdown, and points of curves (number of products: value)."""

    results: list[Result]
    detail: str = ""
    points: dict[str, dict[str, float]] = field(default_factory=dict)
    when: str = field(default_factory=machine)

    @property
    def machine(self) -> str:
        return self.when.partition("; ")[2].rpartition("; ")[0]

    @property
    def load(self) -> float:
        """How busy the machine was when it ended, for each core."""
        found = re.search(r"(\d+) cores.*load ([\d.]+)", self.when)
        return float(found[2]) / int(found[1]) if found else 0

    def without_verdicts(self) -> Self:
        """The same, where the size is not worth one."""
        return replace(self, results=[replace(one, met=None) for one in self.results])

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, said: dict[str, Any]) -> Self:
        return cls(**{**said, "results": [Result(**one) for one in said["results"]]})


def table(results: Iterable[Result]) -> str:
    """The results in Markdown."""
    lines = ["| what | satcat | beside | goal | met |", "|---|---|---|---|---|"]
    lines += [f"| {r.what} | {r.value} | {r.beside} | {r.goal} | {r.verdict} |" for r in results]
    return "\n".join(lines)


def ram_disk(size: int = 0) -> Path:
    """A folder in memory, where there is one with room for so many bytes; else the system's, which is told."""
    memory, other = Path("/dev/shm"), Path(tempfile.gettempdir())
    if memory.is_dir() and shutil.disk_usage(memory).free > size:
        return memory
    print(
        f"{memory} is missing or too small: files lie in {other}, which may be slow",
        file=sys.stderr,
    )
    return other


def busy_children() -> float:
    """Seconds of CPU of the processes that ended, to the microsecond; `os.times` counts in hundredths of a second."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def peak_memory() -> float:
    """The most bytes of memory that this process ever held."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024.0
