"""What a process keeps of the memory that it has let go."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import sys, threading
from satcat import memory

def held():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

def answers():
    bodies = [bytearray(5_000_000) for _ in range(4)]
    kept.append(bytearray(100_000))  # which lies behind them
    for body in bodies:
        body[::4096] = bytes(len(body[::4096]))

if sys.argv[1] == "return":
    memory.return_large_blocks()
kept = []
before = held()
for _ in range(4):
    thread = threading.Thread(target=answers)
    thread.start()
    thread.join()
print(held() - before)
"""


def kept_after(what: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, what], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep nothing")
def test_large_blocks_that_are_freed_go_back_to_the_system():
    assert kept_after("return") < 3_000_000
    assert kept_after("keep") > 4_000_000  # what glibc does of itself, else there is nothing to say
