"""What may have been meant where filters find nothing: cheap looks at the catalogue, said as questions, never believed."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection

from satcat import spatial_index
from satcat.errors import FilterError
from satcat.filters import SearchFilters, option
from satcat.models import products

_SPELT = ("collection", "product_type", "processing_level", "platform")
_SAMPLE = 5_000  # products of each collection that are looked at for what values there are
_NAMED = 5


def hints(connection: Connection, filters: SearchFilters) -> list[str]:
    """What else may have been meant, one line each; nothing if nothing comes to mind."""
    return [*_spelling(connection, filters), *_swapped(connection, filters), *_names(filters)]


def _spelling(connection: Connection, filters: SearchFilters) -> Iterator[str]:
    """Values of which the catalogue has near ones only."""
    collections = _collections(connection)
    looked_at = [filters.collection] if filters.collection in collections else collections
    for name in _SPELT:
        value = getattr(filters, name)
        if value is None:
            continue
        known = collections if name == "collection" else _values(connection, name, looked_at)
        if known and value not in known:
            yield f"{option(name)} {value}: {_known(value, known)}"


def _known(value: str, known: list[str]) -> str:
    by_letters = {text.upper(): text for text in known}
    near = difflib.get_close_matches(value.upper(), by_letters, n=2, cutoff=0.7)
    if near:
        return f"did you mean {' or '.join(by_letters[text] for text in near)}?"
    return f"among those mirrored are {', '.join(known[:_NAMED])}"


def _collections(connection: Connection) -> list[str]:
    """Every collection, each found by its place in the index."""
    found: list[str] = []
    column = products.c.collection
    first = sa.select(sa.func.min(column))
    while (value := connection.scalar(first.where(column > (found or [""])[-1]))) is not None:
        found.append(value)
    return found


def _values(connection: Connection, name: str, collections: list[str]) -> list[str]:
    found: set[str] = set()
    for collection in collections:
        some = sa.select(products.c[name].label("value")).where(products.c.collection == collection)
        sample = some.limit(_SAMPLE).subquery()
        found |= {
            value for value in connection.scalars(sa.select(sample.c.value).distinct()) if value
        }
    return sorted(found)


def _swapped(connection: Connection, filters: SearchFilters) -> Iterator[str]:
    """An area where nothing is, though there is where latitude and longitude are the other way round."""
    bare = SearchFilters(geometry=filters.geometry, bbox=filters.bbox, point=filters.point)
    other = _other_way_round(bare)
    if other is not None and not _met(connection, bare.area) and _met(connection, other.area):
        (name,) = bare.set_names
        yield f"{option(name)}: no product touches it, but with latitude and longitude swapped some do: longitude comes first"


def _other_way_round(bare: SearchFilters) -> SearchFilters | None:
    try:
        if bare.point is not None:
            return SearchFilters(point=bare.point[::-1])
        if bare.bbox is not None:
            west, south, east, north = bare.bbox
            return SearchFilters(bbox=(south, west, north, east))
        return None if bare.geometry is None else SearchFilters(geometry=_flipped(bare.area))
    except FilterError:  # not on the globe that way
        return None


def _flipped(area: Any) -> Any:
    import shapely

    return shapely.transform(area, lambda lonlat: lonlat[:, ::-1])


def _met(connection: Connection, area: Any) -> bool:
    """Tell whether the box of any product meets one of the area: a look at the index alone."""
    from satcat import footprints

    return spatial_index.is_any_met(connection, footprints.boxes(area))


def _names(filters: SearchFilters) -> Iterator[str]:
    """What is easily misunderstood."""
    name = filters.name
    if name is not None and "*" not in name and "?" not in name:
        yield f"--name {name}: that is a whole name, with its suffix; write {name}* or --contains {name}"
    if name is not None and name[:3] != name[:3].upper():
        yield f"--name {name}: capitals matter"
    for text in filters.texts:
        if "*" in text:
            yield f"--contains {text}: * stands for itself there; write --name '*{text.strip('*')}*'"
        elif text != text.upper():
            yield f"--contains {text}: capitals matter"
    if filters.cloud_cover is not None and 0 < filters.cloud_cover < 1:
        yield f"--cloud {filters.cloud_cover:g}: that is in percent"
