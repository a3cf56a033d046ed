"""Imports point one way, and large libraries are known in few places."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "satcat"
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}

#: Each part may import from itself and from what stands on the lines before its own. Parts on one line are strangers,
#: but for the pure ones.
PURE = {
    "errors",
    "times",
    "canonical",
    "products",
    "footprints",
    "areas",
    "values",
    "globe",
    "overlap",
    "scenes",
    "names",
    "tiles",
    "locks",
    "memory",
    "batches",
    "filesystems",
    "schema",
    "terminal",
    "wording",
}
LINES = (
    PURE,
    {"filters"},
    {"columns"},
    {"functions"},
    {"models", "api", "vouching", "sandbox"},
    {"upgrades", "integrity", "compat", "vouched"},
    {"database"},
    {"sqlite", "postgresql"},
    {"conditions", "spatial_index", "readonly", "snapshots"},
    {"space"},
    {"choice"},
    {"select"},
    {"mirrored", "sync", "downloads", "hints"},
    {"reports", "exports", "copying", "progress"},
    {"catalogue"},
    {"demo"},
    {"cli"},
    {"__main__", "__init__"},
)
LINE_OF = {part: number for number, parts in enumerate(LINES) for part in parts}
#: `mirrored` asks the ledger, which sync keeps, what is finished. `Database.connect` chooses between its own two kinds.
ALLOWED = {("mirrored", "sync"), ("database", "sqlite"), ("database", "postgresql")}


def part_of(module: str) -> str:
    return module.split(".", maxsplit=1)[0] or "__init__"


def imports(path: Path) -> Iterator[str]:
    """What a module imports when it runs, at its top or inside a function: `satcat.` names without that, others whole."""
    tree = ast.parse(path.read_text("utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            assert node.module is not None
            if node.module == "satcat":
                yield from (f"satcat.{alias.name}" for alias in node.names)
            else:
                yield node.module


def parts_imported(module: str) -> set[str]:
    found = {name for name in imports(MODULES[module]) if name.startswith("satcat.")}
    return {part_of(name.removeprefix("satcat.")) for name in found}


def libraries_imported(module: str) -> set[str]:
    return {name.split(".")[0] for name in imports(MODULES[module])}


def test_every_part_has_its_line():
    assert {part_of(module) for module in MODULES} - {"__init__"} <= set(LINE_OF)
    assert len(MODULES) > 50


@pytest.mark.parametrize("module", [name for name in MODULES if name not in ("", "__init__")])
def test_imports_point_one_way(module):
    own = part_of(module)
    wrong = {
        part
        for part in parts_imported(module) - {own}
        if part in LINE_OF
        and LINE_OF[part] >= LINE_OF[own]
        and not (own in PURE and part in PURE)
        and (own, part) not in ALLOWED
    }
    assert wrong == set()


@pytest.mark.parametrize("module", [name for name in MODULES if part_of(name) == "api"])
def test_a_source_never_sees_the_database(module):
    assert not parts_imported(module) & {
        "database",
        "models",
        "select",
        "conditions",
        "sync",
        "downloads",
    }
    assert not libraries_imported(module) & {"sqlalchemy", "sqlite3", "alembic"}


@pytest.mark.parametrize("module", [name for name in MODULES if part_of(name) == "sandbox"])
def test_the_sandbox_shares_no_code_with_what_is_tried_on_it(module):
    assert parts_imported(module) - {"sandbox"} <= PURE | {"filters"}
    assert not libraries_imported(module) & {"requests", "urllib3", "sqlalchemy"}


@pytest.mark.parametrize(
    ("library", "homes"),
    [
        ("click", {"cli"}),
        ("tqdm", {"progress"}),
        ("alembic", {"upgrades"}),
        ("requests", {"api"}),
    ],
)
def test_a_library_is_known_only_where_it_belongs(library, homes):
    found = {part_of(module) for module in MODULES if library in libraries_imported(module)}
    assert found <= homes


def test_the_migrations_are_found_where_satcat_is_installed():
    home = find_spec("satcat.migrations")
    assert home is not None
    assert home.origin is not None
    place = Path(home.origin).parent
    assert (place / "env.py").is_file()
    assert (place / "script.py.mako").is_file()
    assert list((place / "versions").glob("0001_*.py"))


def test_modules_stay_short():
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > 400} == {}
