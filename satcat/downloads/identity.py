"""Who a worker is, so that another one on the same machine can prove it dead.

A name is `host:pid:birth:thread`. `birth` holds the machine's boot, the process namespace and the process's start: a pid
alone is used again, and means nothing in another container. Where the system does not tell (no /proc), nothing can be
proved, and a dead worker's rows are free when their lease has run out.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

_UNKNOWN = "unknown"


def worker_name(thread: int) -> str:
    """The name of one thread of this process."""
    return f"{_host()}:{os.getpid()}:{_birth(os.getpid()) or _UNKNOWN}:{thread}"


def is_dead(worker: str) -> bool:
    """Tell whether the worker's process provably no longer runs; False whenever that is in doubt."""
    parts = worker.split(":")
    if len(parts) != 4 or not parts[1].isdecimal() or parts[0] != _host():
        return False
    place, _, _ = parts[2].rpartition("-")
    if not place or place != _place():
        return False
    return _birth(int(parts[1])) != parts[2]


def _host() -> str:
    return socket.gethostname().replace(":", "_")


def _place() -> str | None:
    """This boot of this machine, and the process namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
        return f"{boot}-{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return None


def _birth(pid: int) -> str | None:
    """When a running process was started; None if there is none (a zombie does not run, once all its threads are gone)."""
    try:
        # after the command's name, which may hold anything: see proc(5), fields 3, 20 and 22
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        state, threads, started = fields[0], int(fields[17]), fields[19]
    except (OSError, IndexError):
        return None
    place = _place()
    is_over = state in "ZX" and threads <= 1
    return None if place is None or is_over else f"{place}-{started}"
