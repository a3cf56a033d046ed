"""What all commands share: where options come from, --db, -q and -v."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.engines import CATALOGUE_FILE


def shown(run: Run, *args: str) -> int:
    """How many products `query` prints."""
    done = run("query", "-f", "ids", *args)
    assert done.code == 0, done.err
    return len(done.out.splitlines())


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(
    run: Run, mirror: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    everything = shown(run)
    (tmp_path / "satcat.toml").write_text("[query]\nlimit = 5\n")
    assert shown(run) == 5 < everything
    monkeypatch.setenv("SATCAT_QUERY_LIMIT", "4")
    assert shown(run) == 4
    assert shown(run, "--limit", "3") == 3
    monkeypatch.setenv("SATCAT_QUERY_TILE", "30TWM")
    assert shown(run, "--limit", "99") < everything


@CATALOGUE_FILE
def test_the_file_beside_the_catalogue_counts(run: Run, mirror: str, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    shutil.move(mirror, folder / "a.db")
    (folder / "satcat.toml").write_text('[query]\ntile = "30TWM"\nlimit = 2\n')
    assert shown(run, "--db", "elsewhere/a.db") == 2
    assert shown(run, "--db", f"sqlite:///{folder}/a.db") == 2


def test_one_value_or_several_may_stand_for_an_option_that_repeats(
    run: Run, mirror: str, tmp_path: Path
) -> None:
    config = tmp_path / "satcat.toml"
    both = shown(run)
    config.write_text('[query]\ntile = "30TWM"\nstart = 2024-06-01\n')
    one = shown(run)
    config.write_text('[query]\ntile = ["30TWM", "30TWN"]\n')
    assert 0 < one < both == shown(run)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[qery]\n", "qery"),
        ("[query]\ntiel = 1\n", "tiel"),
        ('db = "x.db"\n', "[db]"),
        ('[query]\ndb = "x.db"\n', "db"),
        ("query = 1\n", "[query]"),
        ("[query\n", "satcat.toml"),
        ("[query]\nsort = ['a', 'b']\n", "sort of [query]"),
        ("[query]\nlimit = 2024-06-01\n", "2024-06-01"),
        ('[query]\nlimit = "many"\n', "many"),
    ],
    ids=lambda text: text.strip(),
)
def test_what_the_file_gets_wrong_is_told(
    run: Run, mirror: str, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "satcat.toml").write_text(text)
    done = run("query")
    assert (done.code, said in done.err, len(done.err.splitlines())) == (2, True, 1)


def test_a_command_of_two_words_has_a_table_of_two_words(
    run: Run, mirror: str, tmp_path: Path
) -> None:
    (tmp_path / "satcat.toml").write_text('[report.coverage]\nformat = "csv"\n')
    assert run("report", "coverage").out.startswith("tile_id,")
    (tmp_path / "satcat.toml").write_text('[report.coverag]\nformat = "csv"\n')
    done = run("report", "coverage")
    assert (done.code, "'coverag' is no command of [report]" in done.err) == (2, True)


@CATALOGUE_FILE
def test_db_comes_from_before_the_command_after_it_or_the_environment(
    run: Run, mirror: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.move(mirror, tmp_path / "a.db")
    assert run("--db", "a.db", "status").code == run("status", "--db", "a.db").code == 0
    assert run("--db", "none.db", "status", "--db", "a.db").code == 0
    monkeypatch.setenv("SATCAT_DB", "a.db")
    assert run("status").code == 0
    assert run("--db", "none.db", "status").code == 3


def test_q_says_nothing_but_results(run: Run, mirror: str) -> None:
    done = run("query", "-q", "--tile", "33UUP")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_v_shows_the_requests_and_no_secret(run: Run, mirror: str) -> None:
    run("mark", "--tile", "30TWM", "--where", "cloud_cover < 5")
    done = run("download", "-v")
    assert "GET http://127.0.0.1" in done.err
    assert "password=" not in done.err
    assert "Bearer" not in done.err


def test_satcat_alone_prints_help(run: Run) -> None:
    assert run().out == run("--help").out
    assert "sync" in run().out


def test_version(run: Run) -> None:
    assert run("--version").out.startswith("satcat 0.")
