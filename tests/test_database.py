"""Opening and making a catalogue: every state that a file may be in, and what it is like then."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from satcat import filesystems
from satcat.database import Database
from satcat.errors import (
    CatalogueDamagedError,
    CatalogueError,
    CatalogueForeignError,
    CatalogueMissingError,
    CatalogueOutdatedError,
    FilterError,
)
from satcat.models import SCHEMA_VERSION, downloads, tiles
from satcat.readonly import sqlite as readonly
from satcat.sqlite import APPLICATION_ID, PAGE_SIZE
from tests.engines import CATALOGUE_FILE


def edit(path: Path, *statements: str) -> None:
    """Do something to the file with plain SQLite."""
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def count_tiles(catalogue: Database) -> int:
    with catalogue.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(tiles)) or 0


# What may be where a catalogue should be


def nothing(_path: Path) -> None:
    pass


def an_empty_file(path: Path) -> None:
    path.touch()


def an_empty_database(path: Path) -> None:
    edit(path, "PRAGMA user_version = 1")


def a_folder(path: Path) -> None:
    path.mkdir()


def some_text(path: Path) -> None:
    path.write_text("tile,date\n30TWM,2024-06-01\n" * 1000)


def another_programs_database(path: Path) -> None:
    edit(path, "CREATE TABLE songs (title TEXT)")


def another_alembic_project(path: Path) -> None:
    edit(path, "CREATE TABLE alembic_version (version_num)", "CREATE TABLE products (id)")


@pytest.mark.parametrize(
    ("make", "error", "helps"),
    [
        (nothing, CatalogueMissingError, "satcat sync"),
        (an_empty_file, CatalogueMissingError, "satcat sync"),
        (an_empty_database, CatalogueMissingError, "satcat sync"),
        (a_folder, CatalogueForeignError, "--db"),
        (some_text, CatalogueForeignError, "--db"),
        (another_programs_database, CatalogueForeignError, "--db"),
        (another_alembic_project, CatalogueForeignError, "--db"),
    ],
)
def test_what_is_no_catalogue_is_refused_and_left_alone(
    tmp_path: Path, make: Callable[[Path], None], error: type[CatalogueError], helps: str
) -> None:
    path = tmp_path / "some.db"
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(error) as raised:
        Database.open(path)
    assert raised.value.exit_code == 3
    assert str(path) in str(raised.value)
    assert helps in str(raised.value)
    assert "\n" not in str(raised.value)
    assert (path.read_bytes() if path.is_file() else None) == before


@pytest.mark.parametrize(
    "make", [a_folder, some_text, another_programs_database, another_alembic_project]
)
def test_what_is_no_catalogue_is_not_made_one(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "some.db")
    with pytest.raises(CatalogueForeignError):
        Database.open(tmp_path / "some.db", create=True)


@pytest.mark.parametrize("make", [an_empty_file, an_empty_database])
def test_where_nothing_is_a_catalogue_is_made(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "some.db")
    with Database.open(tmp_path / "some.db", create=True) as made:
        assert made.version() == SCHEMA_VERSION
        assert count_tiles(made) > 50_000
    with Database.open(tmp_path / "some.db") as opened, opened.read() as connection:
        assert connection.exec_driver_sql("PRAGMA application_id").scalar_one() == APPLICATION_ID
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"


def test_a_catalogue_is_not_made_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="create it first"):
        Database.open(tmp_path / "no" / "satcat.db", create=True)


@pytest.mark.parametrize(
    ("version", "helps"), [("0000", "satcat --db {path} db upgrade"), ("0999", "upgrade satcat")]
)
def test_another_schema_version_is_told_what_helps(
    catalogue_path: Path, version: str, helps: str
) -> None:
    edit(catalogue_path, f"UPDATE alembic_version SET version_num = '{version}'")
    with pytest.raises(CatalogueOutdatedError) as raised:
        Database.open(catalogue_path)
    assert raised.value.exit_code == 3
    assert str(raised.value).endswith(helps.format(path=catalogue_path) + ("`" * ("{" in helps)))
    assert version in str(raised.value)


def test_a_newer_catalogue_is_not_upgraded(catalogue_path: Path) -> None:
    edit(catalogue_path, "UPDATE alembic_version SET version_num = '0999'")
    with Database.connect(catalogue_path) as newer, pytest.raises(CatalogueOutdatedError):
        newer.upgrade()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM alembic_version",
        "UPDATE alembic_version SET version_num = 'a1b2c3'",
        "INSERT INTO alembic_version VALUES ('0002')",
    ],
)
def test_a_version_that_is_none_of_ours_is_foreign(catalogue_path: Path, statement: str) -> None:
    edit(catalogue_path, statement)
    with pytest.raises(CatalogueForeignError, match="unknown schema"):
        Database.open(catalogue_path)


@pytest.mark.parametrize(
    "table", ["sqlite_master", "alembic_version", "tiles", "products_rtree_node"]
)
def test_a_damaged_file_is_said_to_be_damaged(catalogue_path: Path, table: str) -> None:
    with contextlib.closing(sqlite3.connect(catalogue_path)) as connection:
        root = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        page = (connection.execute(root, (table,)).fetchone() or (1,))[0]
    with catalogue_path.open("r+b") as file:
        file.seek(
            (page - 1) * PAGE_SIZE + 100 * (page == 1)
        )  # the first page begins with the header
        file.write(b"\xff" * 2000)
    with pytest.raises(CatalogueDamagedError) as raised:
        _read_all(catalogue_path)
    assert raised.value.exit_code == 3
    assert "snapshot" in str(raised.value)


def _read_all(path: Path) -> None:
    with Database.open(path) as damaged, damaged.read() as connection:
        for table in connection.scalars(
            sa.text("SELECT name FROM sqlite_master WHERE type = 'table'")
        ).all():
            connection.exec_driver_sql(f"SELECT * FROM {table} NOT INDEXED").all()
        connection.exec_driver_sql("SELECT count(*) FROM products").all()


def test_a_file_that_was_cut_off_is_said_to_be_damaged(catalogue_path: Path) -> None:
    os.truncate(catalogue_path, 20 * PAGE_SIZE)
    with pytest.raises(CatalogueDamagedError):
        _read_all(catalogue_path)


@pytest.mark.parametrize(
    "name", ["a b.db", "what?x=1.db", "100%20.db", "a#b.db", "é·日.db", "x;y.db"]
)
def test_a_path_is_taken_as_it_is(template: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(template.read_bytes())
    with Database.open(path) as opened:
        assert opened.version() == SCHEMA_VERSION
    assert [found.name for found in tmp_path.iterdir()] == [name]


def test_an_sqlite_url_is_a_path(catalogue_path: Path) -> None:
    with Database.open(f"sqlite:///{catalogue_path}") as opened:
        assert opened.path == catalogue_path


@pytest.mark.parametrize(
    "url",
    ["mysql://me:secret@host/satcat", "sqlite://", "sqlite:///:memory:", "postgresql://me:a@secret@host/satcat",
     "postgresql://me@host:secret/satcat", "postgresql://me:secret@host:port/satcat"],
)  # fmt: skip
def test_another_url_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(FilterError) as raised:
        Database.open(url)
    assert "secret" not in str(raised.value)


# What a catalogue's file is like


@CATALOGUE_FILE
def test_a_catalogue_has_its_pages_its_journal_and_its_mark(database: Database) -> None:
    with database.read() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in (
                "page_size",
                "journal_mode",
                "application_id",
                "foreign_keys",
                "synchronous",
            )
        }
    assert pragmas == {
        "page_size": PAGE_SIZE,
        "journal_mode": "wal",
        "application_id": APPLICATION_ID,
        "foreign_keys": 1,
        "synchronous": 1,
    }


def test_a_journal_mode_that_another_program_left_is_put_right(catalogue_path: Path) -> None:
    edit(catalogue_path, "PRAGMA journal_mode = delete")
    with Database.open(catalogue_path) as opened, opened.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"


def test_a_closed_catalogue_is_one_file(catalogue_path: Path) -> None:
    with Database.open(catalogue_path) as opened, opened.write() as connection:
        connection.execute(sa.insert(downloads).values(product_id="a"))
    assert [found.name for found in catalogue_path.parent.iterdir()] == [catalogue_path.name]


MOUNTS = r"""/dev/sda1 / ext4 rw,relatime 0 0
server:/export /data nfs4 rw,vers=4.2 0 0
/dev/sdb1 /data/local xfs rw 0 0
//nas/share /mnt/my\040share cifs rw 0 0
tmpfs /tmp tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/data/satcat.db", True),
        ("/data/deep/er/satcat.db", True),
        ("/data/local/satcat.db", False),
        ("/mnt/my share/satcat.db", True),
        ("/database/satcat.db", False),
        ("/satcat.db", False),
    ],
)
def test_network_file_systems_are_known_by_the_list_of_mounts(
    tmp_path: Path, path: str, expected: bool
) -> None:
    (tmp_path / "mounts").write_text(MOUNTS)
    assert filesystems.is_network(Path(path), tmp_path / "mounts") is expected


def test_without_a_list_of_mounts_a_file_system_is_taken_at_its_word(tmp_path: Path) -> None:
    assert not filesystems.is_network(tmp_path / "satcat.db", tmp_path / "no mounts")


def test_on_a_network_file_system_there_is_no_log_of_wal(
    catalogue_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog
) -> None:
    (tmp_path / "mounts").write_text(f"/dev/sda1 / ext4 rw 0 0\nnas:/x {tmp_path} nfs rw 0 0\n")
    is_network = filesystems.is_network
    monkeypatch.setattr(
        filesystems, "is_network", lambda path: is_network(path, tmp_path / "mounts")
    )
    with Database.open(catalogue_path) as opened, opened.read() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "delete"
        full = 2
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == full
    assert "network file system" in caplog.text


@pytest.fixture
def frozen(catalogue_path: Path) -> Iterator[Path]:
    """A catalogue in a folder that nobody may write to, as on a read-only medium."""
    with Database.open(catalogue_path):
        pass
    folder = Path(tempfile.mkdtemp())
    path = Path(shutil.copy(catalogue_path, folder))
    path.chmod(0o444)
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:  # who may write everywhere
        os.seteuid(65534)
    try:
        yield path
    finally:
        os.seteuid(user)
        folder.chmod(0o755)
        shutil.rmtree(folder)


@pytest.mark.skipif(os.name == "nt", reason="folders have no such permissions there")
def test_a_catalogue_where_nobody_may_write_is_read_as_it_is_and_that_is_said(
    frozen: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Database.open(frozen) as opened:
        assert count_tiles(opened) > 50_000
        with pytest.raises(CatalogueError, match="readonly"), opened.write() as connection:
            connection.execute(sa.insert(downloads).values(product_id="one"))
    assert "read as it is" in caplog.text
    rows = readonly.query(frozen, "SELECT count(*) FROM tiles")
    assert next(iter(rows))[0] > 50_000


@contextlib.contextmanager
def owner_of(path: Path) -> Iterator[None]:
    """As somebody who may write there."""
    reader = os.geteuid()
    os.seteuid(os.getuid())
    path.parent.chmod(0o755)
    path.chmod(0o644)
    try:
        yield
    finally:
        path.chmod(0o444)
        path.parent.chmod(0o555)
        os.seteuid(reader)


@pytest.mark.skipif(os.name == "nt", reason="folders have no such permissions there")
def test_who_may_only_read_sees_what_others_write_meanwhile(frozen: Path) -> None:
    row = "INSERT INTO downloads (product_id) VALUES (?)"
    queued = sa.select(sa.func.count()).select_from(downloads)

    def seen() -> int:
        with opened.read() as connection:
            return connection.scalar(queued) or 0

    with Database.open(frozen) as opened:
        assert seen() == 0
        with owner_of(frozen):
            writer = sqlite3.connect(frozen)
            writer.executemany(row, [(f"{n:036}",) for n in range(2000)])
            writer.commit()
        assert seen() == 2000  # from the log, which is there now
        with owner_of(frozen):
            writer.close()
        assert seen() == 2000
        opened.engine.dispose()
        for left in (100, 7):  # from the file, which the owner has folded the log into each time
            with owner_of(frozen), contextlib.closing(sqlite3.connect(frozen)) as writer, writer:
                writer.execute("DELETE FROM downloads WHERE product_id >= ?", (f"{left:036}",))
            assert not frozen.with_name(frozen.name + "-wal").exists()
            assert seen() == left


@CATALOGUE_FILE
def test_a_catalogue_stays_the_same_when_the_process_goes_to_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "other", ":memory:"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "one")
    with Database.open("satcat.db", create=True) as opened:
        monkeypatch.chdir(tmp_path / "other")
        with opened.read() as reader, opened.write() as writer:
            writer.execute(sa.insert(downloads).values(product_id="one"))
            assert count_tiles(opened) > 50_000 and reader.connection is not writer.connection
    assert not list((tmp_path / "other").iterdir())
    with Database.open(":memory:", create=True):
        assert (tmp_path / "other" / ":memory:").is_file()


@CATALOGUE_FILE
def test_a_thread_may_have_any_number_of_iterators_open(database: Database) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            connection = stack.enter_context(database.read())
            assert connection.scalar(sa.select(sa.func.count()).select_from(downloads)) == 0


def test_a_copy_of_a_server_says_that_it_cannot_be_written() -> None:
    import psycopg

    from satcat.postgresql import _translate

    for error in (
        psycopg.errors.FeatureNotSupported(
            "cannot set transaction read-write mode during recovery"
        ),
        psycopg.errors.ReadOnlySqlTransaction("cannot execute INSERT in a read-only transaction"),
    ):
        assert "cannot be written: the server is read-only" in str(_translate("x", error))
    assert _translate("x", psycopg.errors.FeatureNotSupported("anything else")) is None
