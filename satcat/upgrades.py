"""Running the migrations; the only module that loads Alembic."""

from __future__ import annotations

from importlib.resources import files

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration for the migrations that come with satcat, wherever it is installed."""
    made = Config()
    place = str(files("satcat.migrations"))
    made.set_main_option("script_location", place.replace("%", "%%"))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Apply the migrations up to `revision` inside the connection's transaction."""
    command.upgrade(config(connection), revision)
