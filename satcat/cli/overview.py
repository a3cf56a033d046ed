"""The queue at a glance, as people read it and as machines do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any

from satcat import times, wording
from satcat.terminal import fitted, printable, width

if TYPE_CHECKING:
    from satcat.downloads.overview import Later, Overview, Running

_NEAR_QUOTA = 0.8  # share of the quota from which on it is pointed out
_MOST_RUNNING = 20  # files that are shown one by one


def as_json(seen: Overview) -> str:
    """One object, with instants as the catalogue stores them."""

    def plain(value: Any) -> str:
        return times.to_text(value) if isinstance(value, datetime) else str(value)

    return json.dumps(asdict(seen), indent=2, default=plain, ensure_ascii=False)


def lines(seen: Overview, *, to_terminal: bool) -> Iterator[str]:
    """What people read; empty if nothing is marked. On a terminal names are cut to its width."""
    held = {status: tally for status, tally in seen.statuses.items() if tally.rows}
    if not held:
        return
    widest = max(map(len, held))
    for status, tally in held.items():
        yield f"{status:<{widest}}  {tally.rows:>9,}  {_bytes(tally.bytes, tally.unknown)}{_when(seen, status)}"
    yield from _running(seen, to_terminal)
    if seen.reasons:
        yield ""
        yield "why"
        for reason in seen.reasons:
            yield printable(f"  {reason.downloads:>7,} {reason.status}: {reason.reason}")
    yield ""
    yield from _rest(seen)


def _bytes(known: int, unknown: int) -> str:
    if not unknown:
        return wording.size(known)
    return f"{wording.size(known)} and {unknown:,} of unknown size" if known else "of unknown size"


def _when(seen: Overview, status: str) -> str:
    """When those that wait are due."""
    if status == "queued" and seen.delayed.downloads:
        after = "after a failure, the first"
        return f"; {seen.delayed.downloads:,} wait {after} until {_until(seen, seen.delayed)}"
    if status == "offline":
        due = _until(seen, seen.parked) if seen.parked.first_at else "by the next worker"
        return f"; in the source's archive, looked at again {due}"
    return ""


def _until(seen: Overview, later: Later) -> str:
    if later.first_at is None:
        return "any time"
    seconds = (later.first_at - seen.at).total_seconds()
    if seconds <= 0:
        return "by the next worker"
    return f"{wording.moment(later.first_at)} UTC (in {wording.duration(seconds)})"


def _running(seen: Overview, to_terminal: bool) -> Iterator[str]:
    yield ""
    if not seen.running:
        yield "no worker runs; `satcat download` starts one"
        return
    shown = 0
    for worker, files in groupby(sorted(seen.running, key=_worker), _worker):
        yield printable(f"running: {worker}")
        for one in files:
            shown += 1
            if shown <= _MOST_RUNNING:
                figures = f"  {_file(seen, one)}  "
                name = fitted(one.name, beside=width(figures)).rstrip()
                yield figures + (name if to_terminal else printable(one.name))
    if shown > _MOST_RUNNING:
        yield f"  and {shown - _MOST_RUNNING:,} more"


def _worker(one: Running) -> str:
    name = f"process {one.pid} on {one.host}" if one.pid else "no worker"
    return name + (", which is silent: another worker takes over" if one.is_silent else "")


def _file(seen: Overview, one: Running) -> str:
    share = f"{one.bytes_done / one.size_bytes:4.0%}" if one.size_bytes else "   ?"
    amount = f"{wording.size(one.bytes_done)} of {wording.size(one.size_bytes)}"
    rate = f"{wording.size(one.rate)}/s" if one.rate else "-"
    since = (seen.at - one.started_at).total_seconds() if one.started_at else 0.0
    return f"{share} {amount:>20} {rate:>10} for {wording.duration(max(1.0, since)):<10}"


def _rest(seen: Overview) -> Iterator[str]:
    """What is left, how long that takes, and the quota."""
    if seen.bytes_left or seen.unknown_sizes:
        at = (
            f"at the {wording.size(seen.rate)}/s of the last attempts"
            if seen.rate
            else allowed_rate()
        )
        time = f", about {wording.duration(seen.seconds_left)} {at}" if seen.bytes_left else ""
        yield f"left: {_bytes(seen.bytes_left, seen.unknown_sizes)}{time}"
    share = seen.transferred / seen.quota
    yield (
        f"transferred in the last 30 days: {wording.size(seen.transferred)}, "
        f"{share:.0%} of the {wording.size(seen.quota)} that CDSE allows"
    )
    if share > _NEAR_QUOTA or seen.transferred + seen.bytes_left > seen.quota:
        yield quota_warning(seen.transferred, seen.bytes_left)


def allowed_rate() -> str:
    """The rate that CDSE allows, said as an assumption."""
    from satcat.downloads.quota import CONNECTIONS, RATE

    return f"at {CONNECTIONS} × {RATE // 10**6} MB/s, which is what CDSE allows; nothing was measured yet"


def quota_warning(transferred: int, to_come: int) -> str:
    """What comes of the quota if so much is fetched on top of what was."""
    from satcat.downloads.quota import QUOTA, SLOW_RATE

    return (
        f"quota: {wording.size(transferred)} of the last 30 days and {wording.size(to_come)} to come; beyond "
        f"{wording.size(QUOTA)} in 30 days CDSE gives one connection of {SLOW_RATE // 10**6} MB/s until it is less again"
    )
