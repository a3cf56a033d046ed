"""How the sandbox behaves; every field may be changed while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(slots=True)
class Settings:
    """Limits and habits of the far end; the defaults are those of CDSE.

    Attributes:
        token_seconds: how long an access token is good.
        refresh_seconds: how long a refresh token, and with it the session, is good.
        sessions: most sessions that one account may have open.
        require_totp: a password alone does not do; any second factor does.
        slots: most downloads at once for one account.
        slot_delay: seconds for which a slot stays taken after its download ended. CDSE has some
            such delay; here it is 0 unless asked for, so that tests are not slowed.
        rate: bytes per second of each download; None for no limit.
        ranges: what becomes of a `Range` header. "cdse": honoured for single files, ignored for
            zips, as reported; "honour" and "ignore": always and never; "wrong": 206 with another
            range than the one asked for.
    """

    token_seconds: int = 600
    refresh_seconds: int = 3600
    sessions: int = 100
    require_totp: bool = False
    slots: int = 4
    slot_delay: float = 0.0
    rate: float | None = None
    ranges: Literal["cdse", "honour", "ignore", "wrong"] = "cdse"
