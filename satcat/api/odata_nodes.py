"""What is in one folder of a product's package, as CDSE's download host lists it: one request, no token needed.

The addresses are made here from the listed names; what an answer offers as an address (`Nodes.uri`) is not followed. The
names are for the caller to judge before they become paths.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from satcat.api.base import Node
from satcat.api.failures import host_of
from satcat.api.http import HttpClient
from satcat.api.odata_bytes import refusal
from satcat.errors import MalformedResponseError, RequestRejectedError

_LONGEST = 16_000_000  # bytes of one listing
_LARGEST = 2**63 - 1  # bytes of a file; what the catalogue can hold


def address(node: Node | None) -> str:
    """Where a node is, below its product: names unquoted in parentheses, as the service wants them, and safe in a URL."""
    return "".join(f"/Nodes({quote(step, safe='')})" for step in (node.steps if node else ()))


def listing(http: HttpClient, product_url: str, name: str, folder: Node | None) -> list[Node]:
    """Ask once for what is in a folder of the product called `name`; see `SatelliteAPI.nodes`.

    Raises:
        SourceError: the listing did not come, or is none.
    """
    url = f"{product_url}{address(folder)}/Nodes"
    where, above = host_of(url), folder.steps if folder else ()

    def read(body: Any) -> list[Node]:
        found = body.get("result") if isinstance(body, dict) else None
        if not isinstance(found, list):
            raise MalformedResponseError(where, "no list of a package's files")
        nodes = (_node(where, item, above) for item in found)
        return [node for node in nodes if node is not None]

    try:
        return http.get(url, [], read, patient=False, longest=_LONGEST).value
    except RequestRejectedError as error:
        raise refusal(error, name) from error


def _node(where: str, item: Any, above: tuple[str, ...]) -> Node | None:
    """One entry; None for an empty folder.

    The service does not say what has neither bytes nor children: with a dot in its name it is taken for a file.
    """
    name = item.get("Name") if isinstance(item, dict) else None
    if not isinstance(name, str) or not name:
        raise MalformedResponseError(where, "an entry of a package without a name")
    size, children = _count(item.get("ContentLength")), _count(item.get("ChildrenNumber"))
    if size is None or children is None:
        raise MalformedResponseError(where, f"an entry of a package without numbers: {name[:80]!r}")
    if not size and not children and "." not in name:
        return None
    return Node((*above, name), size or None, is_folder=children > 0)


def _count(value: Any) -> int | None:
    """A whole number of a sane size, be it written as a number or as text."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        value = int(value)
    return value if type(value) is int and 0 <= value <= _LARGEST else None
