"""Which products of the catalogue things on disk may be, by name; a batch at a time.

A name may be that of several products, and a file may carry the first eight characters of its id, or all of them, as the
worker names the second of two (`NAME_<id>`). What no product is called says its name itself, if it can.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from satcat import choice, select
from satcat.batches import batches
from satcat.downloads import finding, wanted
from satcat.downloads.finding import Found
from satcat.models import deleted_products, downloads, products
from satcat.products import SatelliteImage
from satcat.select import MIN_PREFIX

_MARKED = re.compile(rf"(.+)_([0-9A-Za-z-]{{{MIN_PREFIX},}})")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product that something may be.

    Attributes:
        row: its download, if there is one.
        newer: the name of the newest version of its scene, if that is another product.
    """

    product: SatelliteImage
    row: Row[Any] | None
    newer: str | None


@dataclass(frozen=True, slots=True)
class Match:
    """A thing on disk and the products that it may be.

    `deleted`: of none of them, but of a product that the source has deleted: its row of `deleted_products`.
    """

    found: Found
    candidates: tuple[Candidate, ...] = ()
    deleted: Row[Any] | None = None


def match(connection: Connection, batch: Sequence[Found]) -> list[Match]:
    """Look things up; those that do not look like products and are none are left out."""
    readable = [found for found in batch if found.trouble is None]
    names: dict[Path, tuple[str, ...]] = {found.path: (found.name,) for found in readable}
    known = _ids(connection, names.values())
    for found in readable:  # what nobody knows by the name that it has here
        if not _meant(found.name, known) and (inner := finding.inner_name(found)):
            names[found.path] = (found.name, inner)
    known |= _ids(connection, [own[1:] for own in names.values()])
    gone = _deleted(connection, [name for own in names.values() for name in own])
    of_id = _candidates(connection, sorted({id_ for ids in known.values() for id_ in ids}))
    matches = []
    for found in batch:
        mine = names.get(found.path, ())
        ids = next((ids for name in mine if (ids := _meant(name, known))), [])
        deleted = next((gone[name] for name in mine if name in gone), None)
        matches.append(Match(found, tuple(of_id[i] for i in ids), None if ids else deleted))
    return matches


def _ids(connection: Connection, names: Any) -> dict[str, list[str]]:
    """The ids of each name, and of each name less what may be the mark of an id."""
    every = {spelling for own in names for name in own for spelling in _spellings(name)}
    known: dict[str, list[str]] = {}
    for some in batches(sorted(every), wanted.BATCH):
        known |= wanted.by_name(connection, products, some)
    return known


def _spellings(name: str) -> Iterator[str]:
    if name:
        yield name
    if marked := _MARKED.fullmatch(name):
        yield marked[1]


def _meant(name: str, known: dict[str, list[str]]) -> list[str]:
    """The ids that a name means: of the products called so, or of those whose id it carries."""
    if ids := known.get(name):
        return ids
    marked = _MARKED.fullmatch(name)
    if marked is None:
        return []
    return [id_ for id_ in known.get(marked[1], ()) if id_.startswith(marked[2].lower())]


def _deleted(connection: Connection, names: list[str]) -> dict[str, Row[Any]]:
    table = deleted_products
    found: dict[str, Row[Any]] = {}
    for some in batches(sorted(set(filter(None, names))), wanted.BATCH):
        ids = wanted.by_name(connection, table, some)
        every = [id_ for each in ids.values() for id_ in each]
        rows = {
            row.id: row for row in connection.execute(sa.select(table).where(table.c.id.in_(every)))
        }
        found |= {name: rows[each[0]] for name, each in ids.items()}
    return found


def _candidates(connection: Connection, ids: list[str]) -> dict[str, Candidate]:
    found: dict[str, Candidate] = {}
    for some in batches(ids, wanted.BATCH):
        newer = choice.newest_versions(connection, some)
        mine = connection.execute(sa.select(downloads).where(downloads.c.product_id.in_(some)))
        rows = {row.product_id: row for row in mine}
        for row in connection.execute(sa.select(products).where(products.c.id.in_(some))):
            found[row.id] = Candidate(select.image(row), rows.get(row.id), newer.get(row.id))
    return found
