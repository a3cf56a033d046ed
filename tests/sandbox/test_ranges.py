"""What becomes of a `Range` header: the honest ways and the lies, as a plain client meets them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satcat.sandbox import Sandbox
from satcat.sandbox.ranges import Ranges, part
from satcat.sandbox.responses import Refusal

SIZE = 9000


@pytest.mark.parametrize(
    ("mode", "status", "said", "sent"),
    [
        ("honour", 206, "bytes 100-{last}/{size}", slice(100, None)),
        ("unconditional", 206, "bytes 100-{last}/{size}", slice(100, None)),
        ("ignore", 200, None, slice(None)),
        ("cdse", 200, None, slice(None)),
        ("claim", 200, None, slice(None)),
        ("wrong", 206, "bytes 0-{last}/{size}", slice(None)),
        ("shifted", 206, "bytes 101-{last}/{size}", slice(101, None)),
        ("bare", 206, None, slice(100, None)),
        ("whole", 206, "bytes 100-{last}/{size}", slice(None)),
        ("elsewhere", 206, "bytes 100-{last}/{size}", slice(-100)),
        ("refuse", 416, "bytes */{size}", slice(0)),
    ],
)
@pytest.mark.parametrize("node", [False, True], ids=["product", "node"])
def test_each_way_to_answer_a_range(
    sandbox: Sandbox, client: Any, mode: Ranges, status: int, said: str | None, sent: slice,
    node: bool,
) -> None:  # fmt: skip
    path = f"Products({sandbox.catalogue.publish(size_bytes=SIZE)})"
    for _ in range(2 * node):  # the folder, then the manifest in it
        path += f"/Nodes({client.download(f'{path}/Nodes').json()['result'][0]['Name']})"
    whole = client.download(f"{path}/$value").content
    sandbox.settings.ranges = mode
    answer = client.download(f"{path}/$value", Range="bytes=100-")
    said = said and said.format(size=len(whole), last=len(whole) - 1)
    assert (answer.status_code, answer.headers.get("Content-Range")) == (status, said)
    assert answer.content == whole[sent]
    assert ("Accept-Ranges" in answer.headers) == (mode == "claim")


@pytest.mark.parametrize(("mode", "status"), [("honour", 200), ("unconditional", 206)])
def test_a_replaced_product_gives_no_tail_unless_the_source_does_not_care(
    sandbox: Sandbox, client: Any, mode: Ranges, status: int
) -> None:
    id = sandbox.catalogue.publish(size_bytes=SIZE)
    sandbox.settings.ranges = mode
    old = client.download(f"Products({id})/$value")
    sandbox.catalogue.replace(id)
    answer = client.download(
        f"Products({id})/$value", Range="bytes=1000-", If_Range=old.headers["ETag"]
    )
    assert answer.status_code == status
    assert answer.content[-7000:-500] != old.content[-7000:-500]


@given(
    mode=st.sampled_from(get_args(Ranges)), size=st.integers(1, 50), start=st.integers(0, 60),
    last=st.none() | st.integers(0, 60),
)  # fmt: skip
def test_whatever_is_asked_for_only_bytes_of_the_file_are_sent(
    mode: Ranges, size: int, start: int, last: int | None
) -> None:
    asked = {"Range": f"bytes={start}-{'' if last is None else last}"}
    with suppress(Refusal):
        found = part(mode, asked, '"x"', size)
        assert 0 <= found.start <= found.stop <= size
        if found.status == 200:
            assert (found.start, found.stop) == (0, size)
        if mode == "honour":
            assert found.start == start
            assert found.stop == (size if last is None else min(size, last + 1))
