"""One file: fetch it, resume it, hash it, check it. Knows no database.

`bring` makes a part file hold the product's verified bytes; `fetch` also gives it an exact name. What counts as verified:
the published size and the strongest published checksum (BLAKE3, else MD5) match. Where none is published, a zip must
be whole in itself, and a web page or an error message is refused whatever its length.

Streams of multi-file products are zipped on the fly and seldom resume; an answer from an earlier start than asked is
taken as it comes. Without a published checksum nothing is resumed, for nothing would show that the bytes belong together.
Published checksums and sizes go stale, so a mismatch first re-reads the product. What is here goes only when the whole file
comes from its beginning: no status, no broken body and no message costs a byte of it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Literal, TypeAlias

from satcat.api.base import Answer, Node, SatelliteAPI
from satcat.api.filenames import HEAD_BYTES, is_message, is_message_for, is_package, kind
from satcat.api.hashing import hash_file, stop_if
from satcat.api.partfile import PartFile
from satcat.api.patience import PATIENT, Patience, outwaiting
from satcat.api.zips import zip_is_whole
from satcat.errors import (
    ChecksumMismatchError,
    MalformedResponseError,
    ProductGoneError,
    RateLimitedError,
    RequestRejectedError,
    SourceError,
    TruncatedError,
    WrongRangeError,
)
from satcat.products import SatelliteImage

logger = logging.getLogger("satcat")

Verification: TypeAlias = Literal["checksum", "structure", "size_only", "none"]
#: Called with the bytes that are there and the bytes that there will be, None if unknown.
OnProgress: TypeAlias = Callable[[int, int | None], None]

_RANGE_NOT_SATISFIABLE = 416
#: Bytes taken at a time, at the most: of a fast source smaller ones wake it more often, larger ones take more memory.
_PIECE = 1 << 21
#: A body that is so many times shorter than the file comes from somewhere in between, or from a source that has failed.
_FAR_TOO_SHORT = 10


@dataclass(frozen=True, slots=True)
class Brought:
    """A part file that holds the product's verified bytes.

    `product` is the product as last read, `filename` what the source calls the file, `bytes_fetched` what this transfer
    took from the network.
    """

    product: SatelliteImage
    filename: str | None
    size_bytes: int
    checksum_algorithm: str
    checksum: str
    verification: Verification
    bytes_fetched: int


@dataclass(frozen=True, slots=True)
class Transferred:
    """A verified file under its final name."""

    path: Path
    size_bytes: int
    checksum_algorithm: str
    checksum: str
    verification: Verification


def ignore(done: int, total: int | None) -> None:
    """Show no progress."""


def fetch(
    api: SatelliteAPI,
    product: SatelliteImage,
    target: Path,
    *,
    on_progress: OnProgress = ignore,
    stop: threading.Event | None = None,
    patience: Patience = PATIENT,
) -> Transferred:
    """Bring the product to exactly `target`; a right file that is there already is not fetched again.

    A wrong one is overwritten, for the caller named it. A 429 is waited out.

    Raises:
        TransferError, SourceError, CredentialsError: `target` is then as it was.
    """
    if (found := check_file(target, product, stop)) is not None:
        return found
    with PartFile(target.with_name(f".{target.name}.part")) as part:
        brought = outwaiting(
            lambda: bring(api, product, part, on_progress=on_progress, stop=stop, patience=patience),
            patience, stop,
        )  # fmt: skip
        part.place(target, replace=True)
    return Transferred(
        target,
        brought.size_bytes,
        brought.checksum_algorithm,
        brought.checksum,
        brought.verification,
    )


def bring(
    api: SatelliteAPI,
    product: SatelliteImage,
    part: PartFile,
    *,
    node: Node | None = None,
    on_progress: OnProgress = ignore,
    on_hashed: Callable[[int], object] = lambda done: None,
    on_answer: Callable[[Answer], object] = lambda answer: None,
    stop: threading.Event | None = None,
    patience: Patience = PATIENT,
    reread: Callable[[SatelliteImage], SatelliteImage] | None = None,
) -> Brought:
    """Complete the part file, check it and bring it to the disk.

    On a mismatch the product is read again once, for published checksums go stale; then the file is fetched once more
    from its beginning.

    Args:
        node: the file of the product's package that is wanted; None: the whole product.
        on_hashed: is told how many of the bytes that are here already have been read again, before any is fetched.
        on_answer: is given each answer as it begins. Set `stop` before you cut one.
        reread: how to read the product again; `read` if not given.

    Raises:
        ChecksumMismatchError: the bytes are not those of the catalogue, even when fetched from the beginning.
        TruncatedError, SourceError: the source did not give them; trying later may help.
        RateLimitedError: the source asks to wait; nothing is lost.
        ProductOfflineError, ProductGoneError, DiskFullError, TransferStoppedError
    """
    transfer = _Transfer(
        api, part, on_progress, on_answer, stop or threading.Event(), patience, node
    )
    if part.size:
        logger.info("%s: %d bytes are here; they are read again first", product.name, part.size)
    read_again, fetched_again = node is not None, False
    while True:
        try:
            return transfer.complete(product, on_hashed)
        except (ChecksumMismatchError, TruncatedError) as error:
            if fetched_again:
                raise
            before = expected(product, node)
            if not read_again:
                product, read_again = (reread or partial(read, api))(product), True
            if expected(product, node) == before:
                if isinstance(error, TruncatedError):
                    raise
                fetched_again = True
                part.cut(0)


def read(api: SatelliteAPI, product: SatelliteImage) -> SatelliteImage:
    """Ask the source for the product as it is now.

    Raises:
        ProductGoneError: the source no longer has it.
        MalformedResponseError: its answer is no product.
    """
    for _, fresh in api.get([product.id], product.collection):
        if fresh is None:
            raise ProductGoneError(f"{product.name}: the source no longer has it")
        if isinstance(fresh, SatelliteImage):
            return fresh
    raise MalformedResponseError(api.url, f"no usable record of {product.id}")


def published(product: SatelliteImage) -> tuple[int | None, str | None, str | None]:
    """What the catalogue says of the bytes: size, algorithm and checksum; the strongest checksum there is."""
    if product.blake3:
        return product.size_bytes, "blake3", product.blake3.lower()
    if product.md5:
        return product.size_bytes, "md5", product.md5.lower()
    return product.size_bytes, None, None


def expected(
    product: SatelliteImage, node: Node | None
) -> tuple[int | None, str | None, str | None]:
    """What is known of the bytes of the product, or of one file of it: size, algorithm and checksum."""
    return published(product) if node is None else (node.size_bytes, node.algorithm, node.checksum)


def check_file(
    path: Path, product: SatelliteImage, stop: threading.Event | None = None
) -> Transferred | None:
    """What a file is known to be if its size and checksum are the published ones; else None.

    Where no checksum is published, or the file cannot be read, nothing can be known.
    """
    size, algorithm, checksum = published(product)
    if algorithm is None or checksum is None:
        return None
    try:
        actual = path.stat().st_size if path.is_file() else None
        if actual is None or size not in (None, actual):
            return None
        if hash_file(path, algorithm, stop) != checksum:
            return None
    except OSError:
        return None
    return Transferred(path, actual, algorithm, checksum, "checksum")


class _Transfer:
    """The bytes of one product, or of one file of it, on their way into one part file."""

    def __init__(
        self,
        api: SatelliteAPI,
        part: PartFile,
        on_progress: OnProgress,
        on_answer: Callable[[Answer], object],
        stop: threading.Event,
        patience: Patience,
        node: Node | None = None,
    ) -> None:
        self.api, self.part, self.stop, self.node = api, part, stop, node
        self.on_progress, self.on_answer, self.patience = on_progress, on_answer, patience
        self.etag: str | None = None
        self.filename: str | None = None
        self.bytes_fetched = 0
        self.failures = 0  # in a row, without anything new
        self.is_range_refused = False

    def complete(self, product: SatelliteImage, on_hashed: Callable[[int], object]) -> Brought:
        """Fetch what is missing, then check the whole."""
        size, algorithm, checksum = expected(product, self.node)
        if checksum is None:
            self.part.cut(0)
        self.part.hash_with(algorithm or "blake3", self.stop, on_hashed)
        whole = self.part.checksum == checksum if size is None else self.part.size == size
        if not whole:
            self._fetch_missing(product, size)
        verification = self._verify(product)
        self.part.sync()
        return Brought(
            product, self.filename, self.part.size, self.part.algorithm, self.part.checksum,
            verification, self.bytes_fetched,
        )  # fmt: skip

    def _fetch_missing(self, product: SatelliteImage, size: int | None) -> None:
        self.failures, self.is_range_refused = 0, False
        while True:
            stop_if(self.stop)
            try:
                return self._attempt(product)
            except (SourceError, TruncatedError) as error:
                if size is not None and self.part.size == size:
                    return None  # all is here, whatever else was promised: the check will tell
                stop_if(self.stop)  # it may have been cut by us
                refused = self.part.size > 0 and _is_of_range(error)
                if isinstance(error, RateLimitedError) or not (error.retryable or refused):
                    raise
                self.is_range_refused |= refused
                self.failures += 1
                if self.failures >= self.patience.attempts:
                    raise
                self.stop.wait(self.patience.delay(self.failures))

    def _attempt(self, product: SatelliteImage) -> None:
        """Fetch from where the part ends to the end of the body."""
        size, _, checksum = expected(product, self.node)
        too_long = size is not None and self.part.size > size
        if too_long or checksum is None or self._is_message(product, self.part.head):
            self.part.cut(0)
        with self._open(product) as answer:
            self.on_answer(answer)
            self._refuse_other_range(answer)
            head, pieces = _peeked(answer.chunks(_PIECE))
            self._refuse_other_file(product, answer, head)
            stop_if(self.stop)
            self._accept(answer)
            total = size if size is not None else answer.size
            self.on_progress(self.part.size, total)
            for piece in pieces:
                self._take(piece, resumed=answer.start > 0)
                self.on_progress(self.part.size, total)
                stop_if(self.stop)
                if size is not None and self.part.size > size:
                    return  # the check will say so
            promised = (size or 0) if answer.size is None else answer.size
        stop_if(self.stop)  # this may be no end, if it was cut
        if self.part.size != size:
            self._refuse_message(product, self.part.head)
        if self.part.size < promised:
            raise TruncatedError(self._name(product), promised, self.part.size)

    def _refuse_message(self, product: SatelliteImage, head: bytes) -> None:
        if self._is_message(product, head):
            raise MalformedResponseError(self.api.url, "a message instead of the product")

    def _refuse_other_range(self, answer: Answer) -> None:
        """Refuse what does not go on from where we are."""
        if answer.start > self.part.size:
            raise WrongRangeError(
                self.api.url, f"bytes from {answer.start}, not from {self.part.size}"
            )
        if answer.start > 0 and self.etag and answer.etag and answer.etag != self.etag:
            raise WrongRangeError(self.api.url, "the rest of another version of the file")

    def _refuse_other_file(self, product: SatelliteImage, answer: Answer, head: bytes) -> None:
        """Refuse what can be neither the file nor its rest, before it does away with what is here.

        Args:
            head: the body's first bytes; all of them if they are fewer than HEAD_BYTES.

        Raises:
            MalformedResponseError: it is a message.
            TruncatedError: it is far too short.
            ChecksumMismatchError: its size is another one, so something published is not true.
        """
        size, stated, here = expected(product, self.node)[0], answer.size, self.part.size
        if answer.start == 0 and (stated is None or stated != size):
            self._refuse_message(product, head)
            length = len(head) if stated is None and len(head) < HEAD_BYTES else stated
            known = here if size is None else size
            if length is not None and length * _FAR_TOO_SHORT < known:
                raise TruncatedError(self._name(product), known, length)
        if here and size is not None and stated not in (None, size):
            raise ChecksumMismatchError(self._name(product), "size", str(size), str(stated))

    def _open(self, product: SatelliteImage) -> AbstractContextManager[Answer]:
        start = 0 if self.is_range_refused else self.part.size
        return self.api.open(product, node=self.node, start=start, etag=self.etag)

    def _name(self, product: SatelliteImage) -> str:
        return product.name if self.node is None else f"{product.name}: {self.node.path}"

    def _is_message(self, product: SatelliteImage, head: bytes) -> bool:
        return is_message_for(self.node.path, head) if self.node else is_message(product, head)

    def _accept(self, answer: Answer) -> None:
        """Take the answer's start for ours; keep what tells its version."""
        if answer.start < self.part.size:
            self.part.cut(answer.start, self.stop)
        self.is_range_refused = False
        self.etag, self.filename = answer.etag, answer.filename or self.filename

    def _take(self, piece: bytes, *, resumed: bool) -> None:
        self.part.write(piece)
        self.bytes_fetched += len(piece)
        if resumed and piece:
            self.failures = 0  # a source that resumes comes further each time

    def _verify(self, product: SatelliteImage) -> Verification:
        size, algorithm, checksum = expected(product, self.node)
        name = self._name(product)
        if size is not None and self.part.size != size:
            raise ChecksumMismatchError(name, "size", str(size), str(self.part.size))
        if algorithm is not None and checksum is not None:
            if self.part.checksum != checksum:
                raise ChecksumMismatchError(name, algorithm, checksum, self.part.checksum)
            return "checksum"
        found = kind(self.part.head)
        if (self.part.size == 0 and self.node is None) or self._is_message(product, self.part.head):
            raise ChecksumMismatchError(name, "content", "a product", found or "empty")
        if self.node is None and size is None and is_package(product) and found != "zip":
            raise ChecksumMismatchError(name, "content", "a zip", found or "something else")
        if found == "zip" and self.node is None and zip_is_whole(self.part.path, name, self.stop):
            return "structure"
        return "none" if size is None else "size_only"


def _peeked(pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes of a body, so many as tell its kind; and the whole."""
    first = next(pieces, b"")
    while 0 < len(first) < HEAD_BYTES and (more := next(pieces, b"")):
        first += more
    return first[:HEAD_BYTES], chain((first,), pieces)


def _is_of_range(error: SourceError | TruncatedError) -> bool:
    """Whether the source cannot go on from where we are, so that it had better begin anew."""
    status = error.status if isinstance(error, RequestRejectedError) else None
    return status == _RANGE_NOT_SATISFIABLE or isinstance(error, WrongRangeError)
