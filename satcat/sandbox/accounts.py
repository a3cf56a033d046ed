"""Tokens and download slots, as the identity and download services hand them out.

Any user name and password is good, except the password "wrong".
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from satcat.sandbox.clock import Clock
from satcat.sandbox.responses import Response, as_json, zipper
from satcat.sandbox.settings import Settings

_SCOPE = "AUDIENCE_PUBLIC openid email profile ondemand_processing user-context"
_BAD_PASSWORDS = ("", "wrong")
_BAD_LOGIN = "Invalid user credentials"
_QUOTA_PERIOD = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class _Session:
    """What one password grant opens; it ends with its refresh token."""

    id: str
    username: str
    refresh_token: str
    ends: datetime


@dataclass(frozen=True, slots=True)
class Stream:
    """One download on its way: a slot of its account, to be given back by `close`, and its bytes per second."""

    rate: float | None
    close: Callable[[], None]
    count: Callable[[int], None]

    def counted(self, pieces: Iterator[memoryview]) -> Iterator[memoryview]:
        """The same pieces, counted for the account's quota as they are sent."""
        for piece in pieces:
            self.count(len(piece))
            yield piece


class Accounts:
    """Who may download, and how much at once.

    Attributes:
        logins: how many sessions were opened by a password.
    """

    def __init__(self, clock: Clock, settings: Settings) -> None:
        self._clock = clock
        self._settings = settings
        self._lock = threading.Lock()
        self._sessions: dict[str, _Session] = {}
        self._access: dict[str, tuple[_Session, datetime]] = {}
        self._streams: dict[str, int] = {}
        self._freed: dict[str, list[float]] = {}
        self._sent: dict[str, list[tuple[datetime, int]]] = {}
        self.logins = 0

    def grant(self, form: Mapping[str, str]) -> Response:
        """Answer the token endpoint: grants `password` and `refresh_token`."""
        with self._lock:
            self._forget_ended()
            if form.get("client_id") != "cdse-public":
                return _refused("invalid_client", "Invalid client or Invalid client credentials")
            match form.get("grant_type"):
                case "password":
                    return self._log_in(form)
                case "refresh_token":
                    session = self._sessions.get(form.get("refresh_token", ""))
                    if session is None:
                        return _refused("invalid_grant", "Token is not active", 400)
                    return self._tokens(session)
                case _:
                    return _refused("unsupported_grant_type", "Unsupported grant_type", 400)

    def username(self, authorization: str | None) -> str:
        """Who a bearer token belongs to.

        Raises:
            Refusal: 401 of the download host: no token, an unknown one, or one that has expired.
        """
        scheme, _, token = (authorization or "").partition(" ")
        with self._lock:
            found = self._access.get(token) if scheme.lower() == "bearer" else None
            if found is None:
                raise zipper(401, 604, "Token not found")
            session, ends = found
            if self._clock.now() >= ends:
                raise zipper(401, 109, "Token is expired")
            return session.username

    def expire_tokens(self) -> None:
        """End every access token now; refresh tokens stay good."""
        with self._lock:
            now = self._clock.now()
            self._access = {token: (session, now) for token, (session, _) in self._access.items()}

    def open_stream(self, username: str) -> Stream:
        """Take one of the account's download slots.

        Raises:
            Refusal: 429, every slot is taken. A slot stays taken for `slot_delay` seconds after it
                was given back.
        """
        settings = self._settings
        with self._lock:
            spent = self._spent(username)
            slots = 1 if spent else settings.slots
            now = time.monotonic()
            freed = [at for at in self._freed.get(username, []) if at + settings.slot_delay > now]
            self._freed[username] = freed
            if self._streams.get(username, 0) + len(freed) >= slots:
                raise zipper(429, 100, "Max session number exceeded")
            self._streams[username] = self._streams.get(username, 0) + 1
        rate = min(
            filter(None, (settings.rate, settings.quota_rate if spent else None)), default=None
        )

        def close() -> None:
            with self._lock:
                self._streams[username] -= 1
                self._freed[username].append(time.monotonic())

        def count(size: int) -> None:
            with self._lock:
                self._sent.setdefault(username, []).append((self._clock.now(), size))

        return Stream(rate, close, count)

    def _spent(self, username: str) -> bool:
        """Whether the account has fetched all that it may."""
        since = self._clock.now() - _QUOTA_PERIOD
        recent = [(at, size) for at, size in self._sent.get(username, []) if at > since]
        self._sent[username] = recent
        quota = self._settings.quota_bytes
        return quota is not None and sum(size for _, size in recent) >= quota

    def _log_in(self, form: Mapping[str, str]) -> Response:
        username, password = form.get("username", ""), form.get("password", "")
        if not username or password in _BAD_PASSWORDS:
            return _refused("invalid_grant", _BAD_LOGIN)
        if self._settings.require_totp and not form.get("totp"):
            return _refused("invalid_grant", _BAD_LOGIN)
        open_ones = [s for s in self._sessions.values() if s.username == username]
        if len(open_ones) >= self._settings.sessions:
            return _refused("invalid_grant", "Exceeded number of active sessions")
        ends = self._clock.now() + timedelta(seconds=self._settings.refresh_seconds)
        session = _Session(secrets.token_hex(16), username, secrets.token_urlsafe(48), ends)
        self._sessions[session.refresh_token] = session
        self.logins += 1
        return self._tokens(session)

    def _tokens(self, session: _Session) -> Response:
        now, token = self._clock.now(), secrets.token_urlsafe(48)
        self._access[token] = (session, now + timedelta(seconds=self._settings.token_seconds))
        body: dict[str, Any] = {
            "access_token": token,
            "expires_in": self._settings.token_seconds,
            "refresh_expires_in": round((session.ends - now).total_seconds()),
            "refresh_token": session.refresh_token,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "session_state": session.id,
            "scope": _SCOPE,
        }
        return as_json(200, body)

    def _forget_ended(self) -> None:
        now = self._clock.now()
        self._sessions = {token: s for token, s in self._sessions.items() if s.ends > now}


def _refused(error: str, description: str, status: int = 401) -> Response:
    return as_json(status, {"error": error, "error_description": description})
