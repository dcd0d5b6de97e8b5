"""Requests of every wrong shape: the quick part of `tests.reliability.hostile`."""

from tests.reliability.conftest import StartTarget
from tests.reliability.hostile import UNLIMITED, attack, broken_promises


def test_whatever_is_sent_gets_a_clear_answer(start_target: StartTarget) -> None:
    with start_target(**UNLIMITED) as target:
        with target.watched() as usual:
            attack(target, 200, first=0)
        with target.watched() as outcome:
            trial = attack(target, 800, first=1)
        assert broken_promises(target, trial, outcome, usual) == []
        assert trial.answers.total() >= 800
        kinds = trial.answers.keys()
        assert {"200", "202", "400 bad-json", "404 not-found", "422 invalid-events"} <= kinds
