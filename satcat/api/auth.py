"""Access tokens of CDSE: got when first needed, shared by all threads, renewed before they end.

An access token lives 10 minutes, the refresh token 60; each login opens a session, of which an account has 100. So there is
one token per process, and it is refreshed as long as that is possible. With two-factor authentication the code works
once: after 60 minutes somebody must give a new one.
"""

from __future__ import annotations

import netrc
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from satcat.api.http import HttpClient, host_of
from satcat.errors import (
    CredentialsError,
    MalformedResponseError,
    NoTokenError,
    RequestRejectedError,
    SourceError,
)

_CLIENT = "cdse-public"
_MARGIN = 30.0  # a token that ends within so many seconds is renewed first
_HOW = "set CDSE_USERNAME and CDSE_PASSWORD, or put the account into ~/.netrc"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account; the password stays out of every text."""

    username: str
    password: str = field(repr=False)
    totp: str | None = field(default=None, repr=False)


def credentials_from_environment(token_url: str) -> Credentials:
    """CDSE_USERNAME, CDSE_PASSWORD and CDSE_TOTP; else the entry of the token URL's host in ~/.netrc.

    The entry may also be named by the whole token URL, as CDSETool writes it. A `default` entry is not taken, and no entry
    of another host: a password goes only where it belongs.

    Raises:
        CredentialsError: there are none, or ~/.netrc cannot be read.
    """
    username, password = os.environ.get("CDSE_USERNAME"), os.environ.get("CDSE_PASSWORD")
    totp = os.environ.get("CDSE_TOTP") or None
    if username and password:
        return Credentials(username, password, totp)
    if username or password:
        missing = "CDSE_PASSWORD" if username else "CDSE_USERNAME"
        raise CredentialsError(f"{missing} is not set, its counterpart is: set both")
    found = _from_netrc(token_url)
    if found is None:
        raise CredentialsError(f"no account for {host_of(token_url)}: {_HOW}")
    return Credentials(*found, totp)


def _from_netrc(token_url: str) -> tuple[str, str] | None:
    path = Path(os.environ.get("NETRC") or "~/.netrc").expanduser()
    try:
        hosts = netrc.netrc(path).hosts
    except FileNotFoundError:
        return None
    except netrc.NetrcParseError as error:  # its text quotes the file
        raise CredentialsError(f"{path} is malformed in line {error.lineno}: {_HOW}") from None
    except UnicodeError:
        raise CredentialsError(f"{path} is no text: {_HOW}") from None
    except OSError as error:
        raise CredentialsError(f"{path} cannot be read ({error.strerror}): {_HOW}") from None
    for machine in (urlsplit(token_url).hostname or "", token_url):
        login, _, password = hosts.get(machine) or ("", "", "")
        if login and password:
            return login, password
    return None


@dataclass(frozen=True, slots=True)
class _Tokens:
    """What one answer of the token endpoint gave; the times are of the monotonic clock."""

    access: str = field(repr=False)
    access_until: float
    refresh: str | None = field(repr=False)
    refresh_until: float


class TokenProvider:
    """The access token of one account. Reads no credentials before the first token is needed."""

    def __init__(
        self,
        http: HttpClient,
        token_url: str,
        username: str | None = None,
        password: str | None = None,
        totp: str | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http, self._url, self._clock = http, token_url, clock
        self._given = (username, password, totp)
        self._credentials: Credentials | None = None
        self._tokens: _Tokens | None = None
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"TokenProvider({self._url!r})"

    @property
    def account(self) -> str:
        """The user name, which tells accounts apart; not to be stored or printed.

        Raises:
            CredentialsError: there is no account.
        """
        return self._account().username

    def token(self) -> str:
        """A token that is valid for half a minute at least.

        Raises:
            CredentialsError: no credentials, or they were refused.
            NoTokenError: the token endpoint cannot be reached, or gives something else than tokens.
        """
        with self._lock:
            if self._tokens is None or self._clock() > self._tokens.access_until - _MARGIN:
                try:
                    self._tokens = self._refreshed() or self._logged_in()
                except SourceError as error:
                    raise NoTokenError(host_of(self._url), str(error)) from error
            return self._tokens.access

    def invalidate(self, token: str) -> None:
        """Use this token no more: the source refused it."""
        with self._lock:
            old = self._tokens
            if old is not None and old.access == token:
                self._tokens = _Tokens(old.access, 0.0, old.refresh, old.refresh_until)

    def _account(self) -> Credentials:
        with self._lock:
            if self._credentials is None:
                self._credentials = self._read_credentials()
            return self._credentials

    def _read_credentials(self) -> Credentials:
        username, password, totp = self._given
        if username and password:
            return Credentials(username, password, totp or os.environ.get("CDSE_TOTP") or None)
        if username or password:
            raise CredentialsError("username and password belong together: give both")
        found = credentials_from_environment(self._url)
        return Credentials(found.username, found.password, totp or found.totp)

    def _refreshed(self) -> _Tokens | None:
        """New tokens by the refresh token; None if that is over."""
        old = self._tokens
        if old is None or old.refresh is None or self._clock() > old.refresh_until - _MARGIN:
            return None
        try:
            return self._ask({"grant_type": "refresh_token", "refresh_token": old.refresh})
        except RequestRejectedError:
            return None

    def _logged_in(self) -> _Tokens:
        account = self._account()
        form = {
            "grant_type": "password",
            "username": account.username,
            "password": account.password,
        }
        if account.totp:
            form["totp"] = account.totp
        try:
            return self._ask(form)
        except RequestRejectedError as error:
            if error.status not in (
                HTTPStatus.BAD_REQUEST,
                HTTPStatus.UNAUTHORIZED,
                HTTPStatus.FORBIDDEN,
            ):
                raise
            hint = (
                "a code works only once, give a new one"
                if account.totp
                else "with two factors also CDSE_TOTP"
            )
            raise CredentialsError(
                f"{error.where} refused the login ({error.detail}): check user name and password; {hint}"
            ) from None

    def _ask(self, form: dict[str, str]) -> _Tokens:
        before = self._clock()
        answer = self._http.post(self._url, {"client_id": _CLIENT, **form})
        access = answer.get("access_token") if isinstance(answer, dict) else None
        if (
            not isinstance(access, str)
            or not access
            or not access.isascii()
            or not access.isprintable()
        ):
            raise MalformedResponseError(host_of(self._url), "no access token in it")
        refresh = answer.get("refresh_token")
        return _Tokens(
            access,
            before + _seconds(answer.get("expires_in")),
            refresh if isinstance(refresh, str) and refresh else None,
            before + _seconds(answer.get("refresh_expires_in")),
        )


def _seconds(value: object) -> float:
    """A lifetime; one that is missing or odd counts as over, so that the token is used once."""
    return float(value) if isinstance(value, int | float) and 0 < value < 1e9 else 0.0
