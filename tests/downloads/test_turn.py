"""When people hear that other workers have all connections, by a clock set by hand."""

from __future__ import annotations

from satcat.downloads.turn import OTHERS, Turn


class Told:
    """A run that asks for connections, and what people hear of it."""

    def __init__(self) -> None:
        self.now = 0.0
        self.heard: list[str | float] = []
        self.turn = Turn(self.heard.append, self.heard.append, lambda: self.now)

    def refuse(self, seconds: int) -> None:
        """Ask four times a second, as four threads do, in vain."""
        for _ in range(4 * seconds):
            self.turn.refused()
            self.now += 0.25


def test_a_run_that_waits_for_others_says_so_once_and_when_it_goes_on() -> None:
    told = Told()
    told.refuse(60)
    assert told.heard == [OTHERS]
    told.turn.given()
    told.turn.given()
    assert told.heard == [OTHERS, 60.0]
    told.refuse(6)
    assert told.heard == [OTHERS, 60.0, OTHERS]


def test_a_connection_that_is_free_again_soon_is_no_word_worth() -> None:
    told = Told()
    for _ in range(10):
        told.refuse(4)
        told.turn.given()
        told.turn.refused()  # a row that another worker was faster to claim, now and then
        told.now += 3600
    assert told.heard == []
