"""The download host: packages, parts of packages, and lists of what is in them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

from satcat.sandbox import packages, ranges
from satcat.sandbox.accounts import Accounts
from satcat.sandbox.catalogue import View
from satcat.sandbox.listings import checked_id
from satcat.sandbox.records import Record
from satcat.sandbox.responses import Refusal, Response, as_json, zipper
from satcat.sandbox.settings import Settings

_NODE = re.compile(r"/Nodes\(([^()]*)\)")


class Delivery:
    """Answers below `/download/odata/v1`."""

    def __init__(self, accounts: Accounts, settings: Settings) -> None:
        self._accounts = accounts
        self._settings = settings

    def package(self, view: View, id: str, headers: Mapping[str, str]) -> Response:
        """Answer `Products(<uuid>)/$value`: the whole product.

        Raises:
            Refusal: 302 to elsewhere, or 400, 401, 404, 416, 422 or 429 of the download host.
        """
        username = self._username(f"Products({id})/$value", headers)
        record = _product(view, id)
        single = packages.is_single_file(record)
        etag, size = f'"{packages.digests(record)[0]}"', record.size_bytes
        part = ranges.part(self._settings.ranges, headers, etag, size, single=single)
        stream = packages.chunks(packages.pieces(record), part.start, part.stop)
        if record.corrupt:
            stream = packages.with_flaw(stream, size // 2 - part.start)
        kind = "application/octet-stream" if single else "application/zip"
        return self._send(username, part, stream, etag, packages.delivered_name(record), kind)

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
        """Answer `…/Nodes(…)/$value`: one file of the package. Refuses as `package` does."""
        username = self._username(f"Products({id}){path}/$value", headers)
        record = _product(view, id)
        wanted = "/".join(_node_names(path))
        file = next((f for f in packages.files(record) if f.path == wanted), None)
        if file is None:
            raise zipper(404, 105, "Node not found")
        etag = f'"{file.md5}"'
        part = ranges.part(self._settings.ranges, headers, etag, file.size)
        stream = packages.chunks(file.pieces, part.start, part.stop)
        return self._send(username, part, stream, etag, wanted.rpartition("/")[2])

    def _username(self, path: str, headers: Mapping[str, str]) -> str:
        """Whose download it is; sends it elsewhere if so set."""
        authorization = headers.get("Authorization")
        if self._settings.signed_links:
            if authorization is not None:  # as object stores do
                raise Refusal(Response(400, b"<Error><Code>InvalidArgument</Code></Error>"))
            return "whoever has the link"
        username = self._accounts.username(authorization)
        if (elsewhere := self._settings.redirect_to) is not None:
            signed = f"{quote(path, safe='/()$')}?signature={secrets.token_hex(8)}"
            raise Refusal(Response(302, headers={"Location": f"{elsewhere}/{signed}"}))
        return username

    def _send(
        self,
        username: str,
        part: ranges.Part,
        pieces: Iterator[memoryview],
        etag: str,
        name: str,
        kind: str = "application/octet-stream",
    ) -> Response:
        """Send a part of a file over one of the account's connections."""
        stream = self._accounts.open_stream(username)
        headers = {
            **part.headers,
            "Content-Type": kind,
            "Content-Disposition": f'attachment; filename="{name}"',
        }
        if self._settings.etags:
            headers["ETag"] = etag
        return Response(
            part.status,
            headers=headers,
            stream=stream.counted(pieces),
            length=part.stop - part.start,
            finish=stream.close,
            rate=stream.rate,
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
