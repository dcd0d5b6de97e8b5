from collections import Counter

import pytest

from generator.outgoing import Outgoing, Role
from generator.reckoning import Reckoning, reckon, reckon_refusal
from shared.schema import FieldError

A, B = {"user_id": "a"}, {"user_id": "b"}
BATCH = [Outgoing(A), Outgoing(A, Role.COPY), Outgoing({}, Role.MALFORMED), Outgoing(B)]


def errors(*indexes: int) -> list[FieldError]:
    return [FieldError(index=i, pointer="", code=f"code{i}", detail="") for i in indexes]


@pytest.mark.parametrize(
    ("rejected", "named", "expected"),
    [
        (1, errors(2), Reckoning([A, B], copies=1, rejected=1)),
        (1, errors(2, 2), Reckoning([A, B], copies=1, rejected=1)),
        (1, [], Reckoning([A, B], copies=1, rejected=1)),
        (0, [], Reckoning([A, B], copies=1, leaked=1)),
        (2, errors(2, 3), Reckoning([A], copies=1, rejected=1, refused=Counter(code3=1))),
        (
            3,
            errors(2),
            Reckoning([A, B], 1, rejected=1, refused=Counter(unnamed=2), certain=False),
        ),
    ],
)
def test_a_batch_is_held_against_its_receipt(
    rejected: int, named: list[FieldError], expected: Reckoning
) -> None:
    assert reckon(BATCH, rejected, named) == expected


def test_a_refused_request_is_refused_event_by_event() -> None:
    got = reckon_refusal(BATCH, "415", errors(0))
    assert got == Reckoning(rejected=1, refused=Counter({"code0": 1, "415": 2}))
