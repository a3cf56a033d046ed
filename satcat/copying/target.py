"""What a copy goes into: an empty catalogue, or an unfinished copy of the same source, that nobody else is at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy import Connection

from satcat import times
from satcat.database import Database
from satcat.errors import FilterError
from satcat.models import metadata, tiles, unfinished_copy


@contextmanager
def begun(source: Database, where: str) -> Iterator[Database]:
    """Open the target, made if there is none, as an unfinished copy of the source; nobody else can open or sync it.

    Raises:
        FilterError: it is the source, holds something else, or is an unfinished copy of another.
    """
    with Database.connect(where, create=True) as target:
        if target.identity() == source.identity():
            raise FilterError(
                f"{target.name} is {source.name} itself: name another catalogue to copy to"
            )
        with target.syncing("satcat copy"):
            if target.version() is None:
                target.upgrade()
            target.check_version()
            with target.write() as connection:
                _begin(connection, target, source.full_name)
            yield target


def _begin(connection: Connection, target: Database, source: str) -> None:
    if unfinished_copy.name in sa.inspect(connection).get_table_names():  # of this schema alone
        known = connection.scalar(sa.select(unfinished_copy.c.source))
        if known != source:
            raise FilterError(
                f"{target.name} is an unfinished copy of {known}, not of {source}: finish that one, remove it, "
                "or name another catalogue to copy to"
            )
        return
    for table in metadata.sorted_tables:
        something = sa.select(sa.exists().select_from(table))
        if table is not tiles and connection.scalar(something):
            raise FilterError(
                f"{target.name} is a catalogue with something in it: name a new one to copy to "
                "(`satcat copy --check` compares two)"
            )
    unfinished_copy.create(connection)
    connection.execute(sa.insert(unfinished_copy).values(source=source, begun_at=times.now()))


def end(connection: Connection) -> None:
    """Make the copy a catalogue as any other."""
    unfinished_copy.drop(connection)
