"""HTTP as a good guest: few connections, bounded waits, retries that end, and every failure as one of satcat's errors.

Redirects stay on their host; the `Authorization` header never leaves it. `~/.netrc` plays no part: an entry there would
silently replace a bearer token (requests does that). Proxies are taken from the environment, but not for this machine.
"""

from __future__ import annotations

import gc
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address
from typing import Any, Generic, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from satcat.api import answers
from satcat.api.failures import host_of, source_errors
from satcat.errors import (
    MalformedResponseError,
    RateLimitedError,
    SourceError,
    SourceUnavailableError,
    StaleResponseError,
)

logger = logging.getLogger("satcat")

ValueT = TypeVar("ValueT")

CONNECTIONS = 4
_TIMEOUT = (10.0, 120.0)  # to connect, and between two reads, in seconds
_BODY_SECONDS = 600.0
_MAX_BODY = 200_000_000
_MAX_REDIRECTS = 5
_STALE = timedelta(minutes=5)
_CLOCK_STEP = 2.0  # seconds; HTTP dates are whole seconds
_CHUNK = 65_536
_SECRETS = ("password", "totp", "refresh_token")  # fields of forms
_TICK = 0.2  # seconds between looks at whether to stop


class Anonymous(AuthBase):
    """No credentials, not even those of ~/.netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Leave the request as it is."""
        return request


class Bearer(AuthBase):
    """An access token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the token to the request."""
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Session(requests.Session):
    """Leaves redirects alone; its parent reads their bodies whole, and stumbles over addresses that are none."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """None, whatever it says."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How often a request is sent, and how many seconds lie between."""

    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 120.0
    longest_asked: float = 3600.0

    def wait(self, failures: int, error: SourceError, chance: float) -> float | None:
        """Seconds to wait after so many failures; None: give up. `chance` is from 0 to 1.

        Twice as long each time, and never sooner than the source asks (`Retry-After`): if that is beyond all patience,
        it is not asked again at all. The chance keeps several connections from coming back all at once.
        """
        asked = error.retry_after or 0.0 if isinstance(error, RateLimitedError) else 0.0
        if not error.retryable or failures >= self.attempts or asked > self.longest_asked:
            return None
        own = self.first_wait * 2.0 ** (failures - 1) * (0.5 + chance / 2)
        return max(min(own, self.longest_wait), asked)


@dataclass(frozen=True, slots=True)
class Reply(Generic[ValueT]):
    """What was read from one answer, and the source's clock when it was sent (HTTP `Date`)."""

    value: ValueT
    server_time: datetime | None


def no_word(seconds: float, error: SourceError) -> None:
    """Say nothing about waiting."""


class HttpClient:
    """At most `connections` requests at once, over all threads that share the client.

    Setting `stop` makes every request of any thread that waits, or is about to be sent, raise KeyboardInterrupt.
    `on_wait` is told before each wait how long it is, and why.
    """

    def __init__(
        self,
        connections: int = CONNECTIONS,
        *,
        user_agent: str = "satcat",
        retries: Retries | None = None,
        stop: threading.Event | None = None,
        on_wait: Callable[[float, SourceError], None] = no_word,
    ) -> None:
        self.stop = stop or threading.Event()
        self.on_wait = on_wait
        self.requests_sent = 0
        self._retries = retries or Retries()
        self._slots = threading.BoundedSemaphore(connections)
        self._lock = threading.Lock()
        self._parsing = threading.Lock()
        self._newest: dict[str, datetime] = {}
        self._doubted: dict[str, tuple[datetime, float]] = {}
        self._session = _Session()
        self._session.headers["User-Agent"] = user_agent
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = HTTPAdapter(pool_maxsize=connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    @property
    def server_time(self) -> datetime | None:
        """The newest clock that any source has told."""
        with self._lock:
            return max(self._newest.values(), default=None)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(
        self,
        url: str,
        params: Sequence[tuple[str, str]],
        read: Callable[[Any], ValueT],
        *,
        parse: Callable[[str, answers.Body], Any] = answers.parse_json,
        patient: bool = True,
        longest: int | None = None,
    ) -> Reply[ValueT]:
        """Ask for JSON, again and again if need be; `read` makes the value of it, and may raise SourceError.

        Args:
            parse: makes of a host's answer what `read` reads.
            patient: False asks once, for callers who have patience of their own.
            longest: bytes of the longest answer that is read; some hundred megabytes if not given.

        Raises:
            SourceError: what the last attempt came to.
        """

        def once() -> Reply[ValueT]:
            with self._exchange("GET", url, params=params) as response:
                body = self._body(response, longest)
            self._refuse(response, body)
            moment = self._date(response)
            # one at a time: threads gain nothing by parsing together, and a page's JSON takes tens of megabytes
            with self._parsing, without_collecting():
                return Reply(read(parse(host_of(url), body)), moment)

        return self.retrying(once) if patient else once()

    def post(self, url: str, form: Mapping[str, str]) -> Any:
        """Send a form and give the JSON of the answer; sent again only if the source says "not now".

        Raises:
            SourceError: RequestRejectedError for what the source refuses.
        """

        def once() -> Any:
            try:
                with self._exchange("POST", url, form=form) as response:
                    body = self._body(response)
            except (
                SourceError
            ) as error:  # it may have arrived all the same, so it is not sent again
                return error
            self._refuse(response, body, [form[name] for name in _SECRETS if name in form])
            return answers.parse_json(host_of(url), body)

        result = self.retrying(once)
        if isinstance(result, SourceError):
            raise result
        return result

    @contextmanager
    def stream(
        self, url: str, *, headers: Mapping[str, str], auth: AuthBase
    ) -> Iterator[requests.Response]:
        """Ask once for bytes; the answer may have any status, and its body is still to be read.

        Redirects to another host are followed, without `Authorization`.
        """
        with self._exchange("GET", url, headers=headers, auth=auth, leave=True) as response:
            yield response

    def retrying(self, once: Callable[[], ValueT]) -> ValueT:
        """Do something again as long as it fails in a way that may pass."""
        failures = 0
        while True:
            try:
                return once()
            except SourceError as error:
                failures += 1
                seconds = self._retries.wait(failures, error, random.random())
                if seconds is None:
                    raise
                reason = error
            logger.debug("waiting %.1f s: %s", seconds, reason)
            self.on_wait(seconds, reason)
            self._wait(seconds)

    def _wait(self, seconds: float = 0) -> None:
        """Wait, or only look, unless all is to stop."""
        if self.stop.wait(seconds):
            raise KeyboardInterrupt

    @contextmanager
    def _slot(self) -> Iterator[None]:
        while not self._slots.acquire(timeout=_TICK):
            self._wait()
        try:
            self._wait()
            yield
        finally:
            self._slots.release()

    @contextmanager
    def _exchange(
        self,
        method: str,
        url: str,
        *,
        params: Sequence[tuple[str, str]] = (),
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: AuthBase | None = None,
        leave: bool = False,
    ) -> Iterator[requests.Response]:
        """One request and what its redirects lead to; a redirect of a form, or to elsewhere, is refused."""
        request = requests.Request(
            method, url, params=list(params), data=form, headers=headers, auth=auth or Anonymous()
        )
        with self._slot():
            for _ in range(_MAX_REDIRECTS):
                with source_errors(host_of(request.url)), closing(self._send(request)) as response:
                    target = response.headers.get("Location") if response.is_redirect else None
                    if target is None:
                        yield response
                        return
                    request = _redirected(request, target, leave=leave)
        raise MalformedResponseError(host_of(url), "it redirects in a circle")

    def _send(self, request: requests.Request) -> requests.Response:
        prepared = self._session.prepare_request(request)
        url = prepared.url or ""
        # a link that a source made may hold a signature, what we asked for does not
        logger.debug("%s %s", request.method, url if request.params else url.partition("?")[0])
        with self._lock:
            self.requests_sent += 1
        host = urlsplit(url).hostname or ""
        direct = {"no_proxy": host} if _is_this_machine(host) else {}
        settings = self._session.merge_environment_settings(url, direct, True, None, None)
        return self._session.send(prepared, allow_redirects=False, timeout=_TIMEOUT, **settings)

    def _body(self, response: requests.Response, longest: int | None = None) -> bytearray:
        """The whole body, if it is of a sane size and comes in time."""
        where = host_of(response.url)
        body = bytearray()
        deadline = time.monotonic() + _BODY_SECONDS
        for chunk in response.iter_content(_CHUNK):
            body += chunk
            self._wait()
            if len(body) > (most := longest or _MAX_BODY):
                raise MalformedResponseError(where, f"more than {most} bytes")
            if time.monotonic() > deadline:
                raise SourceUnavailableError(where, f"not done after {_BODY_SECONDS:.0f} s")
        return body

    def _refuse(
        self, response: requests.Response, body: answers.Body, secrets: Sequence[str] = ()
    ) -> None:
        where = host_of(response.url)
        error = answers.error_of(where, response.status_code, response.headers, body, secrets)
        if error is not None:
            raise error

    def _date(self, response: requests.Response) -> datetime | None:
        """The clock of the answer; one much older than another answer's comes from an outdated cache."""
        where = host_of(response.url)
        moment = answers.http_date(response.headers.get("Date"))
        if moment is None:
            return None
        with self._lock:
            newest = self._newest.get(where, moment)
            if moment < newest - _STALE and not self._goes_on(where, moment):
                raise StaleResponseError(where, f"it is from {moment}, another was from {newest}")
            self._doubted.pop(where, None)
            self._newest[where] = moment if moment < newest - _STALE else max(newest, moment)
        return moment

    def _goes_on(self, where: str, moment: datetime) -> bool:
        """Tell whether a clock that is behind runs, as a cached answer's does not: then the other one was wrong."""
        seen = time.monotonic()
        before, when = self._doubted.get(where, (moment, seen))
        self._doubted[where] = (moment, seen)
        passed = (moment - before).total_seconds()
        return moment > before and abs(passed - (seen - when)) < _CLOCK_STEP


@contextmanager
def without_collecting() -> Iterator[None]:
    """Leave what comes into being here uncounted by the garbage collector.

    A page makes a hundred thousand objects, none of them in a cycle; looking through them takes as long as to make them.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _redirected(request: requests.Request, target: str, *, leave: bool) -> requests.Request:
    url = _address(request.url, target)
    old, new = urlsplit(request.url), urlsplit(url)
    stays = (old.scheme, old.netloc) == (new.scheme, new.netloc)
    downgraded = old.scheme == "https" and new.scheme != "https"
    if request.method != "GET" or downgraded or not (stays or leave):
        raise MalformedResponseError(old.netloc, f"it redirects to {host_of(url)}")
    auth = request.auth if stays else Anonymous()
    return requests.Request("GET", url, headers=request.headers, auth=auth)


def _address(url: str, target: str) -> str:
    """Where a redirect from a URL leads."""
    try:
        there = urljoin(url, target)
        parsed = urllib3.util.parse_url(there)  # as strict as what sends the request
        if parsed.scheme in ("http", "https") and parsed.host:
            return there
    except ValueError:
        pass
    raise MalformedResponseError(host_of(url), "it redirects to nowhere")


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
