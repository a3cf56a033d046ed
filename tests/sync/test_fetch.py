"""Fetching in threads for one thread that handles."""

from __future__ import annotations

import threading
import time

import pytest

from satcat.sync.fetch import Fetchers


def test_items_of_one_task_come_in_order_and_every_task_is_done():
    with Fetchers(4, lambda task: iter(range(task))) as fetchers:
        for task in range(20):
            fetchers.put(task)
        got: dict[int, list[int]] = {}
        for fetched in fetchers.results():
            got.setdefault(fetched.task, []).append(fetched.item)
    assert got == {task: list(range(task)) for task in range(1, 20)}


def test_an_error_in_a_listing_is_raised_where_items_are_handled():
    def listing(task):
        yield 1
        raise ValueError(task)

    with pytest.raises(ValueError, match="7"), Fetchers(2, listing) as fetchers:
        fetchers.put(7)
        list(fetchers.results())


def test_no_more_listings_run_at_once_than_there_are_threads():
    running, most, lock = [0], [0], threading.Lock()

    def listing(task):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1
        yield task

    with Fetchers(3, listing) as fetchers:
        for task in range(12):
            fetchers.put(task)
        assert sorted(f.item for f in fetchers.results()) == list(range(12))
    assert most[0] == 3


def test_tasks_can_be_added_and_dropped_while_items_are_handled():
    with Fetchers(1, lambda task: iter(range(100))) as fetchers:
        fetchers.put("large")
        seen = []
        for fetched in fetchers.results():
            seen.append(fetched.task)
            if fetched.task == "large":
                fetchers.drop("large")
                fetchers.put("small")
    assert seen.count("large") == 1
    assert seen.count("small") == 100


def test_memory_stays_flat_when_handling_is_slower_than_fetching():
    ahead = []

    def listing(task):
        for n in range(200):
            ahead.append(n)
            yield n

    with Fetchers(1, listing) as fetchers:
        fetchers.put(1)
        for handled, _ in enumerate(fetchers.results(), start=1):
            assert len(ahead) - handled < 20


def test_a_stop_ends_the_handling_though_no_item_comes():
    release = threading.Event()

    def listing(task):
        release.wait(10)
        yield task

    with pytest.raises(KeyboardInterrupt), Fetchers(1, listing, stop=lambda: True) as fetchers:
        fetchers.put(1)
        list(fetchers.results())
    release.set()


def test_the_end_of_a_listing_takes_no_room_from_what_is_still_to_come():
    began = {task: threading.Event() for task in ("first", "second")}

    def listing(task):
        began[task].set()
        yield task

    with Fetchers(1, listing) as fetchers:
        fetchers.put("first")
        fetchers.put("second")
        results = fetchers.results()
        assert next(results).item == "first"
        assert began["second"].wait(10)  # while the first is being handled
        assert [fetched.item for fetched in results] == ["second"]
