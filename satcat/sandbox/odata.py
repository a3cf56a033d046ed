"""The `$filter` grammar of the CDSE catalogue: what is documented, and no more.

    filter     := and ("or" and)*            and := factor ("and" factor)*
    factor     := "not" factor | "(" filter ")" | comparison | text | intersects | any
    comparison := property ("eq" | "lt" | "le" | "gt" | "ge") literal
    text       := ("contains" | "startswith" | "endswith") "(" property "," string ")"
    intersects := "OData.CSC.Intersects(area=geography'SRID=4326;" (POLYGON | POINT) "')"
    any        := "Attributes/OData.CSC." type "Attribute/any(x:x/Name eq" string
                  "and x/" ["OData.CSC." type "Attribute/"] "Value" operator literal ")"

A property that is not documented as filterable is refused, and so are `ne`, `in` and arithmetic. An
attribute that no product carries, or that has another type, matches nothing, silently, as on the
real service.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal as Choice
from typing import TypeAlias

import shapely

from satcat import times
from satcat.errors import TimeError

Kind: TypeAlias = Choice["date", "text", "boolean"]
Scalar: TypeAlias = str | int | float | bool | datetime

_TOKEN = re.compile(r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<mark>[(),=])|(?P<word>[^\s()',=]+))")
_OPERATORS = ("eq", "lt", "le", "gt", "ge")
_TEXT_FUNCTIONS = ("contains", "startswith", "endswith")
_ANY = re.compile(r"[Aa]ttributes/OData\.CSC\.(\w+)Attribute/any")
_DEEPEST = 50


class ODataError(ValueError):
    """A query option that the service would refuse."""


@dataclass(frozen=True, slots=True)
class Compare:
    """A property against a value."""

    name: str
    operator: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class Text:
    """`contains`, `startswith` or `endswith` of a property."""

    function: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Any:
    """Some attribute with this name, of this type, has such a value."""

    name: str
    value_type: str
    operator: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class Intersects:
    """The footprint meets this area, lon lat."""

    area: shapely.Geometry


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    part: Node


@dataclass(frozen=True, slots=True)
class And:
    """All of these."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one of these."""

    parts: tuple[Node, ...]


Node: TypeAlias = Compare | Text | Any | Intersects | Not | And | Or


def parse(text: str, properties: Mapping[str, Kind]) -> Node:
    """Read a `$filter`.

    Raises:
        ODataError: it is not of the grammar, names another property, or holds an unusable value.
    """
    parser = _Parser(text, properties)
    node = parser.disjunction()
    if parser.peek() is not None:
        raise ODataError(f"unexpected {parser.peek()!r} in $filter")
    return node


class _Parser:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, text: str, properties: Mapping[str, Kind]) -> None:
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0
        self._properties = properties

    def peek(self) -> str | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def take(self) -> str:
        token = self.peek()
        if token is None:
            raise ODataError("$filter ends too early")
        self._next += 1
        return token

    def expect(self, *wanted: str) -> str:
        token = self.take()
        if token not in wanted:
            raise ODataError(f"expected {' or '.join(wanted)}, not {token!r}, in $filter")
        return token

    def string(self) -> str:
        token = self.take()
        if not token.startswith("'"):
            raise ODataError(f"expected a quoted text, not {token!r}, in $filter")
        return token[1:-1].replace("''", "'")

    def disjunction(self) -> Node:
        parts = self._joined("or", self._conjunction)
        return parts[0] if len(parts) == 1 else Or(parts)

    def _conjunction(self) -> Node:
        parts = self._joined("and", self._factor)
        return parts[0] if len(parts) == 1 else And(parts)

    def _joined(self, word: str, part: Callable[[], Node]) -> tuple[Node, ...]:
        parts = [part()]
        while self.peek() == word:
            self.take()
            parts.append(part())
        return tuple(parts)

    def _factor(self) -> Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise ODataError("$filter is nested too deeply")
        try:
            return self._primary()
        finally:
            self._depth -= 1

    def _primary(self) -> Node:
        word = self.take()
        if word == "not":
            return Not(self._factor())
        if word == "(":
            node = self.disjunction()
            self.expect(")")
            return node
        if word in _TEXT_FUNCTIONS:
            return self._text(word)
        if word == "OData.CSC.Intersects":
            return self._intersects()
        if found := _ANY.fullmatch(word):
            return self._any(found[1])
        kind = self._kind(word)
        operator = self.expect(*(_OPERATORS if kind == "date" else ("eq",)))
        return Compare(word, operator, _value(self.take(), kind))

    def _kind(self, name: str) -> Kind:
        kind = self._properties.get(name)
        if kind is None:
            raise ODataError(f"invalid field {name!r} in $filter")
        return kind

    def _text(self, function: str) -> Text:
        self.expect("(")
        name = self.take()
        if self._kind(name) != "text":
            raise ODataError(f"{function} does not apply to {name}")
        self.expect(",")
        text = self.string()
        self.expect(")")
        return Text(function, name, text)

    def _intersects(self) -> Intersects:
        for wanted in ("(", "area", "=", "geography"):
            self.expect(wanted)
        area = _area(self.string())
        self.expect(")")
        return Intersects(area)

    def _any(self, value_type: str) -> Any:
        if value_type not in _LITERALS:
            raise ODataError(f"invalid attribute type {value_type!r} in $filter")
        self.expect("(")
        variable, _, rest = self.take().partition(":")
        if rest != f"{variable}/Name":
            raise ODataError(f"expected {variable}:{variable}/Name in $filter")
        self.expect("eq")
        name = self.string()
        self.expect("and")
        self.expect(f"{variable}/OData.CSC.{value_type}Attribute/Value", f"{variable}/Value")
        equality = value_type in ("String", "Boolean")
        operator = self.expect(*(("eq",) if equality else _OPERATORS))
        value = _LITERALS[value_type](self.take())
        self.expect(")")
        return Any(name, value_type, operator, value)


def _tokens(text: str) -> list[str]:
    tokens, at, text = [], 0, text.rstrip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise ODataError(f"unexpected {text[at : at + 20]!r} in $filter")
        tokens.append(found[found.lastgroup or 0])
        at = found.end()
    return tokens


def _value(token: str, kind: Kind) -> Scalar:
    if kind == "date":
        return _date(token)
    if kind == "boolean":
        return _boolean(token)
    return _unquoted(token)


def _unquoted(token: str) -> str:
    return token[1:-1].replace("''", "'") if token.startswith("'") else token


def _quoted(token: str) -> str:
    if not token.startswith("'"):
        raise ODataError(f"{token!r} is not quoted")
    return _unquoted(token)


def _date(token: str) -> datetime:
    try:  # a quoted instant is accepted too: a recorded client sends it so
        return times.parse_bound(_unquoted(token))
    except TimeError as error:
        raise ODataError(str(error)) from None


def _boolean(token: str) -> bool:
    if token.lower() not in ("true", "false"):
        raise ODataError(f"{token!r} is neither true nor false")
    return token.lower() == "true"


def _number(token: str) -> float:
    try:
        return float(token)
    except ValueError:
        raise ODataError(f"{token!r} is no number") from None


def _integer(token: str) -> int:
    try:
        return int(token)
    except ValueError:
        raise ODataError(f"{token!r} is no integer") from None


_LITERALS: dict[str, Callable[[str], Scalar]] = {
    "String": _quoted,
    "Integer": _integer,
    "Double": _number,
    "DateTimeOffset": _date,
    "Boolean": _boolean,
}


def _area(text: str) -> shapely.Geometry:
    """The documented areas only: a valid POLYGON with closed rings, or a POINT, in EPSG:4326."""
    reference, _, wkt = text.partition(";")
    if reference != "SRID=4326":
        raise ODataError(f"{reference!r} is not SRID=4326")
    try:
        area = shapely.from_wkt(wkt)
    except shapely.errors.GEOSException as error:
        raise ODataError(f"invalid geometry: {error}") from None
    if area.geom_type not in ("Polygon", "Point") or area.is_empty:
        raise ODataError(f"{area.geom_type} is not supported in Intersects")
    if not area.is_valid:
        raise ODataError(f"invalid geometry: {shapely.is_valid_reason(area)}")
    shapely.prepare(area)
    return area
