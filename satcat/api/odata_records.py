"""OData records as they arrive: of each, the fields that satcat reads, without dictionaries of all the others.

An answer is cut into its records first, and each is read on its own: one that is not as it should be is read with more
patience, and costs the others nothing. Whatever an answer holds, only `answer` raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from satcat.api import answers, odata_cut
from satcat.api import odata_fields as fields
from satcat.errors import MalformedResponseError

#: In bytes; a longer record is not read. Real ones have some thousands.
MAX_RECORD = 4_000_000

_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
_Integer = Annotated[int, msgspec.Meta(ge=-fields.MAX_INTEGER, le=fields.MAX_INTEGER)]


class Attribute(msgspec.Struct, gc=False, rename="pascal"):
    """One attribute that is as nearly all are; anything else stays what JSON makes of it."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=fields.MAX_NAME)]
    value: str | _Integer | float | bool | None = None


class Record(msgspec.Struct, rename="pascal"):
    """The fields that are read, of whatever type they are; None where there is none.

    Attributes:
        geo_footprint: as JSON still to be read (see `outline`), or what was read of it.
        attributes: all of them `Attribute`, or none and whatever the record says.
    """

    id: Any = None
    name: Any = None
    content_length: Any = None
    origin_date: Any = None
    publication_date: Any = None
    modification_date: Any = None
    deletion_date: Any = None
    deletion_cause: Any = None
    online: Any = None
    eviction_date: Any = None
    s3_path: Any = None
    checksum: Any = None
    content_date: Any = None
    footprint: Any = None
    geo_footprint: msgspec.Raw = msgspec.Raw()
    attributes: list[Attribute] | None = None

    @property
    def dates(self) -> Mapping[str, Any]:
        """The start and end of sensing."""
        return self.content_date if isinstance(self.content_date, dict) else {}

    @property
    def outline(self) -> tuple[object, object]:
        """What the record says of where it is: a text, and where that is missing GeoJSON."""
        return (self.footprint, None) if self.footprint else (None, self.geojson)

    @property
    def geojson(self) -> object:
        """Where it is as GeoJSON, whatever the text says; None if it does not say."""
        said: object = self.geo_footprint
        return plain(said) if not isinstance(said, msgspec.Raw) or bytes(said) else None


class _Answer(msgspec.Struct):
    value: list[msgspec.Raw]
    count: Any = msgspec.field(name="@odata.count", default=None)
    link: Any = msgspec.field(name="@odata.nextLink", default=None)
    old_link: Any = msgspec.field(name="@OData.nextLink", default=None)


_answers = msgspec.json.Decoder(_Answer)
_records = msgspec.json.Decoder(Record)
_FIELDS = dict(zip(Record.__struct_fields__, Record.__struct_encode_fields__, strict=True))


def answer(where: str, body: answers.Body) -> Any:
    """The body of a listing as JSON, its records left to `read`.

    Raises:
        MalformedResponseError: it is no JSON, and not only for what is in single records.
    """
    try:
        found = _answers.decode(body if body.isascii() else body.decode())
    except _UNREADABLE:
        return _in_pieces(where, body)
    link = found.link or found.old_link
    return {"value": _short(found.value), "@odata.count": found.count, "@odata.nextLink": link}


def _in_pieces(where: str, body: answers.Body) -> Any:
    """As `answer`, of what cannot be read at one go."""
    pieces = odata_cut.records(body)
    if pieces is None:
        return answers.parse_json(where, body)
    found, rest = pieces
    said = answers.parse_json(where, rest)
    return said | {"value": _short([msgspec.Raw(record) for record in found])}


def _short(records: list[msgspec.Raw]) -> list[Any]:
    """The records; those that are too long are only their text."""
    return [each if len(memoryview(each)) <= MAX_RECORD else plain(each) for each in records]


def single(where: str, body: answers.Body) -> Any:
    """The body of an answer that is one record; left to `read` if it is long, or no JSON that yet has an end.

    Raises:
        MalformedResponseError: it is neither.
    """
    if len(body) > MAX_RECORD and odata_cut.is_object(body):
        return plain(msgspec.Raw(bytes(body)))
    try:
        return answers.parse_json(where, body)
    except MalformedResponseError:
        if not odata_cut.is_object(body):
            raise
        return msgspec.Raw(bytes(body))


def read(record: object) -> object:
    """A record from its JSON, or from what was made of that; what is no object stays what it is."""
    if isinstance(record, msgspec.Raw):
        try:
            return _records.decode(record)
        except _UNREADABLE:
            record = plain(record)
    if not isinstance(record, dict):
        return record
    said: dict[str, Any] = {field: record.get(name) for field, name in _FIELDS.items()}
    return Record(**said)


def plain(record: object) -> object:
    """What `json` makes of a record that is still to be read; the text itself if it can make nothing of it.

    Line breaks and the like in texts are taken as they are, bytes that are no UTF-8 as halves of characters.
    """
    if not isinstance(record, msgspec.Raw):
        return record
    text = bytes(record).decode("utf-8", "surrogateescape")
    try:
        return answers.loads(text, strict=False) if len(text) <= MAX_RECORD else text
    except (ValueError, RecursionError):
        return text


def id_of(record: object) -> object:
    """The Id of a record, also of one of which nothing else can be read."""
    if isinstance(record := plain(record), str):
        return odata_cut.id_of(record.encode("utf-8", "surrogateescape"))
    return record.get("Id") if isinstance(record, dict) else None
