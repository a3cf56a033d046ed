"""How long commands take to start, beside bare Python: seconds of CPU of a process, medians, in turns."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import upsert
from benchmarks.environment import Run
from benchmarks.report import Figures, Result, busy_children
from satcat.sync import store


def cpu(*command: str) -> float:
    """Seconds of CPU that a command takes."""
    before = busy_children()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return busy_children() - before


def figures(run: Run) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "satcat.db"
        with upsert.catalogue(path) as database, database.write() as connection:
            for page in upsert.pages(2000):
                store.store(connection, page, scope_id=1, at=page[0].sensing_start)
        satcat = (sys.executable, "-m", "satcat")
        commands = {
            "bare": (sys.executable, "-c", "pass"),
            "sqlite3": (sys.executable, "-c", "import sqlite3"),
            "satcat --help": (*satcat, "--help"),
            "satcat query, two rows": (*satcat, "--db", str(path), "query", "--collection", "SENTINEL-2", "--limit", "2"),
        }  # fmt: skip
        spent: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(1 if run.tiny else 9):
            for name, command in commands.items():
                spent[name].append(sum(cpu(*command) for _ in range(3)) / 3)
    took = {name: statistics.median(times) for name, times in spent.items()}
    beside = (
        f"bare Python {1000 * took['bare']:.0f} ms, with sqlite3 {1000 * took['sqlite3']:.0f} ms"
    )
    lines = [
        Result(f"start-up: `{name}`", f"{1000 * took[name]:.0f} ms, {took[name] / took['bare']:.1f} × bare", beside,
               f"≤ {most} ×", met=took[name] <= most * took["bare"])
        for name, most in (("satcat --help", 6), ("satcat query, two rows", 30))
    ]  # fmt: skip
    return Figures(lines)
