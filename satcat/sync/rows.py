"""Products as rows, in the form in which SQLite keeps them; a page at a time through SQLAlchemy costs twice as much."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from satcat import times
from satcat.columns import Instant, to_json
from satcat.models import products
from satcat.products import SOURCE_COLUMNS, SatelliteImage, canonical_json, content_hash

#: What `stored` gives is followed by first_seen_at and changed_at, or by changed_at and pk.
INSERT = (
    f"INSERT INTO products ({', '.join(SOURCE_COLUMNS)}, content_hash, first_seen_at, changed_at) "
    f"VALUES ({', '.join('?' * (len(SOURCE_COLUMNS) + 3))})"
)
UPDATE = (
    f"UPDATE products SET {', '.join(f'{name} = ?' for name in SOURCE_COLUMNS)}, content_hash = ?, changed_at = ? "
    "WHERE pk = ?"
)

#: Where these stand in a row of INSERT.
ID = SOURCE_COLUMNS.index("id")
FIRST_SEEN = len(SOURCE_COLUMNS) + 1

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
