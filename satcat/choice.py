"""Which of the products that match: a share of the area, the latest versions, the best of each group, those not at hand.

Each step narrows what the step before has left, in the order of `Choice`; `sort` and `limit` come last. Ties are broken
by the newest sensing and then by id, so that the same catalogue always gives the same answer.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Connection

from satcat import scenes, space
from satcat.conditions import Condition, is_one_of
from satcat.errors import FilterError
from satcat.filters import SearchFilters
from satcat.functions import as_number, as_text, is_like
from satcat.models import downloads, products

#: Short names for columns that people sort, choose and group by, beside the columns' own.
SHORT_NAMES = {
    "cloud": "cloud_cover", "tile": "tile_id", "level": "processing_level", "type": "product_type",
    "orbit": "relative_orbit", "baseline": "processing_baseline", "date": "sensing_start", "size": "size_bytes",
}  # fmt: skip

#: What a sensing start can be grouped by, and how many characters of its stored form say so.
PERIODS = {"year": 4, "month": 7, "day": 10}

_SORTABLE = [c.name for c in products.columns if c.name not in ("pk", "footprint", "attributes")]
_NEWEST = [products.c.sensing_start.desc(), products.c.id]
_SECOND = 19  # characters of an instant's stored form, down to the second
_NEAR = timedelta(seconds=2)
_PLACES = 100  # that one statement looks at
_TEST_BASELINE = "99.99"


class Choice(TypedDict, total=False):
    """Which of the products that match, step by step, and in what order.

    Attributes:
        covers: those whose footprint covers at least this share, above 0 and up to 1, of the filters' area.
        latest: of each scene only the newest version: the highest baseline (99.99, of test products, is the lowest),
            then the newest publication. What a scene is, `scenes` says by the names of its products; of other names, it
            is what one platform sensed at one second of one tile (without tiles: until one second, on one orbit) at one
            level and type. A Sentinel-2 tile that two datastrips share has two products of one baseline: the newer stays.
        best: one product for each group of `per`: the one with the lowest value in this column, `-column` for the
            highest; unknown values are the worst; then the newest sensing.
        per: the groups: columns, or `year`, `month` and `day` of the sensing start; `tile,month` is as good.
        not_downloaded: less those whose file is at hand, whole: so that what is left is what is still missing of
            the latest and best.
        sort: a column to order by instead of by the newest sensing, `-column` for descending; unknown values come last.
        limit: at most so many.
    """

    covers: float | None
    latest: bool
    best: str | None
    per: str | Sequence[str] | None
    not_downloaded: bool
    sort: str | None
    limit: int | None


def check(filters: SearchFilters, choice: Choice) -> None:
    """Raise FilterError for a choice that cannot be meant, TypeError for one that there is not."""
    for name in choice:
        if name not in Choice.__annotations__:
            raise TypeError(
                f"there is no choice {name!r}: there are {', '.join(Choice.__annotations__)}"
            )
    limit, covers = choice.get("limit"), choice.get("covers")
    best, per = choice.get("best"), _groups(choice)
    if limit is not None and limit < 1:
        raise FilterError(f"--limit {limit}: give a number from 1 on")
    if (best is not None or choice.get("per") is not None) and (best is None or not per):
        raise FilterError("--best COLUMN and --per GROUP,... belong together: give both")
    order("--sort", choice.get("sort"))
    order("--best", best)
    for name in per:
        group(name)
    if covers is None:
        return
    if not 0 < covers <= 1:
        raise FilterError(f"--covers {covers:g}: give a share above 0 and up to 1, as 0.8 for 80 %")
    if filters.bbox is None and "POLYGON" not in (filters.geometry or ""):
        raise FilterError(
            f"--covers {covers:g}: of which area? give --bbox, or --geometry with a polygon"
        )


def chosen(connection: Connection, filters: SearchFilters, choice: Choice) -> list[Condition]:
    """The conditions that hold for the products that match and are chosen, and for no others."""
    check(filters, choice)
    found = space.matches(connection, filters)
    least, best = choice.get("covers"), choice.get("best")
    if least is not None:
        keys = space.covering(connection, filters.area, least, found)
        found = [is_one_of(products.c.pk, keys)]
    if choice.get("latest"):
        found = [_first_of_each([products.c.collection, _scene()], _newest_version(), found)]
    if best is not None:
        groups = [group(name) for name in _groups(choice)]
        found = [_first_of_each(groups, order("--best", best), found)]
    if choice.get("not_downloaded"):
        found.append(~is_downloaded())
    return found


def newest_versions(connection: Connection, ids: Sequence[str]) -> dict[str, str]:
    """The name of the newest version of each product's scene, by the product's id, where that is another one.

    What is a version of what, and which is the newest, is as for `latest`.
    """
    c = products.c
    mine = sa.select(c.collection, c.tile_id, c.sensing_start).where(is_one_of(c.id, ids))
    places = [_beside(*row) for row in connection.execute(mine.distinct())]
    newest = sa.func.first_value(c.name).over(
        partition_by=[c.collection, _scene()], order_by=_newest_version()
    )
    found: dict[str, str] = {}
    for start in range(0, len(places), _PLACES):
        beside = sa.or_(*places[start : start + _PLACES])
        versions = sa.select(c.id, c.name, newest.label("newest")).where(beside).subquery().c
        older = sa.select(versions.id, versions.newest).where(
            versions.name != versions.newest, is_one_of(versions.id, ids)
        )
        found.update((row.id, row.newest) for row in connection.execute(older))
    return found


def column(option: str, name: str) -> ColumnElement[Any]:
    """The column that a person named, if products can be ordered by it; FilterError names near ones."""
    known = SHORT_NAMES.get(name, name)
    if known not in _SORTABLE:
        near = difflib.get_close_matches(name, [*SHORT_NAMES, *_SORTABLE], n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else "`satcat schema` lists them"
        raise FilterError(f"{option} {name}: there is no such column; {hint}")
    return products.c[known]


def group(name: str) -> ColumnElement[Any]:
    """What products are grouped by: a column, or a period of the sensing start as text, `2024-06`."""
    if name in PERIODS:
        return sa.func.substr(as_text(products.c.sensing_start), 1, PERIODS[name], type_=sa.Text())
    return column("--per", name)


def order(option: str, name: str | None) -> list[ColumnElement[Any]]:
    """By this column (`-column`: descending; unknown values last), then newest sensing first, then by id."""
    if name is None:
        return _NEWEST
    by = column(option, name.removeprefix("-"))
    return [(by.desc() if name.startswith("-") else by.asc()).nulls_last(), *_NEWEST]


def _groups(choice: Choice) -> list[str]:
    per = choice.get("per") or ()
    return [name.strip() for name in per.split(",")] if isinstance(per, str) else list(per)


def _first_of_each(
    groups: list[ColumnElement[Any]], by: list[ColumnElement[Any]], found: list[Condition]
) -> Condition:
    """Narrow what was found to the first product of each group."""
    place = sa.func.row_number().over(partition_by=groups, order_by=by)
    ranked = sa.select(products.c.pk, place.label("place")).where(*found).subquery()
    return products.c.pk.in_(sa.select(ranked.c.pk).where(ranked.c.place == 1))


def _scene() -> ColumnElement[Any]:
    """What all versions of a scene share, as text. Fractions of a second do differ between versions."""
    c = products.c
    unknown = sa.or_(c.platform.is_(None), c.product_type.is_(None))
    untiled = sa.case(
        (
            c.tile_id.is_(None),
            _joined(sa.func.substr(as_text(c.sensing_end), 1, _SECOND), c.absolute_orbit),
        )
    )
    alike = _joined(
        c.platform, c.product_type, c.processing_level, c.tile_id,
        sa.func.substr(as_text(c.sensing_start), 1, _SECOND), untiled,
    )  # fmt: skip
    named = [(_looks_like(g.pattern), _parts(g.shared)) for g in scenes.GRAMMARS]
    # of what has neither name nor platform and type, nothing tells that two are one scene
    return sa.case(*named, (unknown, c.id), else_=alike)


def _beside(collection: str, tile_id: str | None, start: datetime) -> Condition:
    """Where all versions of a scene are, and little else; by an index. Versions differ by less than a second in time."""
    c = products.c
    tiled = () if tile_id is None else (c.tile_id == tile_id,)
    near = (c.sensing_start >= start - _NEAR, c.sensing_start <= start + _NEAR)
    return sa.and_(c.collection == collection, *near, *tiled)


def _version() -> ColumnElement[Any]:
    """What the name says of the version; NULL for a test product's, so that it comes last."""
    named = [
        (_looks_like(g.pattern), sa.func.nullif(_parts(g.version), _TEST_BASELINE.replace(".", "")))
        for g in scenes.GRAMMARS if g.version
    ]  # fmt: skip
    return sa.case(*named)


def _newest_version() -> list[ColumnElement[Any]]:
    c = products.c
    return [
        _version().desc().nulls_last(),
        sa.case((c.processing_baseline == _TEST_BASELINE, 1), else_=0),
        as_number(c.processing_baseline).desc().nulls_last(),
        c.processing_baseline.desc().nulls_last(),
        c.publication_date.desc().nulls_last(),
        c.origin_date.desc().nulls_last(),
        c.id,
    ]


def is_downloaded() -> Condition:
    """Whether the whole product is at hand; a few of its files are not."""
    d = downloads.c
    return sa.exists().where(
        d.product_id == products.c.id, d.status == "done", d.include.is_(None)
    )  # fmt: skip


def _looks_like(pattern: str) -> Condition:
    return is_like(products.c.name, pattern)


def _parts(parts: Sequence[scenes.Part]) -> ColumnElement[str]:
    pieces = [sa.func.substr(products.c.name, *part, type_=sa.Text()) for part in parts]
    whole: ColumnElement[str] = pieces[0]
    for piece in pieces[1:]:
        whole = whole.concat(piece)
    return whole


def _joined(*columns: ColumnElement[Any]) -> ColumnElement[str]:
    """Columns as one text; an unknown one is empty."""
    texts = [sa.func.coalesce(sa.cast(each, sa.Text()), "", type_=sa.Text()) for each in columns]
    whole: ColumnElement[str] = texts[0]
    for text in texts[1:]:
        whole = whole.concat("|").concat(text)
    return whole
