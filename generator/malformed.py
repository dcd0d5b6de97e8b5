"""Events that break the contract, each in one way."""

from collections.abc import Mapping

ABSENT = object()

# What replaces the field of a good event. All of it is valid JSON, as a faulty client would send.
BREAKAGES: tuple[Mapping[str, object], ...] = (
    {"timestamp": ABSENT},
    {"timestamp": "yesterday"},
    {"timestamp": "2024-03-15T14:30:00"},  # no offset
    {"timestamp": "2024-02-30T14:30:00Z"},
    {"timestamp": "2999-01-01T00:00:00Z"},
    {"timestamp": 1_710_513_000},
    {"user_id": ABSENT},
    {"user_id": 5},
    {"user_id": ""},
    {"user_id": "usr_\u0000"},
    {"user_id": {"$ne": None}},
    {"event_type": ABSENT},
    {"event_type": "page view"},
    {"event_type": "x" * 65},
    {"page_url": ABSENT},
    {"page_url": "javascript:alert(1)"},
    {"page_url": "/" + "x" * 2048},
    {"session_id": None},
    {"event_id": ""},
    {"properties": {"$where": "1"}},
    {"properties": {"a.b": 1}},
    {"properties": {"nested": {}}},
    {"properties": {f"key_{number}": number for number in range(21)}},
    {"colour": "red"},
)


def broken(event: Mapping[str, object], breakage: Mapping[str, object]) -> dict[str, object]:
    """Return `event` with one of the BREAKAGES."""
    return {name: value for name, value in {**event, **breakage}.items() if value is not ABSENT}
