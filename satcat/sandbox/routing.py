"""Which part of the sandbox answers which path.

The catalogue, the download host and the identity service share one port, under `/odata/v1`,
`/download/odata/v1` and `/auth`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from satcat.sandbox.catalogue import View
from satcat.sandbox.faults import Fault
from satcat.sandbox.listings import Query, attribute_names, entity, filter_list, listing
from satcat.sandbox.responses import Refusal, Response, not_found

if TYPE_CHECKING:
    from satcat.sandbox.sandbox import Sandbox

CATALOGUE = "/odata/v1"
DOWNLOAD = "/download/odata/v1"
TOKEN = "/auth/realms/CDSE/protocol/openid-connect/token"  # noqa: S105 - a path

_FILTER_LIST = f"{CATALOGUE}/Products/OData.CSC.FilterList"
_ENTITY_SET = re.compile(rf"{CATALOGUE}/(Products|DeletedProducts)(?:\(([^()/]*)\)(/\$value)?)?")
_ATTRIBUTES = re.compile(rf"{CATALOGUE}/Attributes(?:\(([^()]*)\))?")
_PACKAGE = re.compile(rf"{DOWNLOAD}/Products\(([^()/]*)\)((?:/Nodes\([^/]*\))*)/(Nodes|\$value)")


def answer(
    sandbox: Sandbox,
    method: str,
    path: str,
    query: Query,
    headers: Mapping[str, str],
    body: bytes,
    fault: Fault | None,
) -> Response:
    """The answer to one request; `path` and `query` are decoded."""
    view = (fault and fault.snapshot) or sandbox.catalogue
    try:
        if method == "POST":
            return _post(sandbox, view, path, body)
        if found := _ENTITY_SET.fullmatch(path):
            return _entity_set(sandbox, view, found, query, fault)
        if found := _ATTRIBUTES.fullmatch(path):
            return attribute_names(found[1])
        if found := _PACKAGE.fullmatch(path):
            return _package(sandbox, view, found, headers)
        raise not_found(f"no such resource: {path}")
    except Refusal as refusal:
        return refusal.response


def _post(sandbox: Sandbox, view: View, path: str, body: bytes) -> Response:
    if path == TOKEN:
        form = parse_qs(body.decode("utf-8", "replace"))
        return sandbox.accounts.grant({name: values[-1] for name, values in form.items()})
    if path == _FILTER_LIST:
        return filter_list(view, body, sandbox.catalogue_url)
    return Response(405, headers={"Allow": "GET"})


def _entity_set(
    sandbox: Sandbox, view: View, found: re.Match[str], query: Query, fault: Fault | None
) -> Response:
    name, id, value = found.groups()
    products = name == "Products"
    if id is None:
        return listing(view, query, sandbox.catalogue_url, products=products, fault=fault)
    if value is None:
        return entity(view, id, query, sandbox.catalogue_url, products=products)
    # The real service sends a download to another host; most clients then drop their token.
    elsewhere = sandbox.download_url.replace("127.0.0.1", "localhost")
    return Response(301, headers={"Location": f"{elsewhere}/Products({id})/$value"})


def _package(
    sandbox: Sandbox, view: View, found: re.Match[str], headers: Mapping[str, str]
) -> Response:
    id, nodes, what = found.groups()
    if what == "Nodes":
        return sandbox.delivery.nodes(view, id, nodes, sandbox.download_url)
    if nodes:
        return sandbox.delivery.node_value(view, id, nodes, headers)
    return sandbox.delivery.package(view, id, headers)
