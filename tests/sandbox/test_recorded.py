"""The sandbox's answers against recorded ones: the same keys, of the same JSON types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from satcat.sandbox import Sandbox

#: What only some recordings have: an older page writes neither.
OPTIONAL = {"GeoFootprint"}


def kind(value: object) -> str:
    return "number" if type(value) in (int, float) else type(value).__name__


def shape(value: object) -> object:
    """Keys and JSON types; lists by their first element."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return kind(value)


def load(recorded: Path, name: str) -> Any:
    return json.loads((recorded / "odata" / name).read_text())


@pytest.fixture
def ours(sandbox: Sandbox, client: Any) -> Any:
    """One product of the sandbox, expanded."""

    def get(**fields: object) -> dict[str, Any]:
        id = sandbox.catalogue.publish(**fields)
        answer: dict[str, Any] = client.catalogue(
            f"Products({id})", expand="Attributes,Assets,Locations"
        ).json()
        return answer  # fmt: skip

    return get


def test_a_sentinel_2_product_has_the_recorded_keys_and_types(recorded: Path, ours: Any) -> None:
    product = ours(product_type="S2MSI1C")
    for row in load(recorded, "eodag_sentinel2_page.json")["value"]:
        expected, found = shape(row), shape(product)
        assert isinstance(expected, dict)
        assert isinstance(found, dict)
        assert {key: found[key] for key in expected if key != "GeoFootprint"} == {
            key: expected[key] for key in expected if key != "GeoFootprint"
        }
        assert set(found) - {"@odata.context", "Locations"} == set(expected)
        assert set(product["GeoFootprint"]) == set(row["GeoFootprint"])


def test_locations_look_as_recorded(recorded: Path, ours: Any) -> None:
    notified = load(recorded, "hls_notification_created.json")["value"]
    product = ours()
    assert shape(product["Locations"]) == shape(notified["Locations"])
    assert shape(product["Assets"]) == shape(notified["Assets"])


def test_a_sentinel_2_product_carries_the_recorded_attributes(recorded: Path, ours: Any) -> None:
    notified = load(recorded, "hls_notification_created.json")["value"]
    theirs = {a["Name"]: (a["@odata.type"], a["ValueType"], kind(a["Value"]))
              for a in notified["Attributes"]}  # fmt: skip
    found = {a["Name"]: (a["@odata.type"], a["ValueType"], kind(a["Value"]))
             for a in ours(product_type="S2MSI1C")["Attributes"]}  # fmt: skip
    assert found == theirs


def test_a_sentinel_1_product_has_the_recorded_keys(recorded: Path, ours: Any) -> None:
    recorded_row = load(recorded, "eodag_sentinel1_records.json")["value"][0]
    product = ours(collection="SENTINEL-1", style="2023")
    assert set(recorded_row) <= set(product)
    names = {a["Name"] for a in product["Attributes"]}
    assert {"processing:level", "orbitDirection", "polarisationChannels", "sliceNumber"} <= names


def test_a_product_of_2023_is_written_as_recorded(recorded: Path, ours: Any) -> None:
    theirs = load(recorded, "sentinel2_2023_spelling.json")["value"][0]
    product = ours(style="2023")
    product["Checksum"] = []  # that product had none
    for key in set(theirs) - {"Attributes"}:
        assert shape(product[key]) == shape(theirs[key]), key
        if key.endswith("Date"):
            assert len(str(product[key])) == len(str(theirs[key])), key
    spelt = {a["Name"] for a in product["Attributes"]}
    assert spelt >= {a["Name"] for a in theirs["Attributes"]} - {"orbitDirection"}


def test_a_deletion_has_the_documented_keys(recorded: Path, sandbox: Sandbox, client: Any) -> None:
    text = (recorded / "odata" / "Subscriptions.blocks.json").read_text()
    documented = {
        "DeletionDate",
        "DeletionCause",
        "OriginDate",
        "Checksum",
        "Footprint",
        "ContentDate",
    }
    assert all(f'\\"{key}\\"' in text for key in documented)
    id = sandbox.catalogue.publish()
    sandbox.catalogue.delete(id)
    entry = client.catalogue(f"DeletedProducts({id})", expand="Attributes").json()
    assert entry["@odata.context"] == "$metadata#DeletedProducts(Attributes())/$entity"
    assert documented | {"Id", "Name", "ContentType", "ContentLength", "GeoFootprint"} <= set(entry)
    absent = {"PublicationDate", "ModificationDate", "Online", "EvictionDate", "S3Path"}
    assert not absent & set(entry)


def test_refusals_of_the_download_host_have_the_recorded_codes(
    recorded: Path, sandbox: Sandbox, client: Any
) -> None:
    errors = json.loads((recorded / "errors" / "download_host_errors.json").read_text())
    known = {(e["http"], e["body"]["code"]) for e in errors}
    id = sandbox.catalogue.publish()
    token = client.token().json()["access_token"]
    seen = []
    for path, given in [(f"Products({id})/$value", ""), ("Products(nonsense)/$value", token),
                        (f"Products({id})/Nodes('quoted')/Nodes", "")]:  # fmt: skip
        answer = client.download(path, given)
        seen.append((answer.status_code, answer.json()["code"]))
    assert seen == [(401, "DAT-ZIP-604"), (422, "DAT-ZIP-111"), (400, "DAT-ZIP-104")]
    assert set(seen) <= known
