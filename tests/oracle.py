"""What every metric must be, counted event by event, with none of the service's code."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

Stored = Mapping[str, Any]


def expected_metrics(events: Iterable[Stored], at: datetime) -> dict[str, Any]:
    """Count everything at `at` over raw events, with rankings in full."""
    stored = list(events)
    five = [e for e in stored if at - timedelta(minutes=5) < e["occurred_at"] <= at]
    fifteen = [e for e in stored if at - timedelta(minutes=15) < e["occurred_at"] <= at]
    views = Counter(e["page_url"] for e in fifteen if e["event_type"] == "page_view")
    sessions: defaultdict[str, set[str]] = defaultdict(set)
    for event in five:
        if "session_id" in event:
            sessions[event["user_id"]].add(event["session_id"])
    counts = {user: len(ids) for user, ids in sessions.items()}
    arrived = [e for e in stored if at - timedelta(minutes=15) < e["received_at"] <= at]
    return {
        "active_users": len({e["user_id"] for e in five}),
        "views": sum(views.values()),
        "pages": sorted(views.items(), key=lambda row: (-row[1], row[0])),
        "sessions": sum(counts.values()),
        "users": sorted(counts.items(), key=lambda row: (-row[1], row[0])),
        "spread": [
            sum(n == 1 for n in counts.values()),
            sum(n == 2 for n in counts.values()),
            sum(n >= 3 for n in counts.values()),
        ],
        "by_type": dict(Counter(e["event_type"] for e in fifteen)),
        "late": sum(e["occurred_at"] <= e["received_at"] - timedelta(minutes=15) for e in arrived),
    }


def shown_metrics(
    metrics: Mapping[str, Any], pages: Mapping[str, Any], users: Mapping[str, Any]
) -> dict[str, Any]:
    """Bring the service's answers into the oracle's form, the rankings from their own resources."""
    return {
        "active_users": metrics["active_users"]["count"],
        "views": metrics["page_views"]["total"],
        "pages": [(r["page_url"], r["views"]) for r in pages["page_views"]["top"]],
        "sessions": metrics["active_sessions"]["total"],
        "users": [(r["user_id"], r["sessions"]) for r in users["active_sessions"]["users"]],
        "spread": list(metrics["active_sessions"]["spread"].values()),
        "by_type": metrics["events"]["by_type"],
        "late": metrics["events"]["late"],
    }
