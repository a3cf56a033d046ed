"""The download host: packages, parts of packages, and lists of what is in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from satcat.sandbox import packages
from satcat.sandbox.accounts import Accounts
from satcat.sandbox.catalogue import View
from satcat.sandbox.listings import checked_id
from satcat.sandbox.records import Record
from satcat.sandbox.responses import Refusal, Response, as_json, zipper
from satcat.sandbox.settings import Settings

_NODE = re.compile(r"/Nodes\(([^()]*)\)")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)", re.ASCII)


class Delivery:
    """Answers below `/download/odata/v1`."""

    def __init__(self, accounts: Accounts, settings: Settings) -> None:
        self._accounts = accounts
        self._settings = settings

    def package(self, view: View, id: str, headers: Mapping[str, str]) -> Response:
        """Answer `Products(<uuid>)/$value`: the whole product.

        Raises:
            Refusal: 401, 404, 422 or 429 of the download host.
        """
        username = self._accounts.username(headers.get("Authorization"))
        record = _product(view, id)
        etag = f'"{packages.digests(record)[0]}"'
        start, stop, response = self._range(record, headers, etag)
        close = self._accounts.open_stream(username)
        stream = packages.chunks(packages.pieces(record), start, stop)
        if record.corrupt:
            stream = packages.with_flaw(stream, record.size_bytes // 2 - start)
        name = packages.delivered_name(record)
        kind = "application/octet-stream" if packages.is_single_file(record) else "application/zip"
        return Response(
            response.status,
            headers={
                **response.headers,
                "Content-Type": kind,
                "ETag": etag,
                "Content-Disposition": f'attachment; filename="{name}"',
            },
            stream=stream,
            length=stop - start,
            finish=close,
        )

    def nodes(self, view: View, id: str, path: str, base: str) -> Response:
        """Answer `…/Nodes`: what a folder of the package holds. No token is needed."""
        record = _product(view, id)
        names = _node_names(path)
        files = {tuple(file.path.split("/")): file.size for file in packages.files(record)}
        if names and not any(parts[: len(names)] == names for parts in files):
            raise zipper(404, 105, "Node not found")
        inside = dict.fromkeys(
            parts[: len(names) + 1] for parts in files if parts[: len(names)] == names
        )
        result = []
        for child in (parts for parts in inside if len(parts) > len(names)):
            below = {parts[: len(child) + 1] for parts in files if parts[: len(child)] == child}
            steps = "".join(f"/Nodes({name})" for name in child)
            result.append(
                {
                    "Id": child[-1],
                    "Name": child[-1],
                    "ContentLength": files.get(child, 0),
                    "ChildrenNumber": len(below - {child}),
                    "Nodes": {"uri": f"{base}/Products({record.id}){steps}/Nodes"},
                }
            )
        return as_json(200, {"result": result})

    def node_value(self, view: View, id: str, path: str, headers: Mapping[str, str]) -> Response:
        """Answer `…/Nodes(…)/$value`: one file of the package."""
        username = self._accounts.username(headers.get("Authorization"))
        record = _product(view, id)
        wanted = "/".join(_node_names(path))
        file = next((f for f in packages.files(record) if f.path == wanted), None)
        if file is None:
            raise zipper(404, 105, "Node not found")
        close = self._accounts.open_stream(username)
        name = wanted.rpartition("/")[2]
        return Response(
            200,
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Disposition": f'attachment; filename="{name}"',
            },
            stream=packages.chunks(file.pieces, 0, file.size),
            length=file.size,
            finish=close,
        )

    def _range(
        self, record: Record, headers: Mapping[str, str], etag: str
    ) -> tuple[int, int, Response]:
        """Which bytes to send, with the status and headers that say so."""
        size, mode = record.size_bytes, self._settings.ranges
        if mode == "ignore" or (mode == "cdse" and not packages.is_single_file(record)):
            return 0, size, Response(200)
        whole = Response(200, headers={"Accept-Ranges": "bytes"})
        found = _RANGE.fullmatch(headers.get("Range", ""))
        if found is None or headers.get("If-Range", etag) != etag:
            return 0, size, whole
        if mode == "wrong":
            return 0, size, Response(206, headers={"Content-Range": f"bytes 0-{size - 1}/{size}"})
        start, last = int(found[1]), min(int(found[2] or size - 1), size - 1)
        if start >= size or last < start:
            raise _unsatisfiable(size)
        return (
            start,
            last + 1,
            Response(206, headers={"Content-Range": f"bytes {start}-{last}/{size}"}),
        )


def _product(view: View, id: str) -> Record:
    try:
        checked_id(id)
    except Refusal:
        raise zipper(422, 111, f"Invalid product id: {id}") from None
    record = view.products.get(id.lower())
    if record is None:
        raise zipper(404, 101, "Product not found")
    if not record.online:
        # What CDSE answers for an archived product was never recorded: status, code and words are a
        # guess.
        raise zipper(422, 112, "Product is offline")
    return record


def _node_names(path: str) -> tuple[str, ...]:
    """The names in `/Nodes(a)/Nodes(b)`; quoted ones are refused, as on the real service."""
    names: Sequence[str] = _NODE.findall(path)
    if _NODE.sub("", path) or any("'" in name or '"' in name for name in names):
        raise zipper(400, 104, "Malformed OData request path")
    return tuple(names)


def _unsatisfiable(size: int) -> Refusal:
    return Refusal(Response(416, headers={"Content-Range": f"bytes */{size}"}))
