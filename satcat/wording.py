"""Numbers, sizes, times and URLs as people are told them."""

from __future__ import annotations

import re
from datetime import datetime

from satcat import times

_PASSWORD = re.compile(r"(?<=://)([^:/@]*):.*(?=@)|(?<=[?&])((?:ssl)?password=)[^&]*")


def without_password(url: str) -> str:
    """A URL with `***` for its password."""
    return _PASSWORD.sub(lambda found: found[2] + "***" if found[2] else f"{found[1]}:***", url)


def count(number: int, noun: str) -> str:
    """`1 product`, `12,345 products`."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def size(number: float | None) -> str:
    """Bytes in decimal units, `1.4 GB`; `-` for unknown."""
    if number is None:
        return "-"
    value = float(number)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} PB"


def patterns(include: str) -> str:
    """The patterns of the wanted files, stored one a line, on one line."""
    return " ".join(include.split("\n"))


def duration(seconds: float) -> str:
    """A span in its two largest units, `3 h 20 min`."""
    left = round(seconds)
    if left < 1:
        return "less than a second"
    parts = []
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        number, left = divmod(left, length)
        parts.append(f"{number} {unit}" if number else "")
    first = next(index for index, part in enumerate(parts) if part)
    return " ".join(part for part in parts[first : first + 2] if part)


def ago(moment: datetime | None) -> str:
    """How long ago an instant is, `2 h 5 min ago`; `never` for None."""
    if moment is None:
        return "never"
    return f"{duration(max(0.0, (times.now() - moment).total_seconds()))} ago"


def moment(value: datetime | None) -> str:
    """An instant to the second, UTC; `-` for None."""
    return value.strftime("%Y-%m-%d %H:%M:%S") if value else "-"
