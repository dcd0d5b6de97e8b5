"""Answers of the service as the tests need them; `test_contract` holds them to the contract."""

import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

Json = dict[str, Any]

NOON = datetime(2026, 11, 22, 12, 0, 0, 123000, UTC)

PAGES = {
    "/": 412,
    "/products/electronics/headphones": 268,
    "/products/garden": 190,
    "/sale/winter?page=2": 121,
    "/cart": 64,
}
USERS = {
    "usr_789": 7,
    "usr_1042": 4,
    "anna.kowalska@example.com": 3,
    "usr_31": 3,
    "usr_550": 2,
    "usr_78": 2,
    "usr_9": 2,
    "usr_118": 1,
    "usr_119": 1,
    "usr_12": 1,
}
TYPES = {
    "page_view": 1234,
    "add_to_cart": 142,
    "checkout": 48,
    "purchase": 31,
    "search": 203,
    "login": 88,
}


def instant(at: datetime) -> str:
    """Write an instant as the service does."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def metrics(
    *,
    at: datetime = NOON,
    users: int = 342,
    pages: dict[str, int] | None = None,
    people: dict[str, int] | None = None,
    types: dict[str, int] | None = None,
    spread: tuple[int, int, int] = (301, 34, 7),
    late: int = 12,
    rejected: int = 3,
    silent: float | None = 0.4,
    previous: float | None = 0.9,
    yesterday: float | None = 1.04,
) -> Json:
    """`GET /v1/metrics` of a shop on a good day; each part can be another.

    The last event came `silent` seconds ago, or never; the two comparisons are shares of now.
    """
    pages = PAGES if pages is None else pages
    people = USERS if people is None else people
    types = TYPES if types is None else types
    one, two, more = spread
    sessions = one + 2 * two + 3 * more
    views = types.get("page_view", 0)

    def before(share: float | None, ago: timedelta) -> Json | None:
        if share is None:
            return None
        return {
            "as_of": instant(at - ago),
            "active_users": round(users * share),
            "page_views": round(views * share),
            "active_sessions": round(sessions * share),
            "pages": {url: round(count * share) for url, count in list(pages.items())[:4]},
        }

    return {
        "as_of": instant(at),
        "active_users": {"window_seconds": 300, "count": users},
        "page_views": {
            "window_seconds": 900,
            "total": views,
            "pages": 87 if len(pages) == 5 else len(pages),
            "unranked": 0,
            "top": [{"page_url": url, "views": count} for url, count in pages.items()],
        },
        "active_sessions": {
            "window_seconds": 300,
            "total": sessions,
            "spread": {"one": one, "two": two, "three_or_more": more},
            "users": [{"user_id": user, "sessions": count} for user, count in people.items()],
        },
        "events": {
            "window_seconds": 900,
            "total": sum(types.values()),
            "types": len(types),
            "unlisted": 0,
            "by_type": dict(sorted(types.items(), key=lambda it: (-it[1], it[0]))[:100]),
            "late": late,
            "rejected": rejected,
        },
        "carts": {
            "window_seconds": 600,
            "open": round(0.7 * types.get("add_to_cart", 0)),
            "carts": types.get("add_to_cart", 0),
            "purchases": types.get("purchase", 0),
        },
        "arrivals": {
            "window_seconds": 60,
            "count": 1188 if silent is not None and silent < 60 else 0,
            "last_at": None if silent is None else instant(at - timedelta(seconds=silent)),
        },
        "comparison": {
            "previous": before(previous, timedelta(minutes=15)),
            "yesterday": before(yesterday, timedelta(days=1)),
        },
    }


EMPTY: Json = {
    "users": 0,
    "pages": {},
    "people": {},
    "types": {},
    "spread": (0, 0, 0),
    "late": 0,
    "rejected": 0,
    "silent": None,
    "previous": None,
    "yesterday": None,
}


def history(now: Json, *, minutes: float = 30, until: float = 0) -> Json:
    """Make up a wavy past that leads to `now`, one snapshot every 10 s until `until` s ago."""
    steps = round(minutes * 6)
    return {
        "as_of": now["as_of"],
        "minutes": 30,
        "snapshots": [_snapshot(now, step) for step in range(steps, round(until / 10), -1)],
    }


def _snapshot(now: Json, step: int) -> Json:
    wave = 1 - 0.004 * step / 3 + 0.09 * math.sin(step / 21) + 0.03 * math.sin(step / 4.7)
    at = datetime.fromisoformat(now["as_of"]) - timedelta(seconds=10 * step)

    def past(part: Json, count: str) -> Json:
        return {**part, count: max(0, round(part[count] * wave))}

    sessions = past(now["active_sessions"], "total")
    return {
        **now,
        "as_of": instant(at),
        "active_users": past(now["active_users"], "count"),
        "active_sessions": {name: it for name, it in sessions.items() if name != "users"},
        "page_views": {
            name: it for name, it in past(now["page_views"], "total").items() if name != "top"
        },
    }


def per_minute(
    now: datetime = NOON,
    *,
    views: int = 82,
    since: float = 60,
    until: float = 0,
    burst: tuple[int, ...] = (),
) -> Json:
    """Make up an hour in minutes, with about `views` in each from `since` to `until` minutes ago.

    In the minutes of `burst`, counted back from the running one, there are five times as many.
    """
    dice = random.Random(7)
    running = now.replace(second=0, microsecond=0)
    minutes = []
    for ago in range(59, -1, -1):
        count = round(views * dice.uniform(0.8, 1.2)) * (5 if ago in burst else 1)
        if not until <= ago <= since:
            count = 0
        if ago == 0:
            count = round(count * now.second / 60)
        minute = instant(running - timedelta(minutes=ago))
        minutes.append(
            {
                "minute": minute,
                "events": round(count * 1.4),
                "page_views": count,
                "complete": ago > 0,
            }
        )
    return {"as_of": instant(now), "minutes": minutes}


def rejection(
    ago: float, code: str, pointer: str, detail: str, event: str | None, count: int = 1
) -> Json:
    """One entry of `GET /v1/rejections`, `ago` seconds before noon."""
    return {
        "first_rejected_at": instant(NOON - timedelta(seconds=ago + 0.5 * min(count - 1, 240))),
        "rejected_at": instant(NOON - timedelta(seconds=ago)),
        "code": code,
        "pointer": pointer,
        "detail": detail,
        "event": event,
        "count": count,
    }


def rejections(*entries: Json) -> Json:
    """`GET /v1/rejections`: three reasons, one of them a flood, unless others are given."""
    usual = (
        rejection(20, "missing", "/user_id", "Field required", '{"event_type": "page_view"}'),
        rejection(
            115,
            "in_future",
            "/timestamp",
            "timestamp is more than 5 minutes ahead of the server's clock",
            '{"timestamp": "2036-01-01T00:00:00Z", "user_id": "usr_5"}',
        ),
        rejection(210, "missing", "/user_id", "Field required", '{"event_type": "login"}', 2),
        rejection(310, "wrong_type", "/user_id", "Input should be a valid string", None, 240),
    )
    return {"as_of": instant(NOON), "rejections": list(entries or usual)}


def stored_event(number: int, now: datetime = NOON, **fields: Any) -> Json:
    """One event as it is stored; the greater the number, the longer ago."""
    at = instant(now - timedelta(seconds=0.4 + 0.7 * number))
    kinds = ("page_view", "page_view", "search", "page_view", "add_to_cart")
    return {
        "timestamp": at,
        "occurred_at": at,
        "received_at": at,
        "late": False,
        "user_id": [*USERS][number % len(USERS)],
        "event_type": kinds[number % len(kinds)],
        "page_url": [*PAGES][number % len(PAGES)],
        "session_id": f"sess_{number % 13}",
        "event_id": f"event-{number}",
        **fields,
    }


def stored_events(*events: Json, now: datetime = NOON) -> Json:
    """`GET /v1/events`: the given ones, or sixty of a good day."""
    return {
        "as_of": instant(now),
        "events": list(events) or [stored_event(number, now) for number in range(60)],
    }


def user_sessions(
    user: str, sessions: int, now: datetime = NOON, *, seen: float | None = 4
) -> Json:
    """One user with that many sessions, of which at most 100 are told, last seen so long ago."""
    return {
        "as_of": instant(now),
        "window_seconds": 300,
        "user_id": user,
        "sessions": sessions,
        "active": seen is not None,
        "last_event_at": None if seen is None else instant(now - timedelta(seconds=seen)),
        "latest": [
            {
                "session_id": f"sess_{i}",
                "last_event_at": instant(now - timedelta(seconds=4 + 17 * i)),
                "events": 12 - min(i, 11),
            }
            for i in range(min(sessions, 100))
        ],
    }
