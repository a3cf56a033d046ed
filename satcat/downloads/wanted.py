"""Which products a list of words means: ids, names with or without suffix, and beginnings of ids, as `satcat show` has it.

Each function works inside the caller's transaction. A list of a hundred thousand words takes some hundred statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection, Table

from satcat.batches import batches
from satcat.canonical import UNSTORABLE
from satcat.functions import each
from satcat.models import deleted_products, downloads, products
from satcat.select import MIN_PREFIX, stem

#: Words that one statement names; SQLite binds at most 32,766 values.
BATCH = 1000
_Ids: TypeAlias = dict[str, list[str]]  # of each word


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list of words means.

    Attributes:
        ids: of the products, each once, in the order of the words. A name that several products have means them all.
        unknown: the words that mean nothing here.
        ambiguous: the beginnings of several ids.
    """

    ids: list[str]
    unknown: list[str]
    ambiguous: list[str]


def in_catalogue(connection: Connection, words: Iterable[str]) -> Wanted:
    """Products of the catalogue."""
    return _meant(connection, words, (products,))


def in_queue(connection: Connection, words: Iterable[str]) -> Wanted:
    """What rows of the queue may be called: their products may be deleted by now, or never have been in the catalogue."""
    return _meant(connection, words, (products, deleted_products, downloads))


def _meant(connection: Connection, words: Iterable[str], tables: tuple[Table, ...]) -> Wanted:
    distinct = dict.fromkeys(text for word in words if (text := word.strip()))
    exact: _Ids = {}
    begun: _Ids = {}
    for batch in batches((word for word in distinct if not UNSTORABLE.search(word)), BATCH):
        for table in tables:
            for look in (_by_id, by_name):
                exact |= look(connection, table, [word for word in batch if word not in exact])
        rest = [word for word in batch if word not in exact and len(word) >= MIN_PREFIX]
        for table in tables:
            for word, ids in _by_beginning(connection, table, rest).items():
                begun[word] = sorted({*begun.get(word, ()), *ids})
    right = {**{word: ids for word, ids in begun.items() if len(ids) == 1}, **exact}
    return Wanted(
        ids=list(dict.fromkeys(id for word in distinct for id in right.get(word, ()))),
        unknown=[word for word in distinct if word not in exact and word not in begun],
        ambiguous=[word for word, ids in begun.items() if len(ids) > 1],
    )


def _by_id(connection: Connection, table: Table, words: list[str]) -> _Ids:
    ids = _id(table)
    return {id: [id] for id in connection.scalars(sa.select(ids).where(ids.in_(words)))}


def by_name(connection: Connection, table: Table, words: list[str]) -> dict[str, list[str]]:
    """The ids of the products of each name, whatever suffix either has; at most `BATCH` names at once."""
    if "name" not in table.c:
        return {}
    name = table.c.name
    bare = {word: stem(word) for word in words if stem(word)}
    return _joined(
        connection, table, bare,
        # "/" follows "." in ASCII: the name with any suffix
        lambda text: sa.or_(name == text, sa.and_(name >= text + ".", name < text + "/")),
    )  # fmt: skip


def _by_beginning(connection: Connection, table: Table, words: list[str]) -> _Ids:
    ids = _id(table)
    return _joined(
        connection, table, {word: word for word in words},
        lambda text: sa.and_(ids >= text, ids < text + "\U0010ffff"),
    )  # fmt: skip


def _joined(
    connection: Connection,
    table: Table,
    texts: dict[str, str],
    fits: Callable[[ColumnElement[str]], ColumnElement[bool]],
) -> _Ids:
    """The ids of the rows that fit each word's text."""
    found: _Ids = {}
    if not texts:
        return found
    words: dict[str, list[str]] = {}
    for word, text in texts.items():
        words.setdefault(text, []).append(word)
    given = each(words).subquery("given")
    (text_,) = given.c
    matches = sa.select(text_, _id(table)).join_from(given, table, fits(text_))
    for text, id in connection.execute(matches.order_by(text_, _id(table))):
        for word in words[text]:
            found.setdefault(word, []).append(id)
    return found


def _id(table: Table) -> ColumnElement[str]:
    return table.c.product_id if table is downloads else table.c.id
