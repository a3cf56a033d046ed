"""From a parsed filter to a test of records, and to bounds that narrow the search."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeAlias

import shapely

from satcat.sandbox import odata
from satcat.sandbox.records import Deletion, Record, TypedValue, attribute, value_type

Entity: TypeAlias = Record | Deletion
Predicate: TypeAlias = Callable[[Any], bool]
Bounds: TypeAlias = dict[str, tuple[datetime | None, datetime | None]]

_COMMON = {
    "Id": "id",
    "Name": "name",
    "Collection/Name": "collection",
    "OriginDate": "origin_date",
    "ContentDate/Start": "sensing_start",
    "ContentDate/End": "sensing_end",
}

#: Filterable properties of each entity set: what they are called in OData, and where they are.
PRODUCT_FIELDS = _COMMON | {
    "PublicationDate": "publication_date",
    "ModificationDate": "modification_date",
    "Online": "online",
}
DELETION_FIELDS = {name: f"record.{field}" for name, field in _COMMON.items()} | {
    "DeletionDate": "deletion_date",
    "DeletionCause": "cause",
}

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


def everything(entity: Entity) -> bool:
    """The test that all pass."""
    return True


def kinds(fields: dict[str, str]) -> dict[str, odata.Kind]:
    """The kind of each filterable property, for the parser."""
    return {
        name: "boolean" if name == "Online" else "date" if _is_date(field) else "text"
        for name, field in fields.items()
    }


def predicate(node: odata.Node, fields: dict[str, str]) -> Predicate:
    """The function that tells whether an entity matches."""
    match node:
        case odata.And(parts):
            tests = [predicate(part, fields) for part in parts]
            return lambda entity: all(test(entity) for test in tests)
        case odata.Or(parts):
            tests = [predicate(part, fields) for part in parts]
            return lambda entity: any(test(entity) for test in tests)
        case odata.Not(part):
            test = predicate(part, fields)
            return lambda entity: not test(entity)
        case odata.Compare(name, symbol, value):
            get, compare = attrgetter(fields[name]), _COMPARISONS[symbol]
            return lambda entity: compare(get(entity), value)
        case odata.Text(function, name, text):
            return _text(function, attrgetter(fields[name]), text)
        case odata.Intersects(area):
            return lambda entity: _meets(area, _record(entity))
        case odata.Any():
            return lambda entity: _has(node, _record(entity))


def bounds(node: odata.Node) -> Bounds:
    """What the filter demands of each date, ends included; None on a side that is open.

    Only a narrowing: the predicate still decides.
    """
    found: Bounds = {}
    for part in node.parts if isinstance(node, odata.And) else (node,):
        if isinstance(part, odata.And):
            limits = bounds(part)
        elif isinstance(part, odata.Compare) and isinstance(part.value, datetime):
            above = part.value if part.operator in ("gt", "ge", "eq") else None
            below = part.value if part.operator in ("lt", "le", "eq") else None
            limits = {part.name: (above, below)}
        else:
            continue
        for name, (low, high) in limits.items():
            known_low, known_high = found.get(name, (None, None))
            found[name] = (
                max((v for v in (low, known_low) if v), default=None),
                min((v for v in (high, known_high) if v), default=None),
            )
    return found


def _is_date(field: str) -> bool:
    return field.endswith(("_date", "sensing_start", "sensing_end"))


def _record(entity: Entity) -> Record:
    return entity.record if isinstance(entity, Deletion) else entity


def _text(function: str, get: Callable[[Any], str], text: str) -> Predicate:
    if function == "contains":
        return lambda entity: text in get(entity)
    if function == "startswith":
        return lambda entity: get(entity).startswith(text)
    return lambda entity: get(entity).endswith(text)


def _has(wanted: odata.Any, record: Record) -> bool:
    value = attribute(record, wanted.name)
    if value is None or value_type(value) != wanted.value_type:
        return False
    stored = value.value if isinstance(value, TypedValue) else value
    try:
        return _COMPARISONS[wanted.operator](stored, wanted.value)
    except TypeError:  # stored as another JSON type than stated: such rows are found by no filter
        return False


def _meets(area: shapely.Geometry, record: Record) -> bool:
    footprint = geometry(record.footprint) if record.footprint else None
    return footprint is not None and bool(shapely.intersects(area, footprint))


@lru_cache(maxsize=1 << 14)
def geometry(wkt: str) -> shapely.Geometry | None:
    """A footprint, parsed; None if it is not WKT."""
    parsed: shapely.Geometry | None = shapely.from_wkt(wkt, on_invalid="ignore")
    return parsed
