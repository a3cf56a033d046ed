"""Products as rows, in the form in which SQLite keeps them; a page at a time through SQLAlchemy costs twice as much."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from satcat import times
from satcat.columns import Instant, to_json
from satcat.models import products
from satcat.products import SOURCE_COLUMNS, SatelliteImage, canonical_json, content_hash

#: Rows of one INSERT. Triggers make SQLite keep, for each statement, what every page was before it: half the time if a
#: statement is one row. It binds at most 32,766 values.
AT_ONCE = 100
_ROW = f"({', '.join('?' * (len(SOURCE_COLUMNS) + 3))})"

#: What `stored` gives is followed here by changed_at and pk.
UPDATE = (
    f"UPDATE products SET {', '.join(f'{name} = ?' for name in SOURCE_COLUMNS)}, content_hash = ?, changed_at = ? "
    "WHERE pk = ?"
)

#: Where these stand in a row to insert.
ID = SOURCE_COLUMNS.index("id")
FIRST_SEEN = len(SOURCE_COLUMNS) + 1


def insert(count: int) -> str:
    """A statement for so many rows; what `stored` gives of each is followed by first_seen_at and changed_at."""
    names = ", ".join((*SOURCE_COLUMNS, "content_hash", "first_seen_at", "changed_at"))
    return f"INSERT INTO products ({names}) VALUES {', '.join([_ROW] * count)}"


_INSTANTS = [name for name in SOURCE_COLUMNS if isinstance(products.c[name].type, Instant)]
_values_of = attrgetter(*SOURCE_COLUMNS)


def stored(image: SatelliteImage) -> list[Any]:
    """The values of SOURCE_COLUMNS, in this order, and the content hash."""
    values: dict[str, Any] = dict(zip(SOURCE_COLUMNS, _values_of(image), strict=True))
    for name in _INSTANTS:
        moment = values[name]
        if moment is not None:
            values[name] = times.to_text(moment)
    attributes = values["attributes"]
    said = values["attributes"] = to_json(attributes)
    whole = any(type(value) is float and value.is_integer() for value in attributes.values())
    digest = content_hash(values, canonical_json(attributes) if whole else said)
    return [*values.values(), digest]
