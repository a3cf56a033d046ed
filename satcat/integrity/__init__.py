"""Whether a catalogue is whole in itself: shown offline, from the catalogue alone.

Damage to the file, rows that refer to nothing, derived tables that do not follow from the products, and products that
are no longer what the source said (their content hash does not fit). A server keeps its own files and references right.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

from sqlalchemy import Connection

from satcat.integrity import postgresql, sqlite
from satcat.integrity.finding import KINDS, Finding

__all__ = ["KINDS", "Finding", "altered", "check", "rebuild_derived"]


def check(connection: Connection) -> Iterator[Finding]:
    """Look at everything; yields what is wrong, nothing if the catalogue is whole."""
    yield from _engine(connection).check(connection)
    yield from _both(connection)
    yield from altered(connection)


def _both(connection: Connection) -> Iterator[Finding]:
    for (product,) in connection.exec_driver_sql(
        "SELECT id FROM products WHERE id IN (SELECT id FROM deleted_products)"
    ):
        yield Finding("both", "is in products and in deleted_products", product)


def altered(connection: Connection) -> Iterator[Finding]:
    """Products whose content hash does not fit what the row holds."""
    for product in _engine(connection).altered(connection):
        yield Finding("altered", "the row is not what the source said", product)


def rebuild_derived(connection: Connection) -> None:
    """Make the spatial index and the counts per tile and month again from the products."""
    _engine(connection).rebuild(connection)


def _engine(connection: Connection) -> ModuleType:
    return postgresql if connection.dialect.name == "postgresql" else sqlite
