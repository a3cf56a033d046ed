"""How a process minds its memory. All of this holds for the whole process: it is for a command to say, not for a library."""

from __future__ import annotations

import gc
import sys

_COLLECT_AFTER = 20_000  # objects that have come into being, less those that have gone
_MMAP_THRESHOLD = -3  # mallopt's name for it, in glibc's malloc.h
_LARGE = 1 << 20  # bytes


def collect_seldom() -> None:
    """Have the garbage collector wait longer: to look through what the libraries brought, at every 700 objects, takes a
    short command a quarter of its time.
    """
    gc.set_threshold(_COLLECT_AFTER)


def return_large_blocks() -> None:
    """Have the C library give blocks of 1 MiB and more back to the system when they are freed.

    glibc does so at first, and learns from a first block of some megabytes that such are common: those that follow it keeps
    when they are freed, separately for each thread. A sync's answers have 5 MB each. Does nothing where the C library is
    another.
    """
    if sys.platform != "linux":
        return
    import ctypes

    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        set_option(_MMAP_THRESHOLD, _LARGE)
