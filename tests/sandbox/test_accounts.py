"""Tokens: grants, refusals, lifetimes, sessions."""

from __future__ import annotations

from typing import Any

import pytest

from satcat.sandbox import Sandbox


def test_a_password_gives_tokens(client: Any) -> None:
    answer = client.token()
    assert answer.status_code == 200
    body = answer.json()
    assert (body["expires_in"], body["refresh_expires_in"], body["token_type"]) == (
        600,
        3600,
        "Bearer",
    )
    assert body["access_token"] != body["refresh_token"]


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"password": "wrong"}, 401, "invalid_grant"),
        ({"password": ""}, 401, "invalid_grant"),
        ({"client_id": "another"}, 401, "invalid_client"),
        ({"grant_type": "magic"}, 400, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "made-up"}, 400, "invalid_grant"),
    ],
)
def test_a_bad_grant_is_refused(client: Any, form: dict[str, str], status: int, error: str) -> None:
    answer = client.token(**form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert "access_token" not in answer.json()


def test_a_wrong_password_is_refused_in_the_words_of_the_service(client: Any) -> None:
    assert client.token(password="wrong").json() == {
        "error": "invalid_grant",
        "error_description": "Invalid user credentials",
    }


def test_a_second_factor_is_asked_for_if_so_set(sandbox: Sandbox, client: Any) -> None:
    sandbox.settings.require_totp = True
    assert client.token().status_code == 401
    assert client.token(totp="123456").status_code == 200


def test_a_refresh_token_gives_access_until_its_session_ends(sandbox: Sandbox, client: Any) -> None:
    first = client.token().json()
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    sandbox.clock.advance(3000)
    again = client.token(**refresh).json()
    assert again["access_token"] != first["access_token"]
    assert again["session_state"] == first["session_state"]
    assert again["refresh_expires_in"] <= 600
    sandbox.clock.advance(601)
    assert client.token(**refresh).status_code == 400


def test_an_account_has_so_many_sessions_and_no_more(sandbox: Sandbox, client: Any) -> None:
    sandbox.settings.sessions = 3
    first = client.token().json()
    assert [client.token().status_code for _ in range(3)] == [200, 200, 401]
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    assert client.token(**refresh).status_code == 200
    assert client.token(username="another").status_code == 200
    sandbox.clock.advance(3601)
    assert client.token().status_code == 200


def test_a_refresh_does_not_open_a_session(sandbox: Sandbox, client: Any) -> None:
    sandbox.settings.sessions = 2
    refresh = {
        "grant_type": "refresh_token",
        "refresh_token": client.token().json()["refresh_token"],
    }
    for _ in range(5):
        assert client.token(**refresh).status_code == 200
    assert client.token().status_code == 200
