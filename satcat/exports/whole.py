"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from satcat.errors import FilterError, SatcatError

_HEADER = 100  # bytes of an SQLite file; its application id is at byte 68


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """The path of a file that takes the target's place when the block ends well; else the target stays as it was.

    Where the target is a link, what it points to is replaced.

    Raises:
        FilterError: the target is a catalogue, or is open in a program.
        SatcatError: it cannot be written.
    """
    with told(target):
        target = target.resolve()
        _refuse_what_is_in_use(target)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        os.close(handle)
        part = Path(name)
        try:
            yield part
            part.chmod(0o666 & ~umask())
            with part.open("rb") as file:
                os.fsync(file.fileno())  # else a power cut could leave the name without its content
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def told(target: Path) -> Iterator[None]:
    """Name what the system refuses."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise SatcatError(f"{target} cannot be written: {reason}") from error


def may_be_replaced(target: Path) -> bool:
    """A device or a pipe, such as /dev/null, is written to; put a file in its place and it is gone for everyone."""
    return target.is_file() or not target.exists()


def _refuse_what_is_in_use(target: Path) -> None:
    """Refuse to put a file in the place of a catalogue, or of a database whose log would then be taken for the new one's."""
    from satcat.sqlite import APPLICATION_ID

    if not target.is_file():
        return
    with target.open("rb") as file:
        head = file.read(_HEADER)
    if not head.startswith(b"SQLite format 3\0"):
        return
    if int.from_bytes(head[68:72], "big") == APPLICATION_ID:
        raise FilterError(f"{target} is a satcat catalogue: name another file")
    for suffix in ("-wal", "-journal"):
        log = target.with_name(target.name + suffix)
        if log.exists():
            raise FilterError(
                f"{target} is open in another program ({log.name} is there): close it, or name another file"
            )


def umask() -> int:
    """The process's mask of permissions."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
