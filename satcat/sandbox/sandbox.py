"""The pretend CDSE, put together."""

from __future__ import annotations

import threading
from datetime import datetime
from types import TracebackType
from typing import Self

from satcat import times
from satcat.sandbox import routing
from satcat.sandbox.accounts import Accounts
from satcat.sandbox.catalogue import Catalogue
from satcat.sandbox.clock import Clock
from satcat.sandbox.delivery import Delivery
from satcat.sandbox.faults import Faults
from satcat.sandbox.generator import PACKAGE_BYTES, generate
from satcat.sandbox.log import Log
from satcat.sandbox.publishing import Publisher
from satcat.sandbox.server import Server
from satcat.sandbox.settings import Settings


class Sandbox:
    """A catalogue of made-up products, served at 127.0.0.1 while the `with` block lasts.

    Attributes:
        catalogue: what is listed, and the ways to change it.
        faults: what is to go wrong.
        log: what was asked.
        clock: the server's time.
        settings: limits and habits.
        accounts: tokens and download slots.
    """

    def __init__(
        self,
        products: int = 2000,
        seed: int = 1,
        port: int = 0,
        *,
        now: datetime | str | None = None,
        package_bytes: tuple[int, int] = PACKAGE_BYTES,
        settings: Settings | None = None,
    ) -> None:
        """Make the catalogue; nothing is served before `start` (or `with`).

        Args:
            products: how many to begin with; they are sensed in 2024 and published by spring 2025.
                Those that would be published after `now` are left out.
            seed: another one makes other products.
            port: 0 takes any free one.
            now: what the server's clock shows at this moment; real time if None.
            package_bytes: sizes of packages, from and up to.
            settings: limits and habits, if not those of CDSE.
        """
        self.clock = Clock(times.parse_bound(now) if isinstance(now, str) else now)
        self.settings = settings or Settings()
        self.log = Log()
        self.faults = Faults()
        self.catalogue = Catalogue(self.clock, Publisher(seed, package_bytes))
        made = generate(products, seed, package_bytes)
        at = self.clock.now()
        self.catalogue.add(record for record in made if record.modification_date <= at)
        self.accounts = Accounts(self.clock, self.settings)
        self.delivery = Delivery(self.accounts, self.settings)
        self._port = port
        self._server: Server | None = None

    @property
    def url(self) -> str:
        """`http://127.0.0.1:<port>`. Raises RuntimeError before `start`."""
        if self._server is None:
            raise RuntimeError("the sandbox is not running: use `with` or start()")
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def catalogue_url(self) -> str:
        """The base of catalogue requests."""
        return self.url + routing.CATALOGUE

    @property
    def download_url(self) -> str:
        """The base of downloads."""
        return self.url + routing.DOWNLOAD

    @property
    def token_url(self) -> str:
        """Where tokens are given."""
        return self.url + routing.TOKEN

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that lead satcat here, with an account that is good."""
        return {
            "CDSE_CATALOGUE_URL": self.catalogue_url,
            "CDSE_DOWNLOAD_URL": self.download_url,
            "CDSE_TOKEN_URL": self.token_url,
            "CDSE_USERNAME": "sandbox",
            "CDSE_PASSWORD": "sandbox",
        }

    def start(self) -> Self:
        """Begin to serve. Raises OSError if the port is taken."""
        if self._server is None:
            self._server = Server(self._port, self)
            self._port = self._server.server_port
            # A short poll, so that stopping takes no time.
            serve = threading.Thread(
                target=self._server.serve_forever, args=(0.02,), daemon=True, name="sandbox"
            )
            serve.start()
        return self

    def stop(self) -> None:
        """Stop serving, as an outage would; `start` goes on with the same, on the same port."""
        if self._server is not None:
            server, self._server = self._server, None
            server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
