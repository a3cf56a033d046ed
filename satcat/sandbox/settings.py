"""How the sandbox behaves; every field may be changed while it runs."""

from __future__ import annotations

from dataclasses import dataclass

from satcat.sandbox.ranges import Ranges


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
        quota_bytes: bytes that one account may fetch in 30 days by the sandbox's clock, None for no
            limit; at CDSE 12 TB. Beyond it there is 1 slot, at `quota_rate` bytes per second.
        rate: bytes per second of each download; None for no limit.
        ranges: what becomes of a `Range` header, see `satcat.sandbox.ranges`.
        etags: files come with an `ETag`. Whether those of CDSE do was never recorded.
        chunked: files come in chunks, without `Content-Length`.
        redirect_to: the `download_url` of another sandbox, to which every download is sent on by a
            signed link.
        signed_links: whoever has a link may download; a token that comes along is refused, as
            object stores do. For that other sandbox.
    """

    token_seconds: int = 600
    refresh_seconds: int = 3600
    sessions: int = 100
    require_totp: bool = False
    slots: int = 4
    slot_delay: float = 0.0
    quota_bytes: int | None = None
    quota_rate: float = 1e6
    rate: float | None = None
    ranges: Ranges = "cdse"
    etags: bool = True
    chunked: bool = False
    redirect_to: str | None = None
    signed_links: bool = False
