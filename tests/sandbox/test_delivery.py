"""Downloads: tokens, slots, ranges, and the lists of what is in a package."""

from __future__ import annotations

import hashlib
import io
import threading
import time
import zipfile
from typing import Any

import pytest
import requests

from satcat.sandbox import Sandbox

UNKNOWN = "00000000-0000-4000-8000-000000000000"


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"].removeprefix("DAT-ZIP-")


def test_a_download_is_what_the_listing_promised(sandbox: Sandbox, client: Any) -> None:
    id = sandbox.catalogue.publish()
    row = client.products().json()["value"][0]
    answer = client.download(f"Products({id})/$value")
    assert answer.status_code == 200
    assert len(answer.content) == int(answer.headers["Content-Length"]) == row["ContentLength"]
    sums = {c["Algorithm"]: c["Value"] for c in row["Checksum"]}
    assert hashlib.md5(answer.content).hexdigest() == sums["MD5"]
    name = row["Name"].removesuffix(".SAFE") + ".zip"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None


def test_a_single_file_comes_as_itself(sandbox: Sandbox, client: Any) -> None:
    id = sandbox.catalogue.publish(collection="SENTINEL-5P")
    answer = client.download(f"Products({id})/$value")
    assert (
        f'filename="{sandbox.catalogue.products[id].name}"' in answer.headers["Content-Disposition"]
    )
    assert not answer.content.startswith(b"PK")


def test_what_cannot_be_had_is_refused_with_its_code(sandbox: Sandbox, client: Any) -> None:
    id = sandbox.catalogue.publish()
    path = f"Products({id})/$value"
    assert code(client.download(path, token="")) == (401, "604")
    assert code(client.download(path, token="made-up")) == (401, "604")
    assert code(client.download("Products(nonsense)/$value")) == (422, "111")
    assert code(client.download(f"Products({UNKNOWN})/$value")) == (404, "101")
    sandbox.catalogue.take_offline(id)
    assert client.download(path).status_code == 422
    assert "offline" in client.download(path).json()["message"]


def test_a_token_that_has_expired_is_refused(sandbox: Sandbox, client: Any) -> None:
    path = f"Products({sandbox.catalogue.publish()})/$value"
    token = client.token().json()["access_token"]
    assert client.download(path, token).status_code == 200
    sandbox.clock.advance(601)
    assert code(client.download(path, token)) == (401, "109")


def test_the_catalogue_host_sends_downloads_to_another_host(sandbox: Sandbox, client: Any) -> None:
    id = sandbox.catalogue.publish()
    token = client.token().json()["access_token"]
    url = f"{sandbox.catalogue_url}/Products({id})/$value"
    headers = {"Authorization": f"Bearer {token}"}
    answer = client.session.get(url, headers=headers, timeout=30, allow_redirects=False)
    assert answer.status_code == 301
    assert answer.headers["Location"].startswith("http://localhost:")
    followed = client.session.get(url, headers=headers, timeout=30)
    assert code(followed) == (401, "604")


def test_a_fifth_download_at_once_is_refused(sandbox: Sandbox, client: Any) -> None:
    path = f"Products({sandbox.catalogue.publish(size_bytes=30_000_000)})/$value"
    token = client.token().json()["access_token"]
    open_ones = [client.download(path, token, stream=True) for _ in range(4)]
    assert [answer.status_code for answer in open_ones] == [200] * 4
    assert code(client.download(path, token)) == (429, "100")
    other = client.token(username="somebody else").json()["access_token"]
    assert client.download(path, other, stream=True).status_code == 200
    assert len(open_ones[0].content) == 30_000_000
    assert client.download(path, token, stream=True).status_code == 200
    assert sandbox.log.peak("$value") >= 5
    for answer in open_ones:
        answer.close()


def test_a_slot_is_freed_with_a_delay_if_so_set(sandbox: Sandbox, client: Any) -> None:
    sandbox.settings.slots, sandbox.settings.slot_delay = 1, 0.3
    path = f"Products({sandbox.catalogue.publish()})/$value"
    token = client.token().json()["access_token"]
    assert client.download(path, token).status_code == 200
    assert client.download(path, token).status_code == 429
    time.sleep(0.35)
    assert client.download(path, token).status_code == 200


def test_a_client_that_goes_away_frees_its_slot(sandbox: Sandbox, client: Any) -> None:
    sandbox.settings.slots = 1
    path = f"Products({sandbox.catalogue.publish(size_bytes=30_000_000)})/$value"
    token = client.token().json()["access_token"]
    client.download(path, token, stream=True).close()
    deadline = time.monotonic() + 10
    while client.download(path, token, stream=True).status_code == 429:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_rate_slows_a_download(sandbox: Sandbox, client: Any) -> None:
    sandbox.settings.rate = 100_000
    path = f"Products({sandbox.catalogue.publish(size_bytes=30_000)})/$value"
    started = time.monotonic()
    assert len(client.download(path).content) == 30_000
    assert time.monotonic() - started > 0.25


@pytest.mark.parametrize(
    ("mode", "collection", "status"),
    [
        ("cdse", "SENTINEL-2", 200),
        ("cdse", "SENTINEL-5P", 206),
        ("honour", "SENTINEL-5P", 206),
        ("ignore", "SENTINEL-5P", 200),
    ],
)
def test_a_range_is_honoured_or_ignored(
    sandbox: Sandbox, client: Any, mode: Any, collection: str, status: int
) -> None:
    sandbox.settings.ranges = mode
    path = f"Products({sandbox.catalogue.publish(collection=collection, size_bytes=9000)})/$value"
    whole = client.download(path)
    assert whole.status_code == 200
    part = client.download(path, Range="bytes=1000-", If_Range=whole.headers["ETag"])
    assert part.status_code == status
    assert part.content == (whole.content[1000:] if status == 206 else whole.content)
    expected = "bytes 1000-8999/9000" if status == 206 else None
    assert part.headers.get("Content-Range") == expected
    assert sandbox.log[-1].range == "bytes=1000-"


def test_a_range_of_another_version_gives_the_whole(sandbox: Sandbox, client: Any) -> None:
    sandbox.settings.ranges = "honour"
    path = f"Products({sandbox.catalogue.publish(size_bytes=9000)})/$value"
    answer = client.download(path, Range="bytes=1000-", If_Range='"other"')
    assert (answer.status_code, len(answer.content)) == (200, 9000)
    middle = client.download(path, Range="bytes=10-19")
    assert (middle.status_code, len(middle.content)) == (206, 10)


def test_a_range_past_the_end_is_416(sandbox: Sandbox, client: Any) -> None:
    sandbox.settings.ranges = "honour"
    path = f"Products({sandbox.catalogue.publish(size_bytes=9000)})/$value"
    token = client.token().json()["access_token"]
    sandbox.settings.slots = 1
    for _ in range(2):  # a refusal holds no slot
        answer = client.download(path, token, Range="bytes=9000-")
        assert answer.status_code == 416
        assert answer.headers["Content-Range"] == "bytes */9000"


def test_a_corrupt_package_differs_from_its_checksum(sandbox: Sandbox, client: Any) -> None:
    id = sandbox.catalogue.publish()
    path = f"Products({id})/$value"
    good = client.download(path).content
    sandbox.catalogue.corrupt(id)
    bad = client.download(path).content
    assert len(bad) == len(good)
    assert bad != good
    md5 = client.catalogue(f"Products({id})").json()["Checksum"][0]["Value"]
    assert md5 == hashlib.md5(good).hexdigest()


def test_stale_checksums_end_with_a_modification(sandbox: Sandbox, client: Any) -> None:
    id = sandbox.catalogue.publish()

    def checksum() -> str:
        return str(client.catalogue(f"Products({id})").json()["Checksum"][0]["Value"])

    right = checksum()
    sandbox.catalogue.stale_checksum(id)
    assert checksum() != right
    sandbox.catalogue.modify(id, cloud_cover=1.0)
    assert checksum() == right


def test_late_checksums_come_with_a_modification(sandbox: Sandbox, client: Any) -> None:
    id = sandbox.catalogue.publish(publication_date="2024-06-01")
    sandbox.catalogue.late_checksum(id)
    row = client.catalogue(f"Products({id})").json()
    assert (row["Checksum"], row["ContentLength"]) == ([], 0)
    sandbox.catalogue.fill_checksum(id)
    filled = client.catalogue(f"Products({id})").json()
    assert len(filled["Checksum"]) == 2
    assert filled["ContentLength"] > 0
    assert filled["ModificationDate"] > row["ModificationDate"]


def test_restless_checksums_are_others_in_each_answer(sandbox: Sandbox, client: Any) -> None:
    id = sandbox.catalogue.publish()
    sandbox.catalogue.restless_checksum(id)
    said = [client.catalogue(f"Products({id})").json()["Checksum"][1]["Value"] for _ in range(3)]
    assert len(set(said)) == 3 and all(len(value) == 64 for value in said)


def test_a_replaced_product_keeps_its_id_and_has_other_bytes(sandbox: Sandbox, client: Any) -> None:
    id = sandbox.catalogue.publish(publication_date="2024-06-01")

    def look() -> tuple[Any, bytes]:
        row = client.catalogue(f"Products({id})").json()
        return row, client.download(f"Products({id})/$value").content

    old, before = look()
    sandbox.catalogue.replace(id)
    new, after = look()
    assert (new["Name"], new["ContentLength"]) == (old["Name"], old["ContentLength"])
    assert new["ModificationDate"] > old["ModificationDate"]
    for row, content in ((old, before), (new, after)):
        assert row["Checksum"][0]["Value"] == hashlib.md5(content).hexdigest()
    assert zipfile.ZipFile(io.BytesIO(after)).testzip() is None
    assert sum(a == b for a, b in zip(before, after, strict=True)) < len(before) / 2


@pytest.mark.parametrize(
    ("suffix", "head"),
    [("nc", b"\x89HDF"), ("EOF", b"<?xml"), ("tgz", b"\x1f\x8b"), ("tar", b"\0" * 257 + b"ustar")],
)
def test_a_single_file_begins_as_its_kind_does(
    sandbox: Sandbox, client: Any, suffix: str, head: bytes
) -> None:
    id = sandbox.catalogue.publish(collection="SENTINEL-5P", name=f"AUX.{suffix}", size_bytes=900)
    answer = client.download(f"Products({id})/$value")
    assert answer.content.startswith(head) and len(answer.content) == 900
    assert f'"AUX.{suffix}"' in answer.headers["Content-Disposition"]


def test_beyond_the_quota_there_is_one_slow_connection_until_a_month_has_passed(
    sandbox: Sandbox, client: Any
) -> None:
    sandbox.settings.quota_bytes, sandbox.settings.quota_rate = 50_000, 200_000
    path = f"Products({sandbox.catalogue.publish(size_bytes=40_000)})/$value"
    token = client.token().json()["access_token"]
    for _ in range(2):  # the second goes beyond, and is not cut
        assert len(client.download(path, token).content) == 40_000
    started = time.monotonic()
    slow = client.download(path, token, stream=True)
    assert code(client.download(path, token)) == (429, "100")
    assert len(slow.content) == 40_000
    assert time.monotonic() - started > 0.15
    other = client.token(username="somebody else").json()["access_token"]
    both = [client.download(path, other, stream=True) for _ in range(2)]
    assert [len(answer.content) for answer in both] == [40_000] * 2
    sandbox.clock.advance(30 * 86_400)
    token = client.token().json()["access_token"]
    both = [client.download(path, token, stream=True) for _ in range(2)]
    assert [len(answer.content) for answer in both] == [40_000] * 2


def test_a_download_may_be_sent_on_by_a_link_that_needs_no_token(
    sandbox: Sandbox, client: Any
) -> None:
    id = sandbox.catalogue.publish()
    with Sandbox(products=0) as store:
        store.settings.signed_links = True
        store.catalogue.add([sandbox.catalogue.products[id]])
        path = f"Products({id})/$value"
        straight = client.download(path).content
        sandbox.settings.redirect_to = store.download_url
        assert client.download(path, token="").status_code == 401
        assert client.download(path).content == straight
        assert (store.log[0].authorised, store.log[0].host) == (False, store.url[7:])
        assert store.log[0].query["signature"]
        refused = client.session.get(
            f"{store.download_url}/{path}", headers={"Authorization": "Bearer x"}, timeout=30
        )
        assert refused.status_code == 400 and store.log[1].authorised


@pytest.mark.parametrize("after", [None, 5000])
def test_a_download_may_come_in_chunks(sandbox: Sandbox, client: Any, after: int | None) -> None:
    sandbox.settings.chunked = True
    path = f"Products({sandbox.catalogue.publish(size_bytes=200_000)})/$value"
    if after:
        sandbox.faults.next("truncated", match="$value", after=after)
    answer = client.download(path)
    assert answer.headers["Transfer-Encoding"] == "chunked"
    assert "Content-Length" not in answer.headers
    assert len(answer.content) == (after or 200_000)
    sandbox.faults.next("cut", match="$value", after=5000)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        client.download(path)


def test_a_product_may_come_without_an_etag(sandbox: Sandbox, client: Any) -> None:
    sandbox.settings.etags = False
    answer = client.download(f"Products({sandbox.catalogue.publish()})/$value")
    assert answer.status_code == 200 and "ETag" not in answer.headers


def test_logins_are_counted_and_limited(sandbox: Sandbox, client: Any) -> None:
    sandbox.settings.sessions = 2
    first = client.token().json()
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    answers = [client.token(), client.token(**refresh), client.token()]
    assert [answer.status_code for answer in answers] == [200, 200, 401]
    assert sandbox.accounts.logins == 2
    sandbox.clock.advance(3601)
    assert client.token().status_code == 200
    assert sandbox.accounts.logins == 3


def test_nodes_lead_to_every_file_of_a_package(sandbox: Sandbox, client: Any) -> None:
    id = sandbox.catalogue.publish()
    token = client.token().json()["access_token"]
    package = zipfile.ZipFile(io.BytesIO(client.download(f"Products({id})/$value", token).content))
    files = {}

    def walk(path: str, names: tuple[str, ...]) -> None:
        for node in client.download(f"{path}/Nodes", token="").json()["result"]:
            child = f"{path}/Nodes({node['Name']})"
            assert node["Nodes"]["uri"] == f"{sandbox.download_url}/{child}/Nodes"
            if node["ChildrenNumber"]:
                assert node["ContentLength"] == 0
                walk(child, (*names, node["Name"]))
            else:
                content = client.download(f"{child}/$value", token).content
                assert len(content) == node["ContentLength"]
                files["/".join((*names, node["Name"]))] = content

    walk(f"Products({id})", ())
    assert files == {name: package.read(name) for name in package.namelist()}


def test_nodes_that_are_not_there_are_refused(sandbox: Sandbox, client: Any) -> None:
    id = sandbox.catalogue.publish()
    assert client.download(f"Products({id})/Nodes(x)/Nodes").status_code == 404
    assert client.download(f"Products({id})/Nodes(x)/$value").status_code == 404
    assert code(client.download(f"Products({id})/Nodes('x')/Nodes")) == (400, "104")


def test_downloads_at_once_are_seen_in_the_log(sandbox: Sandbox, client: Any) -> None:
    sandbox.settings.rate = 100_000
    path = f"Products({sandbox.catalogue.publish(size_bytes=20_000)})/$value"
    token = client.token().json()["access_token"]
    sandbox.log.clear()
    threads = [threading.Thread(target=client.download, args=(path, token)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    client.download(path, token)
    assert len(sandbox.log) == 4
    assert sandbox.log.max_concurrent == 3
