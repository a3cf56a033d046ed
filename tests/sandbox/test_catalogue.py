"""The catalogue's mutations, also while it is being read."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from satcat.sandbox import Sandbox

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def test_a_product_is_published_now_with_what_is_given(sandbox: Sandbox) -> None:
    before = sandbox.clock.now()
    id = sandbox.catalogue.publish(
        tile_id="31TCG", sensing_start="2024-06-15T11:06:19.024Z", level="L1C", platform="S2A",
        relative_orbit=51, cloud_cover=7.5,
    )  # fmt: skip
    record = sandbox.catalogue.products[id]
    assert record.name.startswith("S2A_MSIL1C_20240615T110619_N0510_R051_T31TCG_20240615T")
    assert record.product_type == "S2MSI1C"
    assert (
        record.sensing_end == record.sensing_start == datetime(2024, 6, 15, 11, 6, 19, 24000, UTC)
    )
    assert record.cloud_cover == 7.5
    assert before <= record.publication_date == record.modification_date <= sandbox.clock.now()
    assert record.origin_date < record.publication_date


@pytest.mark.parametrize("collection", ["SENTINEL-1", "SENTINEL-2", "SENTINEL-3", "SENTINEL-5P"])
def test_many_products_share_what_is_given(sandbox: Sandbox, collection: str) -> None:
    ids = sandbox.catalogue.publish_random(
        60, collection, publication_date="2024-06-01", sensing_start="2024-05-01T10:00:00Z"
    )
    records = [sandbox.catalogue.products[id] for id in ids]
    assert len(set(ids)) == 60
    assert {record.collection for record in records} == {collection}
    assert {record.publication_date for record in records} == {datetime(2024, 6, 1, tzinfo=UTC)}
    assert len({record.sensing_start for record in records}) == 1


def test_a_record_can_be_published_as_it_is(sandbox: Sandbox) -> None:
    record = sandbox.catalogue.products[sandbox.catalogue.publish()]
    with Sandbox(products=0) as other:
        assert other.catalogue.publish(record) == record.id
        assert other.catalogue.products[record.id] is record
        with pytest.raises(ValueError, match="listed already"):
            other.catalogue.publish(record)


def test_an_unknown_field_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(TypeError, match="colour"):
        sandbox.catalogue.publish(colour="red")
    id = sandbox.catalogue.publish()
    with pytest.raises(TypeError):
        sandbox.catalogue.modify(id, colour="red")
    with pytest.raises(KeyError):
        sandbox.catalogue.modify(UNKNOWN, cloud_cover=1.0)


def test_a_modification_is_dated_unless_told_not_to_be(sandbox: Sandbox, client: Any) -> None:
    id = sandbox.catalogue.publish(publication_date="2024-06-01", cloud_cover=5.0)
    old = sandbox.catalogue.products[id].modification_date
    sandbox.catalogue.modify(id, touch=False, cloud_cover=6.0)
    assert sandbox.catalogue.products[id].modification_date == old
    sandbox.catalogue.modify(id, sensing_start="2024-01-01")
    assert sandbox.catalogue.products[id].modification_date > old
    moved = client.names(filter="ContentDate/Start lt 2024-01-02", orderby="ContentDate/Start")
    assert moved == [sandbox.catalogue.products[id].name]
    sandbox.catalogue.modify(id, modification_date="2024-07-01")
    assert sandbox.catalogue.products[id].modification_date == datetime(2024, 7, 1, tzinfo=UTC)


def test_a_deleted_product_leaves_an_entry_unless_told_not_to(sandbox: Sandbox) -> None:
    first, second = sandbox.catalogue.publish_random(2)
    sandbox.catalogue.delete(first, "Other")
    sandbox.catalogue.delete(second, record=False)
    assert not sandbox.catalogue.products
    assert [entry.cause for entry in sandbox.catalogue.deleted.values()] == ["Other"]


def test_a_restored_product_keeps_its_entry(sandbox: Sandbox, client: Any) -> None:
    id = sandbox.catalogue.publish(publication_date="2024-06-01")
    before = sandbox.catalogue.products[id]
    sandbox.catalogue.delete(id)
    sandbox.catalogue.restore(id)
    after = sandbox.catalogue.products[id]
    assert after.modification_date > sandbox.catalogue.deleted[id].deletion_date
    assert after.publication_date == before.publication_date
    sandbox.catalogue.delete(id, "Again")
    sandbox.catalogue.restore(id, touch=False)
    rows = client.catalogue("DeletedProducts", orderby="DeletionDate").json()["value"]
    assert [row["DeletionCause"] for row in rows] == ["Again"]
    assert client.catalogue(f"Products({id})").status_code == 200


def test_an_evicted_product_goes_without_a_word(sandbox: Sandbox, client: Any) -> None:
    id = sandbox.catalogue.publish()
    sandbox.catalogue.evict(id)
    assert client.catalogue(f"Products({id})").status_code == 404
    assert client.catalogue("DeletedProducts").json()["value"] == []


def test_a_product_taken_offline_stays_listed(sandbox: Sandbox, client: Any) -> None:
    id = sandbox.catalogue.publish()
    sandbox.catalogue.take_offline(id)
    assert client.products(filter="Online eq false").json()["value"][0]["Id"] == id


def test_a_snapshot_does_not_move(sandbox: Sandbox) -> None:
    id = sandbox.catalogue.publish(cloud_cover=1.0)
    before = sandbox.catalogue.snapshot()
    sandbox.catalogue.modify(id, cloud_cover=2.0)
    sandbox.catalogue.delete(id)
    assert before.products[id].cloud_cover == 1.0
    assert not before.deleted


def test_readers_see_whole_states_while_others_write(sandbox: Sandbox, client: Any) -> None:
    ids = sandbox.catalogue.publish_random(200)
    done = threading.Event()

    def churn() -> None:
        while not done.is_set():
            for id in ids[:100]:
                sandbox.catalogue.delete(id, record=False)
                sandbox.catalogue.restore(id)

    writer = threading.Thread(target=churn)
    writer.start()
    try:
        for _ in range(30):
            page = client.products(orderby="ModificationDate", count="true", top=1000).json()
            listed = [row["Id"] for row in page["value"]]
            assert len(listed) == len(set(listed)) == page["@odata.count"]
            assert len(listed) in (199, 200)
            dates = [row["ModificationDate"] for row in page["value"]]
            assert dates == sorted(dates)
    finally:
        done.set()
        writer.join()


def test_a_stopped_sandbox_comes_back_as_it_was(sandbox: Sandbox, client: Any) -> None:
    sandbox.catalogue.publish()
    url = sandbox.url
    assert len(client.names()) == 1
    sandbox.stop()
    with pytest.raises(RuntimeError, match="not running"):
        _ = sandbox.url
    with pytest.raises(OSError):
        client.session.get(f"{url}/odata/v1/Products", timeout=5)
    sandbox.start()
    assert sandbox.url == url
    assert len(client.names()) == 1


def test_the_environment_names_every_endpoint(sandbox: Sandbox, client: Any) -> None:
    environment = sandbox.environment
    id = sandbox.catalogue.publish()
    form = {"client_id": "cdse-public", "grant_type": "password",
            "username": environment["CDSE_USERNAME"], "password": environment["CDSE_PASSWORD"]}  # fmt: skip
    token = client.session.post(environment["CDSE_TOKEN_URL"], data=form, timeout=30).json()
    listed = client.session.get(f"{environment['CDSE_CATALOGUE_URL']}/Products", timeout=30).json()
    assert [row["Id"] for row in listed["value"]] == [id]
    answer = client.session.get(
        f"{environment['CDSE_DOWNLOAD_URL']}/Products({id})/$value",
        headers={"Authorization": f"Bearer {token['access_token']}"}, timeout=30,
    )  # fmt: skip
    assert answer.status_code == 200


def test_a_clock_can_be_set() -> None:
    sandbox = Sandbox(products=0, now="2024-07-01T12:00:00Z")
    published = sandbox.catalogue.products[sandbox.catalogue.publish()].publication_date
    assert timedelta() <= published - datetime(2024, 7, 1, 12, tzinfo=UTC) < timedelta(seconds=30)
