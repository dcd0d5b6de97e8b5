"""Events and refusals: which is which, what a refusal says, and what is stored."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.ingest.body import NotJson
from shared.ingest.turns import Turns
from shared.ingest.validation import Sorted, sort_events, sort_in_turns

NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
SAMPLE = {
    "timestamp": "2026-11-22T14:30:00Z",
    "user_id": "u",
    "event_type": "page_view",
    "page_url": "/",
}
ID = "a string of 1 to 128 characters, no control characters"
TYPE = "a string of 1 to 64 characters of A-Z a-z 0-9 _ . : -"
TIME = (
    "an ISO 8601 / RFC 3339 date and time with Z or an offset from UTC, such as "
    "2026-11-22T14:29:58Z, 2026-11-22T14:29:58.250Z or 2026-11-22T15:29:58+01:00"
)
URL = (
    "a string of 1 to 2048 characters, no control characters: a path that starts with / or an "
    "absolute http(s) URL"
)
PROPERTIES = (
    "a flat object of at most 20 strings, numbers, booleans or nulls; keys of 1 to 64 characters "
    "without a leading $, a dot or control characters; strings up to 512 characters"
)


def sort(*values: object, first: int = 0) -> Sorted:
    return sort_events(values, NOW, lambda: "new", first)


def numbered(count: int) -> dict[str, int]:
    return {str(number): number for number in range(count)}


@pytest.mark.parametrize(
    ("value", "pointer", "code", "detail"),
    [
        (NotJson(b"{x", "line 1: no JSON"), "", "bad_json", "line 1: no JSON"),
        (None, "", "wrong_type", "An event is an object, not null"),
        (False, "", "wrong_type", "An event is an object, not a boolean"),
        (5, "", "wrong_type", "An event is an object, not a number"),
        (0.5, "", "wrong_type", "An event is an object, not a number"),
        ("{}", "", "wrong_type", "An event is an object, not a string"),
        ([SAMPLE], "", "wrong_type", "An event is an object, not an array"),
        (numbered(41), "", "too_long", "41 fields are more than any event may have"),
        (
            {"properties": numbered(41)},
            "/properties",
            "too_long",
            "41 fields are more than any event may have",
        ),
    ],
)
def test_what_is_no_event_gets_one_error(
    value: object, pointer: str, code: str, detail: str
) -> None:
    [error] = sort(value).errors
    assert (error.index, error.pointer, error.code, error.detail) == (0, pointer, code, detail)


@pytest.mark.parametrize(
    ("fields", "pointer", "code", "detail"),
    [
        ({"user_id": None}, "/user_id", "wrong_type", f"user_id must be {ID}, not null"),
        ({"user_id": True}, "/user_id", "wrong_type", f"user_id must be {ID}, not a boolean"),
        ({"page_url": 5}, "/page_url", "wrong_type", f"page_url must be {URL}, not a number"),
        ({"page_url": ["/"]}, "/page_url", "wrong_type", f"page_url must be {URL}, not an array"),
        ({"user_id": {}}, "/user_id", "wrong_type", f"user_id must be {ID}, not an object"),
        (
            {"properties": "x"},
            "/properties",
            "wrong_type",
            f"properties must be {PROPERTIES}, not a string",
        ),
        (
            {"properties": {"a": [1]}},
            "/properties/a",
            "wrong_type",
            f"properties.a must be {PROPERTIES}",
        ),
        ({"user_id": ""}, "/user_id", "too_short", f"user_id must be {ID}"),
        ({"user_id": "x" * 129}, "/user_id", "too_long", f"user_id must be {ID}"),
        ({"user_id": "a\n"}, "/user_id", "bad_characters", f"user_id must be {ID}"),
        ({"event_type": "a b"}, "/event_type", "bad_characters", f"event_type must be {TYPE}"),
        ({"page_url": "x"}, "/page_url", "bad_url", f"page_url must be {URL}"),
        ({"timestamp": "today"}, "/timestamp", "bad_timestamp", f"timestamp must be {TIME}"),
        (
            {"timestamp": "2026-11-22T14:30:00"},
            "/timestamp",
            "bad_timestamp",
            f"timestamp must be {TIME}",
        ),
        (
            {"properties": numbered(21)},
            "/properties",
            "too_long",
            f"properties must be {PROPERTIES}",
        ),
        (
            {"properties": {"$a": 1}},
            "/properties/$a",
            "bad_characters",
            f"properties.$a must be {PROPERTIES}",
        ),
        (
            {"a/b~c": 1},
            "/a~1b~0c",
            "unknown_field",
            "a/b~c is not a field of an event",
        ),
        (
            {"x" * 200: 1},
            "/" + "x" * 100,
            "unknown_field",
            "x" * 100 + " is not a field of an event",
        ),
        (
            {"timestamp": "2026-11-22T14:35:00.001Z"},
            "/timestamp",
            "in_future",
            (
                "timestamp is more than 5 minutes ahead of the server's clock, "
                "2026-11-22T14:30:00.000Z; up to 2026-11-22T14:35:00.000Z is accepted"
            ),
        ),
    ],
)
def test_a_wrong_field_is_named_with_its_rule(
    fields: dict[str, Any], pointer: str, code: str, detail: str
) -> None:
    [error] = sort(SAMPLE | fields).errors
    assert (error.index, error.pointer, error.code, error.detail) == (0, pointer, code, detail)


def test_what_is_missing_is_named_with_its_rule() -> None:
    assert [(error.pointer, error.code, error.detail) for error in sort({}).errors] == [
        (f"/{name}", "missing", f"{name} is required: {rule}")
        for name, rule in {
            "timestamp": TIME,
            "user_id": ID,
            "event_type": TYPE,
            "page_url": URL,
        }.items()
    ]


def test_an_event_has_at_most_ten_errors() -> None:
    assert [error.pointer for error in sort(SAMPLE | numbered(20)).errors] == [
        f"/{number}" for number in range(10)
    ]
    assert len(sort(numbered(36) | SAMPLE).errors) == 10  # 40 fields are looked at one by one


@pytest.mark.parametrize(
    ("value", "copy"),
    [
        (None, "null"),
        ({"a": "é"}, '{"a":"é"}'),
        (NotJson(b'{"a": \xff', "why"), '{"a": \ufffd'),
        ("x" * 2000, '"' + "x" * 1023),
        ("\U0001f600" * 2000, '"' + "\U0001f600" * 1023),
    ],
)
def test_the_start_of_what_is_refused_is_kept(value: object, copy: str) -> None:
    [refusal] = sort(value).refusals
    assert refusal.copy == copy


@pytest.mark.parametrize(
    ("seconds", "event_time", "is_late"),
    [
        (0, 0, False),
        (300, 0, False),  # a client's clock that is ahead
        (-1, -1, False),
        (-899.999, -899.999, False),
        (-900, -900, True),
        (-100_000, -100_000, True),
    ],
)
def test_what_is_stored_of_an_event(seconds: float, event_time: float, is_late: bool) -> None:
    timestamp = NOW + timedelta(seconds=seconds)
    sent = SAMPLE | {"timestamp": timestamp.isoformat(), "session_id": "s"}
    [stored] = sort(sent).events
    late = {"late": True} if is_late else {}
    assert stored == sent | late | {
        "_id": "new",
        "timestamp": timestamp,
        "received_at": NOW,
        "occurred_at": NOW + timedelta(seconds=event_time),
    }


def test_the_client_s_id_is_the_key() -> None:
    [stored] = sort(SAMPLE | {"event_id": "e"}).events
    assert stored["_id"] == "e"
    assert "event_id" not in stored


def test_no_event_is_lost_because_of_its_neighbour() -> None:
    batch = sort(SAMPLE, {}, SAMPLE | {"user_id": "v"}, None, first=7)
    assert [event["user_id"] for event in batch.events] == ["u", "v"]
    assert [refusal.errors[0].index for refusal in batch.refusals] == [8, 10]


class CountedTurns(Turns):
    """Counts how often others may go on."""

    taken = 0

    async def next(self) -> None:
        self.taken += 1
        await super().next()


@pytest.mark.anyio
@pytest.mark.parametrize(("count", "in_turns"), [(1, False), (50, False), (51, True), (151, True)])
async def test_a_large_batch_is_sorted_as_a_small_one_but_in_turns(
    count: int, *, in_turns: bool
) -> None:
    values = [SAMPLE | {"user_id": f"u{n}"} if n % 3 else n for n in range(count)]
    turns = CountedTurns()
    by_parts = await sort_in_turns(values, NOW, lambda: "new", turns)
    assert by_parts == sort(*values)
    assert (turns.taken > 0) is in_turns
    spelled = await sort_in_turns(
        range(count), NOW, lambda: "new", Turns(), lambda n: values[int(str(n))]
    )
    assert spelled == by_parts
