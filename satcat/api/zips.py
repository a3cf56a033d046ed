"""Zip files that arrive: whether one is whole in itself, and what reading a hostile one may come to."""

from __future__ import annotations

import threading
import zipfile
import zlib
from lzma import LZMAError
from pathlib import Path

from satcat.api.hashing import CHUNK, stop_if
from satcat.errors import ChecksumMismatchError

#: A zip whose files unpack to more than so many times its own size is not unpacked only to look at it.
LARGEST_RATIO = 200
#: What reading a damaged zip, or a file in it, raises.
DAMAGED = (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, OSError, ValueError)
#: What reading one raises that is packed in a way we lack, or encrypted.
UNREADABLE = (NotImplementedError, RuntimeError)


def zip_is_whole(path: Path, name: str, stop: threading.Event | None = None) -> bool:
    """Tell whether a zip's directory and every file in it are right; False if that cannot be said.

    Raises:
        ChecksumMismatchError: it is damaged or incomplete; `name` is what the error calls it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if sum(e.file_size for e in entries) > LARGEST_RATIO * path.stat().st_size:
                return False
            if not entries or min(entry.header_offset for entry in entries) != 0:
                raise zipfile.BadZipFile("does not start with its first file")
            for entry in entries:
                with archive.open(entry) as file:
                    while file.read(CHUNK):
                        stop_if(stop)
    except UNREADABLE:
        return False
    except DAMAGED as error:
        raise ChecksumMismatchError(name, "zip structure", "whole", f"damaged ({error})") from error
    return True
