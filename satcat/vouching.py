"""What a mirrored scope can vouch for: pure rules on filters, without tiles' windows in time.

A scope holds everything that its filters let through. It vouches for a query if the query lets through nothing more.
A collection, product type, level or tile that the query leaves open means what is mirrored of it; all else is taken as
said, so that a scope narrowed by contains, platform, orbit or area vouches only for queries narrowed at least as much.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from satcat import names
from satcat.errors import FilterError
from satcat.filters import SearchFilters


@dataclass(frozen=True, slots=True)
class Kind:
    """What a query that leaves such things open is taken to mean; None: every type, every level."""

    collection: str
    product_type: str | None = None
    processing_level: str | None = None

    def __str__(self) -> str:
        """The kind in words, `SENTINEL-2 L2A`."""
        words = (self.collection, self.processing_level, self.product_type)
        return " ".join(word for word in words if word)

    def includes(self, other: Kind) -> bool:
        """Tell whether every product of the other kind is of this one."""
        if self.collection != other.collection:
            return False
        if self.product_type not in (None, other.product_type):
            return False
        return self.processing_level in (None, other.processing_level) or (
            other.processing_level is None
            and is_of_level(self.collection, other.product_type, self.processing_level)
        )


def own_kind(scope: SearchFilters) -> Kind:
    """The kind that a scope holds."""
    assert scope.collection is not None
    return Kind(scope.collection, scope.product_type, scope.processing_level)


def kind_of(scope: SearchFilters, asked: SearchFilters) -> Kind | None:
    """What the query means of this scope, if time, tiles and area agree; None if the scope cannot vouch for it."""
    narrower = (
        asked.collection in (None, scope.collection)
        and scope.platform in (None, asked.platform)
        and scope.relative_orbit in (None, asked.relative_orbit)
        and all(any(text in wanted for wanted in asked.texts) for text in scope.texts)
    )
    if not narrower:
        return None
    held = own_kind(scope)
    level = asked.processing_level
    if asked.product_type is not None:  # one type has one level
        meant = Kind(held.collection, asked.product_type, level)
    elif level is not None:
        if asked.collection is None and not _has_level(held.collection, level):
            return None
        meant = Kind(held.collection, held.product_type, level)
        if held.product_type and not is_of_level(held.collection, held.product_type, level):
            return None
    else:
        meant = held
    return meant if held.includes(meant) else None


def vouches_for_tile(scope: SearchFilters, tile: str, asked: SearchFilters) -> bool:
    """Tell whether the scope holds all that the query means of one tile."""
    if not _is_cut_so(scope.collection, tile) or (scope.tiles and tile not in scope.tiles):
        return False
    return _holds(scope, asked.area) or _holds(scope, _footprint(tile))


def vouches_everywhere(scope: SearchFilters, asked: SearchFilters) -> bool:
    """Tell whether the scope holds all that the query means, whatever its tile."""
    return not scope.tiles and _holds(scope, asked.area)


def may_hold(kinds: Iterable[Kind], collection: str, product_type: str | None) -> bool:
    """Tell whether any of the kinds has products of this type; None: of any type of the collection."""
    theirs = Kind(collection, product_type)
    return any(kind.includes(theirs) or theirs.includes(kind) for kind in kinds)


def is_of_level(collection: str, product_type: str | None, level: str | None) -> bool:
    """Tell whether products of this type are of this level, as far as the type says so."""
    if product_type is None or level is None:
        return False
    if not _has_level(collection, level):
        return False
    marker = names.level_marker(collection, level)
    # S2MSI2A stands in names as MSIL2A; all other types stand there as they are
    return marker in f"_{product_type}_".replace("S2MSI", "MSIL")


def _has_level(collection: str, level: str) -> bool:
    """Tell whether names of the collection spell this level."""
    try:
        names.level_marker(collection, level)
    except FilterError:
        return False
    return True


def _is_cut_so(collection: str | None, tile: str) -> bool:
    """Tell whether the collection can have products of this tile: it is not cut along the other grid."""
    try:
        names.tile_marker(collection or "", tile)
    except FilterError:
        return False
    return True


def _holds(scope: SearchFilters, area: Any) -> bool:
    held = _prepared_area(scope)
    return held is None or (area is not None and bool(held.covers(area)))


@lru_cache(maxsize=64)
def _prepared_area(scope: SearchFilters) -> Any:
    area = scope.area
    if area is not None:
        import shapely

        shapely.prepare(area)
    return area


@lru_cache(maxsize=10_000)
def _footprint(tile: str) -> Any:
    from satcat import tiles

    return tiles.footprint(tile)
