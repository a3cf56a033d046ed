"""Locks between real processes, which may be killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from satcat import locks
from satcat.errors import CatalogueLockedError

HOLD = """
import sys, time
from pathlib import Path
from satcat import locks
with locks.hold(Path(sys.argv[1]), "satcat sync", of="satcat.db"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds the lock `tmp_path/lock`."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "lock"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_process_is_told_who_holds_the_lock(tmp_path, holder):
    with (
        pytest.raises(CatalogueLockedError) as raised,
        locks.hold(tmp_path / "lock", "satcat verify", of="satcat.db"),
    ):
        pass
    said = str(raised.value)
    assert "satcat.db" in said
    assert f"satcat sync (process {holder.pid} on " in said
    assert "\n" not in said


def test_a_killed_process_leaves_no_lock_behind(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with locks.hold(tmp_path / "lock", "satcat verify", of="satcat.db"):
        assert '"satcat verify"' in Path(tmp_path / "lock").read_text()


def test_a_lock_is_free_again_after_the_block_also_when_it_fails(tmp_path):
    with pytest.raises(KeyError), locks.hold(tmp_path / "lock", "one", of="it"):
        raise KeyError
    with locks.hold(tmp_path / "lock", "two", of="it"):
        assert '"two"' in Path(tmp_path / "lock").read_text()


def test_a_lock_holds_between_threads_of_one_process_too(tmp_path):
    with (
        locks.hold(tmp_path / "lock", "one", of="it"),
        pytest.raises(CatalogueLockedError, match="one"),
        locks.hold(tmp_path / "lock", "two", of="it"),
    ):
        pass


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', "\x00\xff"])
def test_a_lock_file_that_says_nothing_useful_is_still_a_lock(tmp_path, text):
    path = tmp_path / "lock"
    with locks.hold(path, "one", of="it"):
        path.write_text(text)
        with (
            pytest.raises(CatalogueLockedError, match="another process"),
            locks.hold(path, "two", of="it"),
        ):
            pass


def test_what_an_earlier_holder_wrote_is_gone(tmp_path):
    path = tmp_path / "lock"
    path.write_text("x" * 10_000)
    with locks.hold(path, "one", of="it"):
        assert path.read_text().startswith('{"pid"')
        assert "x" * 10 not in path.read_text()
