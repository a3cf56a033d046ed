"""Access tokens of CDSE: got when first needed, shared by all threads, renewed before they end.

An access token lives 10 minutes, the refresh token 60; each login opens a session, of which an account has 100. So there is
one token per process, and it is refreshed as long as that is possible. With two-factor authentication the code works
once: after 60 minutes somebody must give a new one. A login that was refused is not tried again, lest the account be locked.
"""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from http import HTTPStatus

from satcat.api.credentials import Credentials, credentials_from_environment
from satcat.api.failures import host_of
from satcat.api.http import HttpClient
from satcat.errors import (
    CredentialsError,
    LoginBarredError,
    MalformedResponseError,
    NoTokenError,
    RequestRejectedError,
    SourceError,
)

_CLIENT = "cdse-public"
_MARGIN = 30.0  # a token that ends within so many seconds is renewed first,
_SHARE = 0.25  # but not before so much of its life is left
_BETWEEN_LOGINS = 3600.0  # seconds, where sessions end before their time
_REFUSALS = (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def _clock() -> float:
    """Seconds that also pass while the machine sleeps, as tokens do not wait for it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()


@dataclass(frozen=True, slots=True)
class _Tokens:
    """What one answer of the token endpoint gave; each token is of use until an instant of the clock, with some margin."""

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
        clock: Callable[[], float] = _clock,
    ) -> None:
        self._http, self._url, self._clock = http, token_url, clock
        self._given = (username, password, totp)
        self._credentials: Credentials | None = None
        self._tokens: _Tokens | None = None
        self._refused: CredentialsError | None = None
        self._next_login = -math.inf  # of a session that ended before its time
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
        """A token that is valid for a while: half a minute, or a quarter of its life.

        Raises:
            CredentialsError: no credentials, or they were refused, now or before.
            NoTokenError: the token endpoint cannot be reached, or gives something else than tokens.
        """
        with self._lock:
            if self._tokens is None or self._clock() >= self._tokens.access_until:
                try:
                    self._tokens = self._refreshed() or self._logged_in()
                except NoTokenError:
                    raise
                except SourceError as error:
                    raise NoTokenError(host_of(self._url), str(error)) from error
            return self._tokens.access

    def invalidate(self, token: str) -> None:
        """Use this token no more: the source refused it."""
        with self._lock:
            old = self._tokens
            if old is not None and old.access == token:
                self._tokens = replace(old, access_until=-math.inf)

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
        """New tokens by the refresh token; None if the session is over.

        Raises:
            LoginBarredError: sessions end before their time, and a login was made for that lately.
        """
        old = self._tokens
        if old is None or old.refresh is None or self._clock() >= old.refresh_until:
            return None
        try:
            fresh = self._ask({"grant_type": "refresh_token", "refresh_token": old.refresh})
        except RequestRejectedError as error:
            if error.status not in _REFUSALS:
                raise
            self._allow_early_login()
            return None
        if fresh.refresh is None:
            return replace(fresh, refresh=old.refresh, refresh_until=old.refresh_until)
        return fresh

    def _allow_early_login(self) -> None:
        """Keep a service that ends each session at once from being given a new login for every product."""
        now = self._clock()
        if now < self._next_login:
            raise LoginBarredError(host_of(self._url), math.ceil((self._next_login - now) / 60))
        self._next_login = now + _BETWEEN_LOGINS

    def _logged_in(self) -> _Tokens:
        if self._refused is not None:
            raise self._refused
        account = self._account()
        form = {
            "grant_type": "password",
            "username": account.username,
            "password": account.password,
        }
        again = self._tokens is not None
        if account.totp and not again:  # it worked once, and would not again
            form["totp"] = account.totp
        try:
            return self._ask(form)
        except RequestRejectedError as error:
            if error.status not in _REFUSALS:
                raise
            self._refused = CredentialsError(_refusal(error, account, again=again))
            raise self._refused from None

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
            before + _usable(answer.get("expires_in")),
            refresh if isinstance(refresh, str) and refresh else None,
            before + (_usable(answer.get("refresh_expires_in")) or math.inf),
        )


def _refusal(error: RequestRejectedError, account: Credentials, *, again: bool) -> str:
    """What to say of a refused login; never the secrets."""
    if again and account.totp:
        return (
            f"the session at {error.where} is over, and a new one needs a new code ({error.detail}): "
            "set CDSE_TOTP and run the same command again"
        )
    hint = (
        "a code works only once, give a new one"
        if account.totp
        else "with two factors also CDSE_TOTP"
    )
    return f"{error.where} refused the login ({error.detail}): check user name and password; {hint}"


def _usable(lifetime: object) -> float:
    """For how many seconds a token is used; one whose lifetime is missing or odd is used once."""
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float):
        return 0.0
    return max(lifetime - _MARGIN, _SHARE * lifetime, 0.0) if lifetime < 1e9 else 0.0
