"""Everything that is measured, in one Markdown page.

    python -m benchmarks -o RESULTS.md
    python -m benchmarks --tiny                          seconds: only shows that all of it works

DuckDB, which satcat is set beside, is installed into an environment of its own (--peers), where all of it then runs;
curl and aria2c are taken where they are. --tiny takes what is there, and asks no network.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import sysconfig
import tempfile
import venv
from pathlib import Path

from benchmarks import coverage, made_up, startup, sync
from benchmarks.report import machine, table

PEERS = ("duckdb>=1.2", "pyarrow>=20")


def in_peers_environment(folder: Path, arguments: list[str]) -> int:
    """Run this again where the peers are: an environment that finds what this one holds after its own."""
    if not (folder / "pyvenv.cfg").exists():
        venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", *PEERS], check=True)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    theirs = subprocess.run([python, "-c", where], check=True, stdout=subprocess.PIPE, text=True)
    # with the .pth files in it, which a plain path would leave out: an editable install is one
    mine = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})"
    (Path(theirs.stdout.strip()) / "satcat-benchmarks.pth").write_text(f"{mine}\n")
    return subprocess.run(
        [python, "-m", "benchmarks", *arguments, "--here"], check=False
    ).returncode


def module(name: str, *arguments: str) -> str:
    """What another benchmark prints."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def measured(rows: int, *, tiny: bool) -> str:
    results = [*sync.results(3000 if tiny else rows), *startup.results(1 if tiny else 9)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "satcat.db"
        made_up.fill(path, rows, tile_count=1000 if tiny else made_up.TILES)
        results += coverage.results(path, path.parent, 1 if tiny else 5)
        queries = module("query", *(["--tiny"] if tiny else ["--catalogue", str(path)]))
    downloads = module("download", *(["--tiny"] if tiny else []))
    asked = "--tiny" if tiny else f"--rows {rows}"
    return "\n\n".join(
        [
            "# How fast satcat is",
            f"`python -m benchmarks {asked}`, {machine()}",
            table(results),
            f"## Queries, {rows:,} products",
            queries,
            "## Downloads",
            downloads,
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--rows", type=float, default=1e6)
    parser.add_argument("-o", "--out", type=Path, help="instead of the standard output")
    parser.add_argument(
        "--peers", type=Path, default=Path(".venv-benchmarks"), help="the peers' environment"
    )
    parser.add_argument("--here", action="store_true", help="use this environment as it is")
    parser.add_argument("--tiny", action="store_true", help="seconds, and no network")
    options = parser.parse_args()
    if not (options.tiny or options.here):
        sys.exit(in_peers_environment(options.peers, sys.argv[1:]))
    rows = 20_000 if options.tiny else int(options.rows)
    page = measured(rows, tiny=options.tiny)
    if options.out:
        options.out.write_text(page)
    else:
        print(page)


if __name__ == "__main__":
    main()
