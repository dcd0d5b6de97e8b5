"""What every metric must be, counted event by event, with none of the service's code."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

Stored = Mapping[str, Any]


def expected_metrics(
    events: Iterable[Stored], at: datetime, rejections: Iterable[Stored] = ()
) -> dict[str, Any]:
    """Count everything at `at` over raw events, with rankings in full."""
    stored = [e for e in events if e["received_at"] <= at]
    five, fifteen = (happened(stored, at, minutes) for minutes in (5, 15))
    views = Counter(e["page_url"] for e in fifteen if e["event_type"] == "page_view")
    sessions: defaultdict[str, set[str]] = defaultdict(set)
    for event in five:
        if "session_id" in event:
            sessions[event["user_id"]].add(event["session_id"])
    counts = {user: len(ids) for user, ids in sessions.items()}
    quarter = at - timedelta(minutes=15)
    late = (e["occurred_at"] <= e["received_at"] - timedelta(minutes=15) for e in stored)
    refused = (r for r in rejections if quarter < r["rejected_at"] <= at)
    return {
        "active_users": len({e["user_id"] for e in five}),
        "views": sum(views.values()),
        "distinct_pages": len(views),
        "pages": sorted(views.items(), key=lambda row: (-row[1], row[0])),
        "sessions": sum(counts.values()),
        "users": sorted(counts.items(), key=lambda row: (-row[1], row[0])),
        "spread": [
            sum(n == 1 for n in counts.values()),
            sum(n == 2 for n in counts.values()),
            sum(n >= 3 for n in counts.values()),
        ],
        "by_type": dict(Counter(e["event_type"] for e in fifteen)),
        "events": len(fifteen),
        "late": sum(
            e_late and e["received_at"] > quarter for e, e_late in zip(stored, late, strict=True)
        ),
        "rejected": sum(r["count"] for r in refused),
        "arrived": sum(at - timedelta(minutes=1) < e["received_at"] for e in stored),
        "carts": expected_carts(happened(stored, at, 10)),
        "last_arrival": max((e["received_at"] for e in stored), default=None),
    }


def expected_carts(events: Iterable[Stored]) -> tuple[int, int, int]:
    """Count sessions with an open cart, with a cart, and with a purchase."""
    last: dict[str, dict[Any, datetime]] = {"add_to_cart": {}, "purchase": {}}
    for event in sorted(events, key=lambda event: event["occurred_at"]):
        if event["event_type"] in last and "session_id" in event:
            session = event["user_id"], event["session_id"]
            last[event["event_type"]][session] = event["occurred_at"]
    added, bought = last.values()
    still_open = [s for s, at in added.items() if s not in bought or bought[s] < at]
    return len(still_open), len(added), len(bought)


def happened(events: Iterable[Stored], at: datetime, minutes: int) -> list[Stored]:
    """Return the events of a window of so many minutes at `at`."""
    return [e for e in events if at - timedelta(minutes=minutes) < e["occurred_at"] <= at]


def expected_minutes(events: Iterable[Stored], at: datetime, minutes: int) -> list[Any]:
    """Count events and page views of the last whole minutes of event time, oldest first."""
    begins = [at.replace(second=0, microsecond=0) - timedelta(minutes=n) for n in range(minutes)]
    counts: dict[datetime, list[int]] = {begin: [0, 0] for begin in reversed(begins)}
    for event in events:
        begin = event["occurred_at"].replace(second=0, microsecond=0)
        if begin in counts and event["received_at"] <= at:
            counts[begin][0] += 1
            counts[begin][1] += event["event_type"] == "page_view"
    return [(begin, *count) for begin, count in counts.items()]


def shown_metrics(
    metrics: Mapping[str, Any], pages: Mapping[str, Any], users: Mapping[str, Any]
) -> dict[str, Any]:
    """Bring the service's answers into the oracle's form, the rankings from their own resources."""
    last_at = metrics["arrivals"]["last_at"]
    return {
        "active_users": metrics["active_users"]["count"],
        "views": metrics["page_views"]["total"],
        "distinct_pages": metrics["page_views"]["pages"],
        "pages": [(r["page_url"], r["views"]) for r in pages["page_views"]["top"]],
        "sessions": metrics["active_sessions"]["total"],
        "users": [(r["user_id"], r["sessions"]) for r in users["active_sessions"]["users"]],
        "spread": list(metrics["active_sessions"]["spread"].values()),
        "by_type": metrics["events"]["by_type"],
        "events": metrics["events"]["total"],
        "late": metrics["events"]["late"],
        "rejected": metrics["events"]["rejected"],
        "arrived": metrics["arrivals"]["count"],
        "carts": tuple(metrics["carts"][name] for name in ("open", "carts", "purchases")),
        "last_arrival": datetime.fromisoformat(last_at) if isinstance(last_at, str) else last_at,
    }
