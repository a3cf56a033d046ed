"""Offline means offline: with every socket broken, these commands work. One process runs them all."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.engines import CATALOGUE_FILE

COMMANDS = [
    ["status"],
    ["scopes", "list"],
    [
        "query",
        "--tile",
        "30TWM",
        "--bbox=-4,41,-1,43",
        "--latest",
        "--best",
        "cloud",
        "--per",
        "month",
    ],
    ["query", "-f", "geojson", "-o", "out.geojson"],
    ["sql", "SELECT count(*) FROM tile_coverage"],
    ["schema"],
    ["report", "coverage", "--by", "tile,month"],
    ["mark", "--tile", "30TWM"],
    ["queue"],
    ["queue", "retry"],
    ["verify", "--files"],
    ["adopt", "."],
    ["unmark", "--all"],
    ["db", "check"],
    ["db", "current"],
    ["db", "snapshot", "copy.db"],
    ["db", "upgrade"],
    ["scopes", "remove", "sentinel-2-l2a-30twm-1-more", "--yes"],
]

PROGRAM = """
import json, socket, sys

def refuse(*args, **kwargs):
    raise RuntimeError("a socket was opened")

socket.socket.__init__ = refuse
socket.getaddrinfo = socket.create_connection = refuse
try:
    socket.create_connection(("127.0.0.1", 9))
except RuntimeError:
    pass
else:
    sys.exit("the sockets are not broken")
from satcat.cli import run
print(json.dumps([run(args) for args in json.loads(sys.argv[1])]), file=sys.stderr)
"""


@CATALOGUE_FILE
def test_offline_commands_open_no_socket(mirror: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(COMMANDS)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    codes = json.loads(done.stderr.splitlines()[-1])
    assert dict(zip(map(" ".join, COMMANDS), codes, strict=True)) == {
        " ".join(c): 0 for c in COMMANDS
    }, done.stderr
    assert json.loads((tmp_path / "out.geojson").read_text())["features"]
