"""What satcat is set beside, in an environment of its own; and what is asked of a run."""

from __future__ import annotations

import json
import site
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import sqlalchemy as sa

from tests.postgres import OwnServer

#: The very versions, so that figures can be had again.
PEERS = (
    "duckdb==2.0.1", "pyarrow==26.0.1", "eodag==4.10.1", "CDSETool==0.3.3", "matplotlib==3.11.2",
    "psycopg[binary]==3.3.9",
)  # fmt: skip
LISTERS = ("eodag", "CDSETool")
_POSTGIS = "SELECT default_version FROM pg_available_extensions WHERE name = 'postgis'"
_FOREIGN = Path(__file__).with_name("foreign.py")


@dataclass(frozen=True, slots=True)
class Run:
    """What is asked of a run.

    Attributes:
        rows: of the largest catalogue of made-up products.
        synced: of the largest catalogue that is mirrored.
        peers: the Python of the environment that holds what satcat is set beside.
        folder: for the largest files, 2 GB for each million rows.
        server: PostgreSQL with PostGIS, to be thrown away; None, where it is not installed.
    """

    rows: int
    synced: int
    tiny: bool = False
    peers: Path | None = None
    folder: Path | None = None
    server: OwnServer | None = None

    def sizes(self, most: int) -> list[int]:
        """The powers of ten up to the largest, and it."""
        first = 1000 if self.tiny else 10_000
        powers = [first * 10**n for n in range(9) if first * 10**n < most]
        return [*powers, most]

    def versions(self) -> str:
        """What satcat is set beside, each with its version."""
        found = [f"{name} {pinned(name)}" for name in LISTERS if self.peers]
        found += [f"DuckDB {version('duckdb')}"] if find_spec("duckdb") else []
        if self.server is not None:
            with sa.create_engine(self.server.url, poolclass=sa.NullPool).connect() as connection:
                for what, statement in (
                    ("PostgreSQL", "SHOW server_version"),
                    ("PostGIS", _POSTGIS),
                ):
                    found.append(
                        f"{what} {connection.exec_driver_sql(statement).scalar_one()}".partition(
                            " ("
                        )[0]
                    )
        return ", ".join(found)

    def foreign(self, *arguments: str) -> dict[str, float]:
        """What a peer took to list or to fetch."""
        assert self.peers is not None
        done = subprocess.run(
            [self.peers, _FOREIGN, *arguments], check=True, stdout=subprocess.PIPE, text=True
        )
        result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
        return result


def pinned(name: str) -> str:
    """The version of a peer that is installed into the environment."""
    return dict(peer.split("==") for peer in PEERS)[name]


def peers(folder: Path) -> Path:
    """The Python of the peers' environment, which is made where it isn't there.

    Its libraries are found from here too, after our own: satcat is measured with what it was installed with.
    """
    python = folder.absolute() / "bin" / "python"
    try:
        if not (folder / "bin" / "pip").exists():  # or its making was interrupted
            venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PEERS], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        why = error if isinstance(error, OSError) else "pip failed"
        sys.exit(f"the peers' environment {folder} cannot be made ({why}); --tiny does without")
    base = {"base": str(folder.absolute()), "platbase": str(folder.absolute())}
    site.addsitedir(sysconfig.get_path("purelib", "venv", vars=base))
    assert find_spec("duckdb") is not None
    return python
