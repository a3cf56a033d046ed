"""The limit of one process in Python: receive, write and hash in a loop, with no checks and nothing kept.

    python -m benchmarks.bare '["127.0.0.1:1234", "FOLDER", "PATH", ...]'

One thread for each file. Prints JSON: seconds, and seconds of CPU.
"""

from __future__ import annotations

import http.client
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.parse import quote

from blake3 import blake3

_PIECE = 1 << 21  # bytes, as satcat's


def _fetch(server: str, folder: str, path: str) -> str:
    digest, buffer = blake3(), memoryview(bytearray(_PIECE))
    connection = http.client.HTTPConnection(server)
    connection.request("GET", path)
    with connection.getresponse() as answer, (Path(folder) / quote(path, "")).open("wb", 0) as file:
        while count := answer.readinto(buffer):
            file.write(buffer[:count])
            digest.update(buffer[:count])
    return digest.hexdigest()


def main(server: str, folder: str, *paths: str) -> None:
    began, busy = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(len(paths)) as threads:
        list(threads.map(partial(_fetch, server, folder), paths))
    seconds, busy = time.perf_counter() - began, time.process_time() - busy
    print(json.dumps({"seconds": seconds, "cpu": busy}))


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
