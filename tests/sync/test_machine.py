"""The server changes, fails and lies; the sync is killed; and when all is quiet the catalogue equals the truth.

Hypothesis makes up what happens. The long form (`-m long`) plays many more and longer stories.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from satcat.database import Database
from satcat.sandbox import REMOVED, Sandbox
from satcat.sync.engine import sync
from satcat.sync.report import SyncOptions
from satcat.sync.verify import verify
from tests.engines import Catalogues, Files

from .conftest import ALL, NOW, mirrored, source_of, truth
from .crashing import sync_and_die
from .test_dense import check_polite

#: Few instants, so that products share them.
SENSED = st.sampled_from(
    [f"2024-06-{day:02d}T10:00:00Z" for day in (1, 10, 20, 30)] + ["2024-07-05T10:00:00Z"]
)
CLOUDS = st.floats(0, 100, allow_nan=False).map(lambda x: round(x, 2))
#: Faults that a sync gets over, and the requests they strike.
FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("status", {"status": 429, "retry_after": 0}), ("status", {"status": 503}), ("status", {"status": 500}),
    ("html", {}), ("reset", {}), ("cut", {"after": 50}), ("truncated", {}), ("slow", {"seconds": 0.02}),
    ("count", {"by": 2}), ("count", {"by": -1}), ("short", {"rows": 2, "next_link": False}), ("short", {"rows": 1}),
    ("empty", {}), ("shuffled", {}), ("duplicated", {}), ("no_date", {}), ("skew", {"seconds": 200}),
    ("redirect", {}),
]  # fmt: skip
PLACES = st.sampled_from(["", "$expand", "$select", "DeletedProducts", "$count", "Products("])


class MirrorMachine(RuleBasedStateMachine):
    """A server, what happens to it, and one catalogue that follows it."""

    catalogues: ClassVar[Catalogues]

    @initialize(first=st.integers(0, 12))
    def begin(self, first: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.address = self.catalogues.new(Path(self.folder.name) / "satcat.db")
        self.sandbox = Sandbox(products=0, now=NOW).start()
        self.urls = {
            "catalogue_url": self.sandbox.catalogue_url,
            "download_url": self.sandbox.download_url,
            "token_url": self.sandbox.token_url,
        }
        self.gone: list[str] = []
        self.publish(first, "2024-06-10T10:00:00Z", late=True)

    def teardown(self) -> None:
        if hasattr(self, "sandbox"):
            try:
                self.be_quiet_and_compare()  # every story ends so
            finally:
                self.sandbox.stop()
                self.catalogues.drop(self.address)
                self.folder.cleanup()

    def some(self, n: int) -> str | None:
        """One of the products that are listed."""
        listed = sorted(self.sandbox.catalogue.products)
        return listed[n % len(listed)] if listed else None

    # What happens at the server -------------------------------------------------------------------

    @rule(n=st.integers(1, 5), sensed=SENSED, late=st.booleans())
    def publish(self, n: int, sensed: str, late: bool) -> None:
        """Products appear; late ones with a publication date that was swept long ago."""
        dates = {
            "publication_date": "2024-06-29T00:00:00Z",
            "modification_date": "2024-06-29T00:00:00Z",
        }
        self.sandbox.catalogue.publish_random(
            n, sensing_start=sensed, sensing_end=sensed, **(dates if late else {})
        )

    @rule(which=st.integers(0, 99), cloud=CLOUDS, touch=st.booleans(), online=st.booleans())
    def modify(self, which: int, cloud: float, touch: bool, online: bool) -> None:
        if (product := self.some(which)) and touch:
            self.sandbox.catalogue.modify(product, cloud_cover=cloud, online=online)

    @rule(which=st.integers(0, 99), sensed=SENSED)
    def move(self, which: int, sensed: str) -> None:
        if product := self.some(which):
            self.sandbox.catalogue.modify(product, sensing_start=sensed, sensing_end=sensed)

    @rule(which=st.integers(0, 99), record=st.booleans())
    def delete(self, which: int, record: bool) -> None:
        if product := self.some(which):
            self.sandbox.catalogue.delete(product, record=record)
            self.gone.append(product)

    @rule(touch=st.booleans())
    def restore(self, touch: bool) -> None:
        if self.gone:
            self.sandbox.catalogue.restore(self.gone.pop(), touch=touch)

    @rule(which=st.integers(0, 99), fill=st.booleans())
    def checksum(self, which: int, fill: bool) -> None:
        if product := self.some(which):
            if fill:
                self.sandbox.catalogue.fill_checksum(product)
            else:
                self.sandbox.catalogue.modify(product, checksums="late")

    @rule(which=st.integers(0, 99), mend=st.booleans())
    def break_record(self, which: int, mend: bool) -> None:
        if product := self.some(which):
            self.sandbox.catalogue.modify(product, wire=None if mend else {"Name": REMOVED})

    @rule(seconds=st.sampled_from([1, 60, 1800, 7200, 90_000]))
    def wait(self, seconds: int) -> None:
        self.sandbox.clock.advance(seconds)

    @rule(fault=st.sampled_from(FAULTS), n=st.integers(1, 3), match=PLACES)
    def fail(self, fault: tuple[str, dict[str, Any]], n: int, match: str) -> None:
        kind, options = fault
        self.sandbox.faults.next(kind, n=n, match=match, **options)

    @rule()
    def answer_from_the_past(self) -> None:
        self.sandbox.faults.next(
            "stale", match="$select", snapshot=self.sandbox.catalogue.snapshot()
        )

    @rule(
        which=st.integers(0, 99), match=PLACES, how=st.sampled_from(["publish", "delete", "modify"])
    )
    def change_during_paging(self, which: int, match: str, how: str) -> None:
        def change(_: object) -> None:
            if how == "publish":
                self.sandbox.catalogue.publish_random(1, sensing_start="2024-06-20T10:00:00Z")
            elif product := self.some(which):
                if how == "delete":
                    self.sandbox.catalogue.delete(product)
                else:
                    self.sandbox.catalogue.modify(product, cloud_cover=12.5)

        self.sandbox.faults.on_request(change, match=match)

    # What the catalogue does ----------------------------------------------------------------------

    @rule()
    def sync(self) -> None:
        """Whatever comes of it."""
        self._sync()

    @rule(transaction=st.integers(1, 14), before=st.booleans())
    def sync_and_be_killed(self, transaction: int, before: bool) -> None:
        code = sync_and_die(
            self.address, self.urls, ALL, transaction=transaction, before_commit=before
        )
        assert code in (0, -9)

    @rule()
    def be_quiet_and_compare(self) -> None:
        """No more faults, every record right, everything listed again: then nothing may differ."""
        self.sandbox.faults.clear()
        for product, record in list(self.sandbox.catalogue.products.items()):
            if record.wire is not None:
                self.sandbox.catalogue.modify(product, wire=None)
        self.sandbox.clock.advance(60)
        for _ in range(3):
            report = self._sync()
        assert report.exit_code == 0, report
        with Database.open(self.address) as database:
            assert mirrored(database) == truth(self.sandbox)
            api = source_of(self.sandbox)
            shown = verify(database, api)
            api.close()
            assert shown.exit_code == 0, shown

    def _sync(self) -> Any:
        api = source_of(self.sandbox)
        with Database.open(self.address) as database:
            report = sync(database, api, ALL, options=SyncOptions(recheck=100, yes=True))
        api.close()
        return report

    @invariant()
    def the_server_was_asked_politely(self) -> None:
        if hasattr(self, "sandbox") and len(self.sandbox.log):
            unfit = {r.status for r in self.sandbox.log} & {400, 422}
            assert not unfit
            assert self.sandbox.log.max_concurrent <= 4


def play(catalogues: Catalogues, examples: int, steps: int) -> None:
    machine = type("Machine", (MirrorMachine,), {"catalogues": catalogues})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )


def test_the_mirror_equals_the_truth_once_things_are_quiet(catalogues):
    play(catalogues, examples=12 if isinstance(catalogues, Files) else 4, steps=20)


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_the_mirror_equals_the_truth_after_long_stories(catalogues):
    play(catalogues, examples=300, steps=50)


def test_the_log_is_checked_for_politeness_at_all(database, sandbox, api):
    sync(database, api, ALL)
    check_polite(sandbox)
