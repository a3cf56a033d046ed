"""The catalogue that benchmarks make up is one that satcat itself could have made, and all engines answer alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import made_up, query
from satcat import integrity
from satcat.database import Database


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made-up") / "satcat.db"
    made_up.fill(path, 3000, tile_count=200)
    return path


def test_what_is_made_in_bulk_is_what_triggers_would_have_made(filled: Path) -> None:
    with Database.open(filled) as database, database.read() as connection:
        wrong = {finding.kind for finding in integrity.check(connection)}
        number = connection.exec_driver_sql("SELECT count(*) FROM products").scalar_one()
        crossing = connection.exec_driver_sql("SELECT count(*) FROM products WHERE west > east")
        assert number == 3000
        assert crossing.scalar_one() > 0
    assert wrong <= {"altered"}  # hashes are made up too


def test_every_question_is_put_and_every_answer_compared(filled: Path) -> None:
    figures = query.figures(filled, 3000, rounds=1)
    assert all(f"| {question.what} | " in figures.detail for question in query.questions("", ""))
    with pytest.raises(SystemExit, match="b gives 1 products"):
        query.measure({"a": list, "b": lambda: ["x"]}, rounds=1)
