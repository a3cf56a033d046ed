"""A PostgreSQL server with PostGIS that is thrown away after the tests, and how databases are made in it quickly.

SATCAT_TEST_POSTGRESQL names a server to use instead, by the URL of a superuser.
"""

from __future__ import annotations

import itertools
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

import sqlalchemy as sa

#: The locale and time zone are such as satcat must not depend on; nothing has to survive a power cut.
CONFIGURATION = """
listen_addresses = ''
unix_socket_directories = '{folder}'
timezone = 'Asia/Kathmandu'
max_connections = 200
shared_buffers = 64MB
fsync = off
full_page_writes = off
wal_level = minimal
max_wal_senders = 0
autovacuum = off
"""

#: Runs beside the tests, and ends the server when they have gone, in whatever way they went.
GUARD = """
import shutil, subprocess, sys
folder, user, *stop = sys.argv[1:]
sys.stdin.read()
how = dict(user=user, group=user, extra_groups=[]) if user else {}
subprocess.run(stop, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **how)
shutil.rmtree(folder, ignore_errors=True)
"""


class UnavailableError(Exception):
    """There is no server, and why."""


class Server:
    """A server in which databases are made for tests. `empty` is the address of a catalogue without products."""

    def __init__(self, url: sa.URL) -> None:
        self.url = url.set(drivername="postgresql+psycopg")
        self._engine = sa.create_engine(
            self.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT"
        )
        self._names = (f"satcat_{uuid.uuid4().hex[:12]}_{n}" for n in itertools.count())
        try:
            version = int(self._ask("SHOW server_version_num"))
            extensions = self._ask(
                "SELECT count(*) FROM pg_available_extensions WHERE name = 'postgis'"
            )
        except sa.exc.DBAPIError as error:
            raise UnavailableError(f"{self.url!r}: {error.orig}") from error
        if not extensions:
            raise UnavailableError(f"PostGIS is not installed beside PostgreSQL {version // 10000}")
        self._quickly = " STRATEGY file_copy" if version >= 150000 else ""
        self.empty = self._prepare()

    def new(self, _path: Path, like: str | None = None) -> str:
        """The address of a new database that is like another one, to which nobody may be connected."""
        template = sa.make_url(like or self.empty).database
        name = next(self._names)
        self._tell(f"CREATE DATABASE {name} TEMPLATE {template}{self._quickly}")
        return self._address(name)

    def drop(self, address: str) -> None:
        """Drop a database, whoever is connected to it."""
        name = sa.make_url(address).database
        self._tell(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def stop(self) -> None:
        """Leave nothing of the tests behind."""
        self.drop(self.empty)

    def _prepare(self) -> str:
        from satcat.database import Database

        name = next(self._names)
        self._tell(f"CREATE DATABASE {name} TEMPLATE template0")
        Database.open(self._address(name), create=True).close()
        return self._address(name)

    def _address(self, database: str) -> str:
        return self.url.set(database=database).render_as_string(hide_password=False)

    def _ask(self, query: str) -> Any:
        with self._engine.connect() as connection:
            result = connection.exec_driver_sql(query)
            return result.scalar() if result.returns_rows else None

    _tell = _ask


class OwnServer(Server):
    """A server started for the tests: a folder with its files and its socket, which only the tests' user can reach."""

    def __init__(self) -> None:
        self._programs = programs()
        told = subprocess.check_output([self._programs / "postgres", "--version"], text=True)
        self._version = int(re.findall(r"\d+", told)[0])
        self._user = "postgres" if os.geteuid() == 0 else ""
        self.folder = Path(tempfile.mkdtemp(prefix="satcat-pg-", dir=roomy_memory()))
        stop = (
            self._programs / "pg_ctl",
            "-D",
            self.folder / "data",
            "-m",
            "immediate",
            "-w",
            "stop",
        )
        self._guard = subprocess.Popen(
            [sys.executable, "-c", GUARD, self.folder, self._user, *stop],
            stdin=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        try:
            self._start()
            super().__init__(
                sa.URL.create(
                    "postgresql", "satcat", database="postgres", query={"host": str(self.folder)}
                )
            )
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        if self._user:
            try:
                account = pwd.getpwnam(self._user)
            except KeyError:
                raise UnavailableError(
                    "there is no user postgres to run it as, and root may not"
                ) from None
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        locale = ["--no-locale", "--encoding=UTF8"]
        if self._version >= 15:  # with the order of a dictionary
            locale += ["--locale-provider=icu", "--icu-locale=en"]
        self._run("initdb", "-D", "data", "-U", "satcat", "--auth=trust", "--no-sync", *locale)
        with (self.folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as file:
            file.write(CONFIGURATION.format(folder=self.folder))
        self.control("start")

    def control(self, *words: str) -> None:
        """Run `pg_ctl` on the server: `restart -m immediate` is a crash."""
        self._run("pg_ctl", "-D", "data", "-l", "log", "-w", *words)

    def stop(self) -> None:
        """End the server and remove its files."""
        self._guard.communicate()

    def _run(self, program: str, *args: str) -> None:
        how: dict[str, Any] = (
            {"user": self._user, "group": self._user, "extra_groups": []} if self._user else {}
        )
        done = subprocess.run(
            [self._programs / program, *args], cwd=self.folder, **how,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        if done.returncode:
            log = self.folder / "log"
            told = log.read_text("utf-8", "replace") if log.exists() else done.stderr
            raise UnavailableError(f"{program} failed: {told.strip()[-500:]}")


def programs() -> Path:
    """The folder of PostgreSQL's programs, the newest if there are several."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    debian = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not debian:
        raise UnavailableError("PostgreSQL is not installed: its program initdb is nowhere")
    return max(debian, key=lambda path: int(path.parent.name))


def roomy_memory() -> str | None:
    """A folder in memory, if there is one with a gigabyte: making a database there takes a sixth of the time."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 2**30 else None


def start() -> Server:
    """Start a server, or take the one that is named."""
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise UnavailableError(f"its driver is not installed: {error}") from error
    named = os.environ.get("SATCAT_TEST_POSTGRESQL")
    return Server(sa.make_url(named)) if named else OwnServer()
