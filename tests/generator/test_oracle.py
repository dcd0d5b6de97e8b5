import io
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from generator.ledger import Line, milliseconds, read_ledger
from generator.oracle import Expectation, expect

T = milliseconds("2026-11-22T14:30:00.000Z")
MINUTE = 60_000


def event(at: int, **fields: Any) -> dict[str, Any]:
    """Make a page view of `usr_1` that happened at `at` ms."""
    instant = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=at)
    return {
        "timestamp": instant.isoformat(timespec="microseconds"),
        "user_id": "usr_1",
        "event_type": "page_view",
        "page_url": "/",
        "session_id": "sess_1",
    } | fields


def line(
    *events: dict[str, Any],
    at: int,
    until: int | None = None,
    acknowledged: int | None = -1,
    rejected: tuple[int, int] = (0, 0),
) -> Line:
    """Make a line received from `at` (to `until`), acknowledged at once if not told otherwise."""
    by = at if until is None else until
    return Line(at, by, by if acknowledged == -1 else acknowledged, rejected, events)


def at_t(*lines: Line, watched: str | None = None) -> Expectation:
    expectation = Expectation(T, watched)
    expect(lines, [expectation])
    return expectation


@pytest.mark.parametrize(
    ("happened", "users", "views"),
    [
        (T - 15 * MINUTE, 0, 0),
        (T - 15 * MINUTE + 1, 0, 1),
        (T - 5 * MINUTE, 0, 1),
        (T - 5 * MINUTE + 1, 1, 1),
        (T - 3000, 1, 1),
    ],
)
def test_windows_are_half_open(happened: int, users: int, views: int) -> None:
    got = at_t(line(event(happened), at=happened))
    assert got.exact
    assert (len(got.least.sessions), got.least.pages.total()) == (users, views)


def test_an_event_of_the_very_instant_is_in_and_one_a_millisecond_later_is_not() -> None:
    received = T - 10_000
    for after, users in ((0, 1), (1, 0)):
        # Received by a clock ten seconds behind: only occurred_at decides.
        got = at_t(line(event(T + after), at=T + after, acknowledged=received))
        assert len(got.least.sessions) == users


def test_microseconds_are_cut_as_the_service_cuts_them() -> None:
    assert milliseconds("2026-11-22T14:30:00.000999Z") == T
    assert milliseconds("2026-11-22t15:30:00,0009+01:00") == T
    assert milliseconds(datetime(1969, 12, 31, 23, 59, 59, 999_900, tzinfo=UTC)) == -1


def test_a_clock_that_runs_ahead_counts_from_the_arrival() -> None:
    got = at_t(line(event(T + 4 * MINUTE), at=T - 3000))
    assert len(got.least.sessions) == 1


def test_everything_is_counted_by_its_definition() -> None:
    got = at_t(
        line(
            event(T - 9000),
            event(T - 8000, session_id="sess_2", event_type="purchase", page_url="/done"),
            event(T - 7000, user_id="usr_2", page_url="/cart"),
            {**event(T - 6000), "user_id": "usr_3", "session_id": None},
            event(T - 6 * MINUTE, user_id="usr_4", session_id="sess_4"),
            at=T - 5000,
        ),
        watched="usr_1",
    )
    assert got.least.sessions == {
        "usr_1": {"sess_1", "sess_2"},
        "usr_2": {"sess_1"},
        "usr_3": set(),
    }
    assert got.least.pages == {"/": 3, "/cart": 1}
    assert got.least.types == Counter(page_view=4, purchase=1)
    assert got.least.activity == {
        "sess_1": (1, T - 9000, T - 9000),
        "sess_2": (1, T - 8000, T - 8000),
    }


@pytest.mark.parametrize(
    ("entry", "least", "most"),
    [
        (line(event(T - 9000), at=T - 9000, acknowledged=T - 2000), 1, 1),
        (line(event(T - 9000), at=T - 9000, acknowledged=T - 1999), 0, 1),  # not yet promised
        (line(event(T - 9000), at=T - 9000, acknowledged=None), 0, 1),  # never promised
        # An answer got lost, so the earlier try may be the one that stored it:
        (line(event(T - 9000), at=T - 9000, until=T - 4000), 1, 1),  # it makes no difference
        (line(event(T), at=T - 15 * MINUTE - 9, until=T - 15 * MINUTE + 9), 0, 1),  # it does
    ],
)
def test_what_is_open_becomes_bounds(entry: Line, least: int, most: int) -> None:
    got = at_t(entry)
    assert (got.least.pages.total(), got.most.pages.total()) == (least, most)
    assert got.exact == (least == most)


def test_a_lost_answer_leaves_open_when_an_event_from_a_clock_ahead_was_the_last() -> None:
    got = at_t(line(event(T), at=T - 9000, until=T - 4000), watched="usr_1")
    assert got.exact
    assert got.least.activity == {"sess_1": (1, T - 9000, T - 4000)}


def test_bounds_share_nothing() -> None:
    got = at_t(
        line(event(T - 9000), at=T - 9000),
        line(event(T - 1000, session_id="sess_2"), at=T - 1000),
        watched="usr_1",
    )
    assert got.least.sessions == {"usr_1": {"sess_1"}}
    assert got.most.sessions == {"usr_1": {"sess_1", "sess_2"}}
    assert got.least.activity == {"sess_1": (1, T - 9000, T - 9000)}
    assert got.least.types == {"page_view": 1}


@pytest.mark.parametrize(
    ("age", "received", "late"),
    [
        (15 * MINUTE, T - 3000, [1, 1]),
        (15 * MINUTE - 1, T - 3000, [0, 0]),
        (60 * MINUTE, T - 15 * MINUTE + 1, [1, 1]),
        (60 * MINUTE, T - 15 * MINUTE, [0, 0]),
        (60 * MINUTE, T - 1000, [0, 1]),
        (60 * MINUTE, T + 1, [0, 0]),
    ],
)
def test_late_counts_by_arrival(age: int, received: int, late: list[int]) -> None:
    assert at_t(line(event(received - age), at=received)).late == late


@pytest.mark.parametrize(
    ("entry", "rejected"),
    [
        (line(at=T - 5000, rejected=(2, 2)), [2, 2]),
        (line(at=T - 5000, rejected=(2, 6)), [2, 6]),
        (line(at=T - 1000, rejected=(2, 2)), [0, 2]),
        (line(at=T - 16 * MINUTE, rejected=(2, 2)), [0, 0]),
        (line(at=T - 15 * MINUTE - 1000, rejected=(2, 2)), [0, 2]),  # noted a second later
        (line(at=T + 1, rejected=(2, 2)), [0, 0]),
    ],
)
def test_rejected_counts_by_arrival(entry: Line, rejected: list[int]) -> None:
    assert at_t(entry).rejected == rejected


def test_many_instants_in_one_pass_are_as_good_as_one_each() -> None:
    lines = [
        line(event(T + n * 7001, user_id=f"usr_{n % 50}", page_url=f"/{n % 7}"), at=T + n * 7003)
        for n in range(400)
    ]
    instants = [T + n * 77_777 for n in range(-3, 45)]
    together = [Expectation(at) for at in reversed(instants)]
    expect(lines, together)
    for expectation in together:
        alone = Expectation(expectation.at)
        expect(lines, [alone])
        assert expectation.least == alone.least
        assert expectation.most == alone.most
        ours = [e.events[0] for e in lines if _certain(e, expectation.at)]
        assert expectation.least.pages == Counter(e["page_url"] for e in ours)


def _certain(entry: Line, at: int) -> bool:
    happened = milliseconds(entry.events[0]["timestamp"])
    return at - 15 * MINUTE < happened <= at and entry.received_by + 2000 <= at


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"received_from": 5}', "\n"])
def test_what_is_no_ledger_is_told_by_its_line(text: str) -> None:
    good = json.dumps(
        {
            "received_from": "2026-11-22T14:30:00.000Z",
            "received_by": "2026-11-22T14:30:00.001Z",
            "acknowledged_by": None,
            "rejected": [0, 1],
            "events": [],
        }
    )
    file = io.StringIO(f"{good}\n{text}")
    file.name = "l.ndjson"
    lines = read_ledger(file)
    assert next(lines) == Line(T, T + 1, None, (0, 1), [])
    with pytest.raises(ValueError, match=r"line 2 of l\.ndjson"):
        next(lines)
