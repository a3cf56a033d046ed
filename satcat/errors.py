"""Every error satcat raises, and the exit code each one gives the command.

    SatcatError                     1  failed
      FilterError (ValueError)      2  wrong usage or filter
        TimeError, FootprintError, TileError
      CatalogueError                3  the catalogue is missing, of another schema version, or damaged
        CatalogueMissingError, CatalogueForeignError, CatalogueOutdatedError, CatalogueDamagedError,
        CatalogueBusyError, CatalogueUnreachableError, CatalogueUnfinishedError
      MissingLibraryError (ImportError)  1  something optional needs a library that is not installed
      CatalogueLockedError          1  another process is syncing this catalogue
      SourceError                   4  the source cannot be reached, or answers nonsense
        SourceUnavailableError*, NoTokenError, RateLimitedError*, MalformedResponseError*, StaleResponseError*,
        WrongRangeError*
        LoginBarredError            4  the session ended early, and a login for that was made lately
        TokenRefusedError           5  the source refused a token that was made just now
        RequestRejectedError        1  the source understood, and refused
        ListingTooDenseError        6  more products in one instant than the source can list
      CredentialsError              5  credentials missing or refused
      IncompleteError               6  something asked for is not complete
        DeleteLimitError, NotMirroredError
      DownloadsFailedError          7  some downloads failed
      DifferencesError              8  verify: differences are left
      TransferError                 1  one file could not be brought here
        TruncatedError*, ChecksumMismatchError, PackageError, ProductOfflineError, ProductGoneError, DiskFullError,
        UnwritableError, NameTakenError, TransferStoppedError, LostClaimError

`*` = `retryable`: the same request may succeed a little later. Each error hands its fields to `super().__init__`
(so that it pickles) and words them in `__str__`: one line that says what is wrong, with which value, and what to do.
This module imports nothing of satcat.
"""

from __future__ import annotations


class SatcatError(Exception):
    """Anything satcat raises on purpose."""

    exit_code = 1
    retryable = False


class FilterError(SatcatError, ValueError):
    """A filter or argument that cannot be meant as given."""

    exit_code = 2


class TimeError(FilterError):
    """Text that is no instant, or an interval that ends before it starts."""


class FootprintError(FilterError):
    """Text or bytes that are no usable geometry."""


class TileError(FilterError):
    """A tile id that neither grid knows."""


class MissingLibraryError(SatcatError, ImportError):
    """Something optional needs a library that is not installed."""

    def __init__(self, what: str, library: str, extra: str) -> None:
        super().__init__(what, library, extra)
        self.what, self.library, self.extra = what, library, extra

    def __str__(self) -> str:
        return (
            f"{self.what} needs {self.library}, which is not installed: "
            f"run `pip install 'satcat-mirror[{self.extra}]'`"
        )


class CatalogueError(SatcatError):
    """The catalogue cannot be used as it is."""

    exit_code = 3


class CatalogueMissingError(CatalogueError):
    """There is no catalogue at that place."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where

    def __str__(self) -> str:
        return (
            f"no catalogue at {self.where}: create one with `satcat sync` and filters, "
            "or name another with --db"
        )


class CatalogueForeignError(CatalogueError):
    """A database, or a file, that satcat did not make."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(where, what)
        self.where, self.what = where, what

    def __str__(self) -> str:
        return f"{self.where} is not a satcat catalogue ({self.what}): name another with --db"


class CatalogueOutdatedError(CatalogueError):
    """The catalogue has another schema version than this satcat."""

    def __init__(self, where: str, found: str, expected: str) -> None:
        super().__init__(where, found, expected)
        self.where, self.found, self.expected = where, found, expected

    def __str__(self) -> str:
        known = f"{self.where} has schema version {self.found}, this satcat needs {self.expected}"
        if self.found > self.expected:  # versions are fixed-width numbers
            return f"{known}: upgrade satcat"
        return f"{known}: run `satcat --db {self.where} db upgrade`"


class CatalogueDamagedError(CatalogueError):
    """The database file is damaged."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(where, what)
        self.where, self.what = where, what

    def __str__(self) -> str:
        return f"{self.where} is damaged ({self.what}): restore a snapshot, or sync a new catalogue"


class CatalogueBusyError(CatalogueError):
    """Another program has kept the database's write lock for long."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where

    def __str__(self) -> str:
        return f"{self.where} is in use by another program that does not let go: close it and try again"


class CatalogueUnreachableError(CatalogueBusyError):
    """The server that keeps the catalogue does not answer, or has ended the session."""

    def __init__(self, where: str, reason: str, what: str = "does not answer") -> None:
        SatcatError.__init__(self, where, reason, what)
        self.where, self.reason, self.what = where, reason, what

    def __str__(self) -> str:
        return f"the server of {self.where} {self.what} ({self.reason}): check that it runs, and try again"


class CatalogueUnfinishedError(CatalogueError):
    """A copy of another catalogue was begun there, and is not whole yet."""


class CatalogueLockedError(SatcatError):
    """Another process holds the lock that this one needs."""

    def __init__(self, where: str, holder: str) -> None:
        super().__init__(where, holder)
        self.where, self.holder = where, holder

    def __str__(self) -> str:
        return f"{self.where} is being synced by {self.holder}: wait until it has finished"


class SourceError(SatcatError):
    """The far end did not give what was asked for."""

    exit_code = 4


class SourceUnavailableError(SourceError):
    """No answer, or one that says "not now" by its HTTP status."""

    retryable = True

    def __init__(self, where: str, why: str, status: int | None = None) -> None:
        super().__init__(where, why)
        self.where, self.why, self.status = where, why, status

    def __str__(self) -> str:
        return (
            f"cannot reach {self.where} ({self.why}): try again later; "
            "what is stored stays usable offline"
        )


class NoTokenError(SourceUnavailableError):
    """The token endpoint gave no token, and did not refuse the account either: no product is to blame."""

    retryable = False  # the endpoint has been asked again and again

    def __str__(self) -> str:
        return f"no token from {self.where}: {self.why}"


class LoginBarredError(NoTokenError):
    """Sessions end before their time; this process logged in for that lately, and does so again in `minutes`."""

    def __init__(self, where: str, minutes: int) -> None:
        super().__init__(where, "it ends sessions before their time")
        self.args = (where, minutes)
        self.minutes = minutes

    def __str__(self) -> str:
        return (
            f"{super().__str__()}; the next login is made in {self.minutes} min: try again by running the "
            "same command, which may log in at once"
        )


class TokenRefusedError(NoTokenError):
    """The source refused a token that was made just now: its hosts disagree for a while, or the account has no right."""

    exit_code = 5

    def __str__(self) -> str:
        return (
            f"{self.where} refuses a fresh access token ({self.why}): try again later; "
            "if it lasts, see whether the account may download, and that CDSE_DOWNLOAD_URL, if set, is right"
        )


class RateLimitedError(SourceError):
    """The source asks to wait; `retry_after` is in seconds, None if it did not say how long.

    `down`: it asks everyone, for it is not in service.
    """

    retryable = True

    def __init__(self, where: str, retry_after: float | None = None, *, down: bool = False) -> None:
        super().__init__(where, retry_after)
        self.where, self.retry_after, self.down = where, retry_after, down

    def __str__(self) -> str:
        when = "later" if self.retry_after is None else f"in {self.retry_after:.0f} s"
        return f"{self.where} asks to slow down: try again {when}"


class MalformedResponseError(SourceError):
    """An answer that is not what the protocol promises: truncated, HTML, out of order, of the wrong shape."""

    retryable = True

    def __init__(self, where: str, what: str) -> None:
        super().__init__(where, what)
        self.where, self.what = where, what

    def __str__(self) -> str:
        return f"{self.where} gave an answer that cannot be used ({self.what}): try again later"


class StaleResponseError(MalformedResponseError):
    """An answer older than one already seen, as an outdated cache in between gives."""


class WrongRangeError(MalformedResponseError):
    """Not the part of a file that was asked for, or of another file: only the whole is worth asking for again."""


class RequestRejectedError(SourceError):
    """The source refused the request itself; asking again will not help."""

    exit_code = 1

    def __init__(self, where: str, status: int, detail: str) -> None:
        super().__init__(where, status, detail)
        self.where, self.status, self.detail = where, status, detail

    def __str__(self) -> str:
        return f"{self.where} refused the request with status {self.status}: {self.detail}"


class ListingTooDenseError(SourceError):
    """More products share one instant than the source can list, by either date."""

    exit_code = 6

    def __init__(self, instant: str, limit: int) -> None:
        super().__init__(instant, limit)
        self.instant, self.limit = instant, limit

    def __str__(self) -> str:
        return (
            f"more than {self.limit} products at {self.instant}, more than the source can list: "
            "narrow the scope by tile or product type"
        )


class CredentialsError(SatcatError):
    """Credentials are missing, or the source refused them. Never holds the secret itself."""

    exit_code = 5


class IncompleteError(SatcatError):
    """Something asked for is not complete, and nothing pretends that it is."""

    exit_code = 6


class DeleteLimitError(IncompleteError):
    """More products vanished from a run's listings than --max-delete allows to believe."""

    def __init__(self, missing: int, limit: int) -> None:
        super().__init__(missing, limit)
        self.missing, self.limit = missing, limit

    def __str__(self) -> str:
        return (
            f"{self.missing} products are missing from the source's listings, more than {self.limit} "
            "in one run: they were not removed; if it is true, run again with a higher --max-delete"
        )


class NotMirroredError(IncompleteError):
    """A strict query asked for tiles or time that are not mirrored, or not finished."""


class DownloadsFailedError(SatcatError):
    """Some downloads failed; the queue says which."""

    exit_code = 7


class DifferencesError(SatcatError):
    """verify found differences between the catalogue and the source, and they are still there."""

    exit_code = 8


class TransferError(SatcatError):
    """One file could not be brought here."""


class TruncatedError(TransferError):
    """The body ended before its promised length."""

    retryable = True

    def __init__(self, name: str, expected: int, received: int) -> None:
        super().__init__(name, expected, received)
        self.name, self.expected, self.received = name, expected, received

    def __str__(self) -> str:
        return f"{self.name}: {self.received} bytes arrived instead of {self.expected}"


class ChecksumMismatchError(TransferError):
    """The bytes that arrived are not the bytes the catalogue promised."""

    def __init__(self, name: str, algorithm: str, expected: str, actual: str) -> None:
        super().__init__(name, algorithm, expected, actual)
        self.name, self.algorithm, self.expected, self.actual = name, algorithm, expected, actual

    def __str__(self) -> str:
        return f"{self.name}: {self.algorithm} is {self.actual}, not {self.expected}"


class PackageError(TransferError):
    """What the source says is in a product's package cannot be kept as files."""


class ProductOfflineError(TransferError):
    """The product is in the source's archive and cannot be fetched directly."""


class ProductGoneError(TransferError):
    """The source no longer has the product."""


class DiskFullError(TransferError):
    """No room is left for the file."""


class UnwritableError(TransferError):
    """No file can be made in the folder that files go to."""


class NameTakenError(TransferError):
    """Another file, or another download, already has the name; nothing is overwritten."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path

    def __str__(self) -> str:
        return f"{self.path} is there already, or being written by another process: move it away, or wait"


class TransferStoppedError(TransferError):
    """The transfer was asked to stop; what has arrived is kept."""


class LostClaimError(TransferError):
    """The download is no longer this worker's: it was cancelled, deleted, or given to another worker."""
