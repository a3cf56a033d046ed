"""The page about PostgreSQL: what it shows parses, is what is shipped, and works for ordinary roles on a real server."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml

from tests.postgres import Server, programs
from tests.test_docs import parses

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "postgresql.md").read_text("utf-8")
COMPOSE = (DOCS / "compose.yaml").read_text("utf-8")
ROLES, PEOPLE, SETTINGS, TABLES = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
TYPED = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)
#: What is typed that is not satcat's, nor PostgreSQL's.
OTHERS = {"sudo", "docker", "python3", "export"}
#: Grants and settings refer to an own role in the test: servers may have one called satcat.
WORDS = re.compile(r"\b(satcat(?:_reader|_picker)?|ana|ben)\b")


@pytest.mark.parametrize("line", [line for line in TYPED if "satcat " in line])
def test_its_commands_of_satcat_parse(line: str) -> None:
    words = shlex.split(line)
    if words[0] == "docker":
        words = words[words.index("sync") :] if "run" in words else []
        words[:1] = ["satcat"] * bool(words)
    while words and re.fullmatch(r"[A-Z]+=.*", words[0]):
        del words[0]
    if words and words[0] == "satcat":
        if words[1] == "--db":
            del words[1:3]
        parses(shlex.join(word for word in words if "://" not in word))


def test_its_other_commands_are_known_or_postgresqls(postgres: Server) -> None:
    for line in TYPED:
        words = [word for word in shlex.split(line) if not re.fullmatch(r"[A-Z]+=.*", word)]
        if words[:3] == ["sudo", "-u", "postgres"]:
            words = words[3:]
        assert words[0] in {*OTHERS, "satcat"} or (programs() / words[0]).exists(), line


def test_the_compose_file_is_the_one_that_is_shipped() -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert shown == COMPOSE


def test_the_compose_file_starts_postgis_one_sync_and_two_workers() -> None:
    services: dict[str, Any] = yaml.safe_load(COMPOSE)["services"]
    assert set(services) == {"db", "upgrade", "sync", "worker"}
    assert services["worker"]["deploy"]["replicas"] == 2
    assert services["db"]["image"].startswith("postgis/postgis:")
    for name in ("upgrade", "sync", "worker"):
        parses(shlex.join(["satcat", *services[name]["command"]]))
        assert services[name]["environment"]["SATCAT_DB"].startswith("postgresql+psycopg://satcat@")
    for name, waits_for in (("upgrade", "db"), ("sync", "upgrade"), ("worker", "upgrade")):
        assert list(services[name]["depends_on"]) == [waits_for]


def test_no_password_stands_in_the_page_or_the_compose_file() -> None:
    for text in (PAGE, COMPOSE):
        assert not re.search(r"://[^/\s:@]+:[^/\s@]+@", text)
        for value in re.findall(r"PASSWORD[:=]\s*(\S*)", text):
            assert value.startswith(("${", "`")) or value == "", value


def test_the_units_command_parses() -> None:
    (command,) = re.findall(r"^ExecStart=/opt/satcat/bin/(satcat .*)$", PAGE, re.MULTILINE)
    parses(command)


@pytest.fixture
def prefix(postgres: Server) -> Iterator[str]:
    """What the page's roles and database are called here; they are removed."""
    name = f"docs_{uuid.uuid4().hex[:8]}"
    yield name
    engine = sa.create_engine(postgres.url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for database in (name, f"{name}_restored"):
            connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        for role in ("_ana", "_ben", "_picker", "_reader", ""):
            connection.exec_driver_sql(f"DROP ROLE IF EXISTS {name}{role}")


class Host:
    """Somebody's session on a host of the page: programs of PostgreSQL and satcat, for a role, by a service file."""

    def __init__(self, server: Server, prefix: str, folder: Path) -> None:
        self.prefix, self.folder = prefix, folder
        self.server = server.url.set(drivername="postgresql")

    def named(self, text: str) -> str:
        """The page's text with this test's names."""
        own = {
            "ana": "_ana",
            "ben": "_ben",
            "satcat": "",
            "satcat_reader": "_reader",
            "satcat_picker": "_picker",
        }
        return WORDS.sub(lambda match: self.prefix + own[match[1]], text)  # fmt: skip

    def psql(self, sql: str, database: str = "postgres") -> None:
        """Run SQL as the administrator, as psql runs a file; passwords are not asked for."""
        text = re.sub(r"^\\password .*\n", "", self.named(sql), flags=re.MULTILINE)
        self.run(
            "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", "-", self.address(database), told=text
        )

    def address(self, database: str) -> str:
        return self.server.set(database=database).render_as_string(hide_password=False)

    def run(self, program: str, *args: str, told: str = "") -> None:
        command = [str(programs() / program), *args]
        done = subprocess.run(command, input=told, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def writable(self, role: str) -> set[str]:
        """The tables to which a role may write."""
        engine = sa.create_engine(
            self.server.set(drivername="postgresql+psycopg", database=self.prefix),
            poolclass=sa.NullPool,
        )
        with engine.connect() as connection:
            found = connection.exec_driver_sql(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
                f" AND has_table_privilege('{role}', oid, 'INSERT, UPDATE, DELETE, TRUNCATE')"
            )
            return set(found.scalars())

    def satcat(self, role: str, *args: str, database: str = "") -> subprocess.CompletedProcess[str]:
        """Run satcat as a role, which a service file names."""
        url, file = self.server, self.folder / "service.conf"
        host, port = url.query.get("host", url.host), url.port or 5432
        lines = [
            "[satcat]",
            f"host={host}",
            f"port={port}",
            f"user={role}",
            f"dbname={database or self.prefix}",
        ]
        file.write_text("\n".join(lines) + "\n")
        environment = os.environ | {
            "PGSERVICEFILE": str(file),
            "SATCAT_DB": "postgresql+psycopg:///?service=satcat",
        }
        command = [sys.executable, "-m", "satcat", *args]
        return subprocess.run(command, env=environment, cwd=self.folder, capture_output=True, text=True)  # fmt: skip


def test_its_roles_can_do_what_it_says_and_no_more(
    postgres: Server, prefix: str, tmp_path: Path
) -> None:
    host = Host(postgres, prefix, tmp_path)
    host.psql(ROLES)
    made = host.satcat(prefix, "db", "upgrade")
    assert made.returncode == 0, made.stderr
    host.psql(PEOPLE, prefix)
    host.psql(TABLES, prefix)
    host.psql(
        "INSERT INTO products (id, source, name, collection, sensing_start, content_hash, first_seen_at, changed_at)"
        " VALUES ('00000000-0000-4000-8000-000000000001', 'cdse', 'S2A', 'SENTINEL-2', now(), '', now(), now())",
        prefix,
    )
    ana, ben = f"{prefix}_ana", f"{prefix}_ben"
    for words in (
        ["status"],
        ["query"],
        ["queue"],
        ["sql", "SELECT * FROM tile_coverage"],
        ["export", "lake", "--partition", "month"],
    ):
        done = host.satcat(ana, *words)
        assert done.returncode == 0, (words, done.stderr)
    refused = host.satcat(ana, "mark", "--all")
    assert (refused.returncode, "permission denied for table downloads" in refused.stderr) == (
        3,
        True,
    )
    for words in (["mark", "--all"], ["unmark", "--all"], ["mark", "--all"]):
        done = host.satcat(ben, *words)
        assert done.returncode == 0, (words, done.stderr)
    for role, may in ((ana, set()), (ben, {"downloads"})):
        assert host.writable(role) == may
    listed = host.satcat(ana, "queue", "list", "-f", "json")
    assert [row["status"] for row in json.loads(listed.stdout)] == ["queued"]
    host.run(
        "pg_dump", "--format=custom", f"--file={tmp_path / 'satcat.dump'}", host.address(prefix)
    )
    restored = f"{prefix}_restored"
    host.psql(f"CREATE DATABASE {restored} OWNER satcat ENCODING 'UTF8' TEMPLATE template0")
    host.run(
        "pg_restore",
        f"--dbname={host.address(restored)}",
        "--exit-on-error",
        str(tmp_path / "satcat.dump"),
    )
    again = host.satcat(prefix, "queue", "list", "-f", "json", database=restored)
    assert again.stdout == listed.stdout


def test_the_compose_file_makes_a_database_for_an_ordinary_role(
    postgres: Server, prefix: str, tmp_path: Path
) -> None:
    host = Host(postgres, prefix, tmp_path)
    script: str = yaml.safe_load(COMPOSE)["configs"]["roles"]["content"]
    script = host.named(script.replace("$$", "$"))
    script = script.replace("--username postgres", f"-X -d '{host.address('postgres')}'")
    where = f"{programs()}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": where, "SATCAT_PASSWORD": 'it\'s "secret" $HOME'}
    done = subprocess.run(
        ["bash", "-eu"], input=script, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    made = host.satcat(prefix, "db", "upgrade")
    assert made.returncode == 0, made.stderr


def test_its_settings_are_those_of_the_server(postgres: Server) -> None:
    engine = sa.create_engine(postgres.url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        known = set(connection.exec_driver_sql("SELECT name FROM pg_settings").scalars())
    names = set(re.findall(r"ALTER SYSTEM SET (\w+) =", SETTINGS))
    names |= set(re.findall(r"-c (\w+)=", PAGE + COMPOSE))
    assert len(names) > 8
    assert names <= known
