"""What the catalogue answers to reads, with the limits and traps of the real one."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus
from uuid import UUID

from satcat.sandbox import odata, rendering
from satcat.sandbox.attributes import LISTED
from satcat.sandbox.catalogue import DELETION_KEYS, PRODUCT_KEYS, View
from satcat.sandbox.faults import Fault, distort_rows
from satcat.sandbox.listing import Selection
from satcat.sandbox.predicates import (
    DELETION_FIELDS,
    PRODUCT_FIELDS,
    Bounds,
    Predicate,
    bounds,
    everything,
    kinds,
    predicate,
)
from satcat.sandbox.responses import Response, as_json, bad_request, invalid, not_found

LARGEST_PAGE = 1000
DEEPEST_SKIP = 10_000

Query = Mapping[str, Sequence[str]]

_BOOLEANS = {"True": True, "true": True, "1": True, "False": False, "false": False, "0": False}
_KINDS = {True: kinds(PRODUCT_FIELDS), False: kinds(DELETION_FIELDS)}


@dataclass(frozen=True, slots=True)
class Options:
    """The query options of a listing, checked."""

    products: bool
    filter: str | None
    order: str | None
    descending: bool
    top: int
    skip: int
    count: bool
    expand: tuple[str, ...]
    select: tuple[str, ...] | None

    @property
    def entity_set(self) -> str:
        """Which of the two is listed."""
        return "Products" if self.products else "DeletedProducts"


def listing(
    view: View, query: Query, base: str, *, products: bool, fault: Fault | None = None
) -> Response:
    """Answer `Products?…` or `DeletedProducts?…`.

    Raises:
        Refusal: 400 or 422, an option that the service refuses.
    """
    options = _options(query, products=products)
    found = _found(view, options)
    following = options.skip + options.top
    more = len(found) > following and options.top > 0
    shown = distort_rows(fault, found[options.skip : following])
    head: dict[str, Any] = {"@odata.context": _context(options)}
    if options.count:
        head["@odata.count"] = _count(fault, len(found))
    last = fault is not None and (
        fault.kind == "empty" or (fault.kind == "short" and not fault.next_link)
    )
    tail = {}
    if more and following <= DEEPEST_SKIP and not last:
        tail["@odata.nextLink"] = _next_link(options, query, base)
    return _enveloped(head, [_rendered(row, options, base) for row in shown], tail)


def entity(view: View, id: str, query: Query, base: str, *, products: bool) -> Response:
    """Answer `Products(<uuid>)` or `DeletedProducts(<uuid>)`: the bare entity.

    Raises:
        Refusal: 422 for what is no uuid, 404 for one that is not listed.
    """
    options = _options(
        {k: v for k, v in query.items() if k in ("$expand", "$select")}, products=products
    )
    checked_id(id)
    known: Mapping[str, Any] = view.products if products else view.deleted
    row = known.get(id.lower())
    if row is None:
        raise not_found(f"{options.entity_set[:-1]} with id {id} not found")
    context = json.dumps(f"{_context(options)}/$entity")
    return _json_text(f'{{"@odata.context":{context},{_rendered(row, options, base)[1:]}')


def filter_list(view: View, body: bytes, base: str) -> Response:
    """Answer `POST Products/OData.CSC.FilterList`: names that are not listed are simply missing."""
    try:
        names = [item["Name"] for item in json.loads(body)["FilterProducts"]]
    except (ValueError, TypeError, KeyError):
        raise bad_request("FilterProducts must be a list of objects with a Name") from None
    rows = [rendering.product(record, (), base) for record in view.named(map(str, names))]
    return _enveloped({"@odata.context": "$metadata#Products"}, rows, {})


def attribute_names(collection: str | None) -> Response:
    """Answer `Attributes` or `Attributes(<COLLECTION>)`: names and value types, as a bare list."""
    if collection is not None and collection not in LISTED:
        raise not_found(f"Collection {collection} not found")
    wanted = LISTED if collection is None else {collection: LISTED[collection]}
    found = {name: kind for names in wanted.values() for name, kind in names.items()}
    return as_json(200, [{"Name": name, "ValueType": kind} for name, kind in sorted(found.items())])


def checked_id(id: str) -> None:
    """Raises Refusal (422) for what is no uuid."""
    try:
        UUID(id)
    except ValueError:
        message = "Input should be a valid UUID"
        raise invalid("uuid_parsing", ["path", "product_id"], message, id) from None


def _options(query: Query, *, products: bool) -> Options:
    order, descending = _order(_one(query, "$orderby"), PRODUCT_KEYS if products else DELETION_KEYS)
    expandable = ("Attributes", "Assets", "Locations") if products else ("Attributes",)
    return Options(
        products=products,
        filter=_one(query, "$filter"),
        order=order,
        descending=descending,
        top=_number(query, "$top", 20, LARGEST_PAGE),
        skip=_number(query, "$skip", 0, DEEPEST_SKIP),
        count=_boolean(query, "$count"),
        expand=_names(query, "$expand", expandable) or (),
        select=_names(query, "$select", (*rendering.SELECTABLE, "*")),
    )


def _one(query: Query, name: str) -> str | None:
    return query[name][-1] if query.get(name) else None


def _order(text: str | None, keys: Sequence[str]) -> tuple[str | None, bool]:
    if text is None:
        return None, False
    key, _, direction = text.strip().partition(" ")
    if key not in keys or direction not in ("", "asc", "desc"):
        raise bad_request(f"invalid $orderby {text!r}: one of {', '.join(keys)}, with asc or desc")
    return key, direction == "desc"


def _number(query: Query, name: str, default: int, most: int) -> int:
    text = _one(query, name)
    if text is None:
        return default
    place = ["query", name]
    if not re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        message = "Input should be a valid integer, unable to parse string as an integer"
        raise invalid("int_parsing", place, message, text)
    if int(text) > most:
        raise invalid(
            "less_than_equal", place, f"Input should be less than or equal to {most}", text, le=most
        )
    if int(text) < 0:
        raise invalid(
            "greater_than_equal", place, "Input should be greater than or equal to 0", text, ge=0
        )
    return int(text)


def _boolean(query: Query, name: str) -> bool:
    text = _one(query, name) or "false"
    if text not in _BOOLEANS:
        raise invalid("bool_parsing", ["query", name], "Input should be a valid boolean", text)
    return _BOOLEANS[text]


def _names(query: Query, name: str, allowed: Sequence[str]) -> tuple[str, ...] | None:
    if name not in query:
        return None
    named = [part.strip() for text in query[name] for part in text.split(",")]
    if unknown := [part for part in named if part not in allowed]:
        raise bad_request(f"invalid {name}: {', '.join(unknown)}")
    return tuple(part for part in allowed if part in named)


def _found(view: View, options: Options) -> list[Any]:
    """The entities that match: all if they are counted, else one more than needed."""
    matches, limits = _filter(options)
    whole = options.count or options.order is None
    limit = None if whole else options.skip + options.top + 1
    wanted = Selection(limits, matches, options.order, options.descending, limit)
    found: list[Any] = []
    found += view.select_products(wanted) if options.products else view.select_deleted(wanted)
    if options.order is None:
        # Every answer comes in another order, so that pages repeat some rows and lose others.
        random.Random(f"{options.filter} {options.top} {options.skip}").shuffle(found)
    return found


def _filter(options: Options) -> tuple[Predicate, Bounds]:
    """The test that `$filter` stands for, and the bounds that it sets."""
    if options.filter is None:
        return everything, {}
    try:
        node = odata.parse(options.filter, _KINDS[options.products])
    except odata.ODataError as error:
        raise bad_request(str(error)) from None
    return predicate(node, PRODUCT_FIELDS if options.products else DELETION_FIELDS), bounds(node)


def _rendered(row: Any, options: Options, base: str) -> str:
    keys = None
    if options.select is not None and "*" not in options.select:
        keys = {rendering.SELECTABLE[name] for name in options.select}
        keys |= {"Id", "@odata.mediaContentType", *options.expand}
    if options.products:
        return rendering.product(row, options.expand, base, keys)
    return rendering.deletion(row, options.expand, keys)


def _enveloped(head: Mapping[str, Any], rows: Sequence[str], tail: Mapping[str, Any]) -> Response:
    """A listing: the rows are JSON already."""
    members = [f"{json.dumps(key)}:{json.dumps(value)}" for key, value in head.items()]
    members.append(f'"value":[{",".join(rows)}]')
    members += [f"{json.dumps(key)}:{json.dumps(value)}" for key, value in tail.items()]
    return _json_text("{" + ",".join(members) + "}")


def _json_text(text: str) -> Response:
    return Response(200, text.encode(), {"Content-Type": "application/json"})


def _context(options: Options) -> str:
    expanded = ",".join(f"{name}()" for name in options.expand)
    return f"$metadata#{options.entity_set}" + (f"({expanded})" if expanded else "")


def _count(fault: Fault | None, count: int) -> int:
    if fault is None:
        return count
    return count + fault.by if fault.kind == "count" else 0 if fault.kind == "empty" else count


def _next_link(options: Options, query: Query, base: str) -> str:
    """The same request further on, all of it encoded, with a plus for a space."""
    pairs = [(name, query[name][-1]) for name in ("$filter", "$orderby") if query.get(name)]
    pairs += [("$top", str(options.top)), ("$skip", str(options.skip + options.top))]
    pairs += [("$count", "true")] if options.count else []
    pairs += [("$expand", name) for name in options.expand]
    pairs += [("$select", ",".join(options.select))] if options.select else []
    encoded = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in pairs)
    return f"{base}/{options.entity_set}?{encoded}"
