"""What is installed is all of satcat: shown with a wheel made from the source distribution, used from another folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
LEFT_OUT = shutil.ignore_patterns(
    ".*", "*.egg-info", "build", "dist", "__pycache__", "*.db", "*.db-*", "satcat-demo"
)


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a program that must succeed; gives what it printed."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, and the wheel made from it. Nothing is written to the checkout."""
    source = tmp_path_factory.mktemp("source") / "satcat"
    shutil.copytree(ROOT, source, ignore=LEFT_OUT)
    made = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", made, cwd=source)
    return made


@pytest.fixture(scope="module")
def installed(distributions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages into which the wheel is installed."""
    place = tmp_path_factory.mktemp("site")
    [wheel] = distributions.glob("*.whl")
    install = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index")
    run(*install, "--target", place, wheel, cwd=place)
    return place


def packages() -> Iterator[str]:
    for folder, name in ((ROOT / "satcat", "satcat"), (ROOT / "migrations", "satcat.migrations")):
        for init in folder.rglob("__init__.py"):
            yield ".".join((name, *init.parent.relative_to(folder).parts))


def data_files() -> set[str]:
    """The files beside the modules, by their place in the wheel."""
    found = set()
    for folder, name in (("satcat", "satcat"), ("migrations", "satcat/migrations")):
        for path in (ROOT / folder).rglob("*"):
            inside = path.relative_to(ROOT / folder)
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                found.add(f"{name}/{inside.as_posix()}")
    return found


def test_every_package_is_listed(project):
    assert sorted(packages()) == sorted(project["tool"]["setuptools"]["packages"])


def test_every_folder_of_modules_is_a_package():
    folders = {
        path.parent for top in ("satcat", "migrations") for path in (ROOT / top).rglob("*.py")
    }
    assert {folder for folder in folders if not (folder / "__init__.py").is_file()} == set()


def test_every_dependency_has_an_upper_bound(project):
    loose = [need for need in project["project"]["dependencies"] if "<" not in need]
    assert loose == []


def test_the_wheel_holds_every_module_and_every_data_file(distributions):
    [wheel] = distributions.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {
        f"satcat/{path.relative_to(ROOT / 'satcat').as_posix()}"
        for path in (ROOT / "satcat").rglob("*.py")
    }
    assert modules | data_files() <= names
    assert "satcat/py.typed" in names
    assert "satcat/migrations/script.py.mako" in names
    top = {name.split("/")[0] for name in names}
    assert top == {"satcat", next(name for name in top if name.endswith(".dist-info"))}


def test_the_source_distribution_holds_what_a_developer_needs(distributions):
    [archive] = distributions.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    needed = {
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "alembic.ini",
        "pyproject.toml",
        "tests/conftest.py",
    }
    assert needed <= names
    assert {"tests/data/schema.sql", "migrations/env.py", "migrations/script.py.mako"} <= names


def test_the_installed_satcat_makes_and_checks_a_catalogue_from_another_folder(installed, tmp_path):
    environment = {"PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    where = "import satcat, satcat.migrations as m; print(satcat.__file__); print(m.__file__)"
    for line in run(sys.executable, "-c", where, cwd=tmp_path, **environment).splitlines():
        assert Path(line).is_relative_to(installed)
    satcat = (sys.executable, "-m", "satcat", "--db", "new.db")
    run(*satcat, "db", "upgrade", cwd=tmp_path, **environment)
    run(*satcat, "db", "check", cwd=tmp_path, **environment)
    assert (
        run(*satcat, "db", "current", cwd=tmp_path, **environment)
        == "catalogue 0001, satcat 0001\n"
    )


def test_the_command_is_installed_and_helps(installed, tmp_path):
    script = installed / "bin" / "satcat"
    assert "Usage: satcat" in run(
        sys.executable, script, "--help", cwd=tmp_path, PYTHONPATH=str(installed)
    )
