"""A running sandbox, and a plain HTTP client for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import requests

from satcat.sandbox import Sandbox


class Client:
    """Asks one sandbox, without proxies, netrc or retries."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.trust_env = False

    def catalogue(self, path: str, **params: object) -> requests.Response:
        """GET below the catalogue's base; `$` is put before the names."""
        query = {f"${name}": value for name, value in params.items()}
        return self.session.get(f"{self.sandbox.catalogue_url}/{path}", params=query, timeout=30)

    def products(self, **params: object) -> requests.Response:
        """GET a page of Products."""
        return self.catalogue("Products", **params)

    def names(self, **params: object) -> list[str]:
        """The names on a page of Products."""
        answer = self.products(**params)
        assert answer.status_code == 200, answer.text
        return [row["Name"] for row in answer.json()["value"]]

    def token(self, **form: object) -> requests.Response:
        """POST to the token endpoint, by default with a password."""
        given = {"grant_type": "password", "username": "anyone", "password": "anything"} | form
        return self.session.post(
            self.sandbox.token_url, data={"client_id": "cdse-public"} | given, timeout=30
        )

    def download(
        self, path: str, token: str | None = None, stream: bool = False, **headers: str
    ) -> requests.Response:
        """GET below the download host's base, with a new token unless one is given."""
        if token is None:
            token = self.token().json()["access_token"]
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return self.session.get(
            f"{self.sandbox.download_url}/{path}", headers=headers, timeout=30, stream=stream
        )


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An empty sandbox."""
    with Sandbox(products=0) as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[Client]:
    """A client of the empty sandbox."""
    client = Client(sandbox)
    with client.session:
        yield client
