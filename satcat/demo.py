"""The whole way on a pretend source: real commands, each shown as typed, with their real output.

Every command runs as a process of its own, in the demo's folder, and sees nothing of the person's settings: no proxies, no
`SATCAT_*` or `CDSE_*` variables, no `satcat.toml`, no `~/.netrc`.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from satcat.errors import FilterError, SatcatError
from satcat.sandbox import Sandbox, Settings

PRODUCTS = 2000
#: Big and slow enough for progress bars to be seen: bytes from and up to, bytes a second of one connection.
_PACKAGE_BYTES = (300_000, 1_500_000)
RATE = 1_000_000
_MARKER = ".satcat-demo"  # tells the demo's own folder from any other
_MINE = ("SATCAT_", "CDSE_", "USGS_")

_SUMMER = "--start 2024-06-01 --end 2024-08-31"


@dataclass(frozen=True, slots=True)
class Step:
    """One command, and why; `before` changes the source first."""

    why: str
    command: str
    before: Callable[[Sandbox], None] | None = None


def steps() -> Iterator[Step]:
    """The user's way, in order."""
    yield Step(
        "Mirror a summer of Sentinel-2 L2A on three tiles. No account is needed for this.",
        f"satcat sync --collection SENTINEL-2 --level L2A --tile 30TWM --tile 30TWN --tile 30TXM {_SUMMER}",
    )
    yield Step("What is here now?", "satcat status")
    yield Step(
        "From here on no network is needed. Pick clear products of one tile.",
        f"satcat query --tile 30TWM --cloud 20 {_SUMMER}",
    )
    yield Step(
        "Or ask in SQL; `satcat schema` explains the tables.",
        'satcat sql "SELECT platform, count(*) AS products, round(avg(cloud_cover), 1) AS mean_cloud'
        ' FROM products GROUP BY platform"',
    )
    yield Step(
        "What is covered, tile by tile? What is not mirrored is said to be so, and never 0.",
        f"satcat report coverage --tile 30TWM --tile 30TWN --tile 33UUP {_SUMMER}",
    )
    yield Step(
        "Ask for the clear ones of one tile.",
        f"satcat mark --tile 30TWM --cloud 20 --online {_SUMMER}",
    )
    yield Step("Download them. Now an account is needed; the sandbox takes any.", "satcat download")
    yield Step("Hash the files once more, offline.", "satcat verify --files")
    yield Step(
        "The source deletes a product. The next sync follows.", "satcat sync", before=_delete_one
    )
    yield Step(
        "Nothing vanishes without a trace.",
        'satcat sql "SELECT kind, deletion_cause, name FROM deleted_products"',
    )
    yield Step("Does the mirror hold exactly what the source lists?", "satcat verify")


def sandbox(
    products: int = PRODUCTS, port: int = 0, *, size: int | None = None, rate: float = RATE
) -> Sandbox:
    """The pretend source of the demo; with the same number of products always the same.

    Args:
        size: bytes of every product; None for different ones.
        rate: bytes a second of each download.
    """
    sizes = _PACKAGE_BYTES if size is None else (size, size + 1)
    return Sandbox(products=products, port=port, package_bytes=sizes, settings=Settings(rate=rate))


def run(folder: Path, say: Callable[[str], None]) -> None:
    """Go the whole way, leaving the catalogue and the files in `folder`.

    Args:
        say: prints a line; lines that begin with `$` are commands, with `#` comments.

    Raises:
        FilterError: the folder holds something else.
        SatcatError: a command did not end well.
    """
    _prepare(folder)
    with sandbox() as source:
        say(f"# A pretend CDSE with {PRODUCTS:,} products runs at {source.url}.")
        environment = _environment(source)
        for step in steps():
            say("")
            say(f"# {step.why}")
            if step.before is not None:
                step.before(source)
            say(f"$ {step.command}")
            _run(step.command, folder, environment)
        port = source.url.rpartition(":")[2]
    say("")
    for line in _farewell(folder, port):
        say(line)


def _prepare(folder: Path) -> None:
    """Make the folder, or empty it if it is the demo's own."""
    own = (folder / _MARKER).is_file() and not folder.is_symlink()
    if folder.exists() and not own and (not folder.is_dir() or any(folder.iterdir())):
        raise FilterError(f"{folder} holds something else than a demo: name another folder")
    try:
        if own:
            shutil.rmtree(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _MARKER).write_text("satcat demo made this folder, and may replace it\n", "utf-8")
    except OSError as error:
        raise SatcatError(f"{folder} cannot be used: {error.strerror}") from error


def _environment(source: Sandbox) -> dict[str, str]:
    """The person's environment without what would change the commands, and with the sandbox's addresses."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(_MINE) and not name.upper().endswith("_PROXY")
    }
    package = str(Path(__file__).resolve().parents[1])  # also where satcat is not installed
    path = os.pathsep.join(filter(None, (package, kept.get("PYTHONPATH"))))
    return kept | source.environment | {"NETRC": os.devnull, "PYTHONPATH": path}


def _run(command: str, folder: Path, environment: dict[str, str]) -> None:
    words = [sys.executable, "-m", *shlex.split(command)]
    code = subprocess.run(words, cwd=folder, env=environment, check=False).returncode  # noqa: S603 - our own words
    if code != 0:
        raise SatcatError(f"the demo stopped: `{command}` ended with exit code {code}")


def _delete_one(source: Sandbox) -> None:
    mirrored = (
        product.id
        for product in source.catalogue.products.values()
        if product.tile_id == "30TWN" and "_MSIL2A_202406" in product.name
    )
    source.catalogue.delete(min(mirrored), cause="Duplicated product")
    time.sleep(1.1)  # the clock of the source, as HTTP tells it, knows only whole seconds


def _farewell(folder: Path, port: str) -> Iterator[str]:
    yield "# That was the whole way. Look around:"
    yield f"cd {shlex.quote(str(folder))}"
    yield "satcat query --best cloud --per tile,month"
    yield 'sqlite3 satcat.db "SELECT * FROM tile_coverage"'
    yield "# The same source again, at the same port (it has forgotten the deletion); `satcat sync` needs its export lines:"
    yield f"satcat sandbox --port {port}"
    yield "# And for real, in another folder, with no account needed before `satcat download`:"
    yield f"cd - && satcat sync --collection SENTINEL-2 --level L2A --tile 30TWM {_SUMMER}"
