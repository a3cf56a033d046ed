"""The digest of a listing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from satcat.sync.ledger import Tally

IDS = st.lists(st.text(min_size=1, max_size=8), max_size=30)


@given(IDS, st.randoms(use_true_random=False))
def test_a_digest_does_not_depend_on_the_order(ids, chance):
    shuffled = list(ids)
    chance.shuffle(shuffled)
    assert Tally.of(shuffled) == Tally.of(ids)


@given(IDS, IDS)
def test_a_digest_can_be_carried_on_from_page_to_page(first, second):
    stored = Tally.of(first)
    assert Tally.read(stored.count, stored.digest) + Tally.of(second) == Tally.of(first + second)


@given(st.sets(st.text(min_size=1, max_size=8)), st.sets(st.text(min_size=1, max_size=8)))
def test_different_ids_have_different_digests(first, second):
    assert (Tally.of(first).digest == Tally.of(second).digest) == (first == second)


def test_an_id_listed_twice_shows():
    assert Tally.of(["a", "b", "b"]).digest != Tally.of(["a"]).digest
    assert Tally.of(["a", "a"]).digest != Tally().digest
