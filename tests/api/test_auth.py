"""Tokens: where the account comes from, how few logins are made, and that nothing secret shows."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from satcat.api.auth import TokenProvider
from satcat.api.credentials import Credentials, credentials_from_environment
from satcat.api.http import HttpClient, Retries
from satcat.api.odata import ODataAPI
from satcat.errors import CredentialsError, NoTokenError
from satcat.sandbox import Sandbox

HOST = "identity.dataspace.copernicus.eu"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(products=0) as running:
        yield running


@pytest.fixture
def http() -> HttpClient:
    return HttpClient(retries=Retries(attempts=3, first_wait=0.01))


@pytest.fixture
def netrc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(path))
    return path


class Clock:
    """A monotonic clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def logins(sandbox: Sandbox) -> int:
    return sum(request.path.endswith("/token") for request in sandbox.log)


def test_one_token_serves_all_threads(sandbox: Sandbox, http: HttpClient) -> None:
    provider = TokenProvider(http, sandbox.token_url, "someone", "good")
    tokens: list[str] = []
    threads = [threading.Thread(target=lambda: tokens.append(provider.token())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tokens) == 8 and len(set(tokens)) == 1
    assert logins(sandbox) == 1


def test_a_token_is_renewed_half_a_minute_before_it_ends(
    sandbox: Sandbox, http: HttpClient
) -> None:
    clock = Clock()
    provider = TokenProvider(http, sandbox.token_url, "someone", "good", clock=clock)
    first = provider.token()
    clock.now += 569
    assert provider.token() == first
    clock.now += 2
    assert provider.token() != first
    assert len(sandbox.accounts._sessions) == 1


def test_when_the_refresh_token_is_over_the_password_is_used(
    sandbox: Sandbox, http: HttpClient
) -> None:
    clock = Clock()
    provider = TokenProvider(http, sandbox.token_url, "someone", "good", clock=clock)
    first = provider.token()
    clock.now += 4000
    assert provider.token() != first
    assert len(sandbox.accounts._sessions) == 2


def test_a_refresh_token_that_is_refused_leads_to_a_login(
    sandbox: Sandbox, http: HttpClient
) -> None:
    provider = TokenProvider(http, sandbox.token_url, "someone", "good")
    first = provider.token()
    sandbox.clock.advance(3700)
    provider.invalidate(first)
    assert provider.token() != first


def test_a_refused_token_is_used_no_more_and_another_stays(
    sandbox: Sandbox, http: HttpClient
) -> None:
    provider = TokenProvider(http, sandbox.token_url, "someone", "good")
    first = provider.token()
    provider.invalidate("another")
    assert provider.token() == first
    provider.invalidate(first)
    second = provider.token()
    provider.invalidate(first)
    assert provider.token() == second != first


def test_short_lived_tokens_are_shared_and_renewed_without_a_storm(
    sandbox: Sandbox, http: HttpClient
) -> None:
    sandbox.settings.token_seconds = 2
    clock = Clock()
    provider = TokenProvider(http, sandbox.token_url, "someone", "good", clock=clock)
    for _ in range(100):
        provider.token()
        clock.now += 0.1
    assert 5 <= logins(sandbox) <= 21  # ten seconds of use
    assert sandbox.accounts.logins == 1


def test_refresh_tokens_that_do_not_say_when_they_end_are_used(
    sandbox: Sandbox, http: HttpClient
) -> None:
    def without_end(answer: Any) -> Any:
        return {**answer, "refresh_expires_in": 0}

    sandbox.faults.next("edited", n=9, match="/token", edit=without_end)
    clock = Clock()
    provider = TokenProvider(http, sandbox.token_url, "someone", "good", clock=clock)
    for _ in range(4):
        provider.token()
        clock.now += 1000
    assert sandbox.accounts.logins == 1


def test_a_refused_login_is_not_tried_again_by_any_thread(
    sandbox: Sandbox, http: HttpClient
) -> None:
    provider = TokenProvider(http, sandbox.token_url, "someone", "wrong")
    refusals: list[CredentialsError] = []

    def ask() -> None:
        try:
            provider.token()
        except CredentialsError as error:
            refusals.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refusals) == 4 and logins(sandbox) == 1


def test_sessions_that_end_at_once_do_not_lead_to_a_login_each(
    sandbox: Sandbox, http: HttpClient
) -> None:
    clock = Clock()
    provider = TokenProvider(http, sandbox.token_url, "someone", "good", clock=clock)

    def end_of_session() -> None:
        provider.invalidate(provider.token())
        sandbox.accounts._sessions.clear()

    end_of_session()
    end_of_session()
    for _ in range(5):
        clock.now += 60
        with pytest.raises(
            NoTokenError,
            match=r"^no token from [^ ]+: it ends sessions before their time; the next login is made in [0-9]+ min: .*log in at once$",
        ):
            provider.token()
    assert sandbox.accounts.logins == 2
    clock.now += 3600
    assert provider.token()
    assert sandbox.accounts.logins == 3


def test_a_second_login_needs_a_new_code_and_says_so(sandbox: Sandbox, http: HttpClient) -> None:
    sandbox.settings.require_totp = True
    clock = Clock()
    provider = TokenProvider(http, sandbox.token_url, "someone", "good", "123456", clock=clock)
    provider.token()
    clock.now += 4000
    with pytest.raises(CredentialsError, match=r"needs a new code.*set CDSE_TOTP") as caught:
        provider.token()
    assert caught.value.exit_code == 5
    assert "123456" not in str(caught.value) and "good" not in str(caught.value)


def test_a_wrong_password_is_one_line_that_names_no_secret(
    sandbox: Sandbox, http: HttpClient
) -> None:
    provider = TokenProvider(http, sandbox.token_url, "someone@example.org", "wrong")
    with pytest.raises(CredentialsError, match="CDSE_TOTP") as caught:
        provider.token()
    assert "Invalid user credentials" in str(caught.value)
    assert "someone" not in str(caught.value) and "\n" not in str(caught.value)


def test_a_second_factor_is_sent(sandbox: Sandbox, http: HttpClient) -> None:
    sandbox.settings.require_totp = True
    with pytest.raises(CredentialsError):
        TokenProvider(http, sandbox.token_url, "someone", "good").token()
    assert TokenProvider(http, sandbox.token_url, "someone", "good", "123456").token()


def test_a_busy_token_endpoint_is_asked_again(sandbox: Sandbox, http: HttpClient) -> None:
    sandbox.faults.next("status", n=2, status=503, match="/token")
    assert TokenProvider(http, sandbox.token_url, "someone", "good").token()
    sandbox.faults.next("reset", match="/token")
    with pytest.raises(NoTokenError):
        TokenProvider(http, sandbox.token_url, "someone", "good").token()


@pytest.mark.parametrize(
    ("kind", "options"), [("html", {}), ("redirect", {}), ("status", {"status": 404})]
)
def test_an_answer_without_a_token_is_no_products_fault(
    sandbox: Sandbox, http: HttpClient, kind: Any, options: dict[str, Any]
) -> None:
    sandbox.faults.next(kind, n=9, match="/token", **options)
    with pytest.raises(NoTokenError, match="no token"):
        TokenProvider(http, sandbox.token_url, "someone", "good").token()


def test_nothing_is_read_before_a_token_is_needed(netrc: Path, http: HttpClient) -> None:
    netrc.write_text("this is no netrc at all")
    provider = TokenProvider(http, f"https://{HOST}/token")
    api = ODataAPI()
    for use in (provider.token, lambda: api.account):
        with pytest.raises(CredentialsError):
            use()


def test_the_environment_goes_before_netrc(netrc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc.write_text(f"machine {HOST} login other password other")
    monkeypatch.setenv("CDSE_USERNAME", "someone")
    monkeypatch.setenv("CDSE_PASSWORD", "secret")
    monkeypatch.setenv("CDSE_TOTP", "123456")
    assert credentials_from_environment(ODataAPI.TOKEN_URL) == Credentials(
        "someone", "secret", "123456"
    )


@pytest.mark.parametrize("machine", [HOST, ODataAPI.TOKEN_URL])
def test_netrc_is_read_by_host_or_by_url(netrc: Path, machine: str) -> None:
    netrc.write_text(
        f"machine example.org login no password no\nmachine {machine} login someone password secret\n"
    )
    assert credentials_from_environment(ODataAPI.TOKEN_URL) == Credentials("someone", "secret")


@pytest.mark.parametrize(
    "content", ["default login someone password secret", f"machine {HOST} login someone", None]
)
def test_no_fitting_entry_is_no_account(netrc: Path, content: str | None) -> None:
    if content is not None:
        netrc.write_text(content)
    with pytest.raises(CredentialsError, match="set CDSE_USERNAME and CDSE_PASSWORD"):
        credentials_from_environment(ODataAPI.TOKEN_URL)


def test_the_entry_of_the_real_service_goes_to_no_other_host(netrc: Path) -> None:
    netrc.write_text(f"machine {HOST} login someone password secret")
    with pytest.raises(CredentialsError, match="no account for 127"):
        credentials_from_environment("http://127.0.0.1:80/token")


@pytest.mark.parametrize(
    "content", [b"machine x\nlogin secret secret secret", b"\xff\xfe\x00secret"]
)
def test_a_malformed_netrc_is_not_quoted(netrc: Path, content: bytes) -> None:
    netrc.write_bytes(content)
    with pytest.raises(CredentialsError) as caught:
        credentials_from_environment(ODataAPI.TOKEN_URL)
    assert "secret" not in str(caught.value) and str(netrc) in str(caught.value)
    assert caught.value.__suppress_context__


def test_an_unreadable_netrc_is_said(netrc: Path) -> None:
    netrc.mkdir()
    with pytest.raises(CredentialsError, match="cannot be read"):
        credentials_from_environment(ODataAPI.TOKEN_URL)


def test_half_an_account_is_refused(monkeypatch: pytest.MonkeyPatch, http: HttpClient) -> None:
    monkeypatch.setenv("CDSE_USERNAME", "someone")
    with pytest.raises(CredentialsError, match="CDSE_USERNAME is set, but CDSE_PASSWORD is not"):
        credentials_from_environment(ODataAPI.TOKEN_URL)
    with pytest.raises(CredentialsError, match="belong together"):
        TokenProvider(http, ODataAPI.TOKEN_URL, "someone").token()


def test_no_repr_shows_a_secret(sandbox: Sandbox, http: HttpClient) -> None:
    provider = TokenProvider(http, sandbox.token_url, "someone", "s3cret", "123456")
    token = provider.token()
    api = ODataAPI("someone", "s3cret", totp="123456")
    for thing in (
        provider,
        provider._tokens,
        provider._credentials,
        api,
        Credentials("a", "s3cret", "123456"),
    ):
        assert not any(secret in repr(thing) for secret in ("s3cret", "123456", token))


def test_the_account_is_the_user_name(http: HttpClient) -> None:
    assert TokenProvider(http, ODataAPI.TOKEN_URL, "someone", "x").account == "someone"
    assert "CDSE_USERNAME" not in os.environ
