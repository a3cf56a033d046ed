"""Locks between real processes, which may be killed."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from satcat import locks
from satcat.errors import CatalogueError, CatalogueLockedError

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


def test_where_files_cannot_be_locked_nobody_is_said_to_hold_the_lock(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", refused)
    with (
        pytest.raises(CatalogueError, match=r"cannot lock .*Function not implemented"),
        locks.hold(tmp_path / "lock", "one", of="it"),
    ):
        pass
    with locks.folder(tmp_path) as held:
        assert not held


@pytest.mark.parametrize("number", [errno.EACCES, errno.EAGAIN])
def test_however_the_system_says_that_another_holds_a_lock_it_is_understood(
    tmp_path, monkeypatch, number
):
    def taken(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", taken)
    with pytest.raises(CatalogueLockedError), locks.hold(tmp_path / "lock", "one", of="it"):
        pass
    with pytest.raises(BlockingIOError), locks.folder(tmp_path):
        pass


def test_many_may_share_a_folder_and_one_may_have_it_alone(tmp_path):
    with locks.folder(tmp_path, shared=True) as one, locks.folder(tmp_path, shared=True) as two:
        assert one and two
        with pytest.raises(BlockingIOError), locks.folder(tmp_path):
            pass
    with locks.folder(tmp_path) as alone:
        assert alone
        with pytest.raises(BlockingIOError), locks.folder(tmp_path, shared=True):
            pass


def test_the_lock_of_a_folder_that_is_moved_away_meanwhile_is_none(tmp_path, monkeypatch):
    path = tmp_path / "folder"
    path.mkdir()
    flock = fcntl.flock

    def moved(*args):
        path.rename(tmp_path / "elsewhere")
        path.mkdir()
        flock(*args)

    monkeypatch.setattr("fcntl.flock", moved)
    with pytest.raises(BlockingIOError), locks.folder(path):
        pass
