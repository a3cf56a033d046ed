"""Failures of a connection, as satcat's errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import requests
import urllib3

from satcat.errors import MalformedResponseError, SourceUnavailableError


def host_of(url: str) -> str:
    """The host that a URL names, with its port: how errors call a source."""
    return urlsplit(url).netloc.rpartition("@")[2]


@contextmanager
def source_errors(where: str) -> Iterator[None]:
    """Turn what requests and urllib3 raise into satcat's errors.

    Theirs are not even kept as the cause, which a traceback would show: they quote URLs, and those may hold a signature.
    """
    try:
        yield
    except requests.exceptions.SSLError as error:
        refused = SourceUnavailableError(where, f"no secure connection: {_reason(error)}")
        refused.retryable = False
        raise refused from None
    except (requests.Timeout, urllib3.exceptions.TimeoutError):
        raise SourceUnavailableError(where, "no answer in time") from None
    except (requests.exceptions.InvalidURL, urllib3.exceptions.LocationValueError):
        raise MalformedResponseError(where, "it is no address") from None
    except (
        requests.exceptions.ChunkedEncodingError,
        requests.exceptions.ContentDecodingError,
        urllib3.exceptions.ProtocolError,
    ):
        raise MalformedResponseError(where, "the answer was cut short") from None
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise SourceUnavailableError(where, _reason(error)) from None


def _reason(error: BaseException) -> str:
    """What the operating system said, the deepest cause of it all."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return "the connection failed"
