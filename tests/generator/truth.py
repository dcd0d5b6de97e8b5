"""Requests, what their ledger says of them, and what the service must answer, by brute force."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from generator.verify.ledger import Line, milliseconds
from tests.oracle import expected_metrics, expected_minutes, happened

AT = datetime(2026, 11, 22, 14, 30, 20, tzinfo=UTC)
MINUTES = 3
TOP = 2  # rows of a ranking
FRESH = timedelta(seconds=2)


@dataclass
class Truth:
    """A request, what its ledger says of it, and what really became of it."""

    timestamps: list[datetime]
    users: list[tuple[str, str | None, str, str]]  # user, session, type, page
    received: datetime
    earlier: timedelta = timedelta(0)  # by which the ledger thinks it may have been received before
    later: timedelta = timedelta(0)
    acknowledged: bool = True
    stored: bool = True  # of a request that was not acknowledged
    rejected: int = 0

    @property
    def events(self) -> list[dict[str, Any]]:
        """What was sent."""
        names = ("user_id", "session_id", "event_type", "page_url")
        return [
            {"timestamp": timestamp.isoformat()}
            | {name: value for name, value in zip(names, user, strict=True) if value is not None}
            for timestamp, user in zip(self.timestamps, self.users, strict=True)
        ]

    @property
    def line(self) -> Line:
        """What the ledger says."""
        received_by = milliseconds((self.received + self.later).isoformat())
        return Line(
            milliseconds((self.received - self.earlier).isoformat()),
            received_by,
            received_by if self.acknowledged else None,
            (self.rejected * self.acknowledged, self.rejected),
            self.events,
        )

    def documents(self) -> Iterable[dict[str, Any]]:
        """Yield what the service stored."""
        for event in self.events:
            occurred = min(datetime.fromisoformat(event["timestamp"]), self.received)
            yield event | {"received_at": self.received, "occurred_at": occurred}


def seconds(least: float, most: float) -> st.SearchStrategy[timedelta]:
    """Draw whole milliseconds, often at the very edges of windows."""
    edges = [float(s) for s in (0, 60, 300, 600, 900) if least <= s <= most]
    exact = st.sampled_from([timedelta(seconds=s) for s in edges or [least]])
    anywhere = st.integers(int(least * 1000), int(most * 1000))
    return exact | anywhere.map(lambda ms: timedelta(milliseconds=ms))


@st.composite
def requests(draw: st.DrawFn, *, settled: bool) -> Truth:
    number = draw(st.integers(0, 4))
    received = AT - draw(seconds(2 if settled else 0, 1000))
    nothing = st.just(timedelta(0))
    user = st.tuples(
        st.sampled_from("ab"),
        st.sampled_from(["1", "2", "3", None]),
        st.sampled_from(["page_view", "page_view", "add_to_cart", "purchase", "checkout"]),
        st.sampled_from(["/", "/x", "/y"]),
    )
    acknowledged = settled or draw(st.booleans())
    return Truth(
        [received - draw(seconds(-200, 1000)) for _ in range(number)],
        [draw(user) for _ in range(number)],
        received,
        draw(nothing if settled else seconds(0, 100)),
        draw(nothing if settled else seconds(0, 100)),
        acknowledged,
        acknowledged or draw(st.booleans()),
        draw(st.integers(0, 3)) if number == 0 else 0,
    )


def answers(truth: list[Truth]) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
    """Count by brute force: the metrics, the minutes, and the sessions of users."""
    # What was acknowledged less than two seconds before may be left out: here it is.
    taken = [it for it in truth if it.stored and it.received + it.later + FRESH <= AT]
    stored = [document for it in taken for document in it.documents()]
    refused = [{"rejected_at": it.received, "count": it.rejected} for it in taken]
    minutes = [
        {
            "minute": begin.isoformat(),
            "events": events,
            "page_views": views,
            "complete": begin + timedelta(minutes=1) <= AT,
        }
        for begin, events, views in expected_minutes(stored, AT, MINUTES)
    ]
    users = [_user(user_id, stored) for user_id in "abcz"]
    metrics = _document(expected_metrics(stored, AT, refused))
    return metrics, {"as_of": AT.isoformat(), "minutes": minutes}, users


def _document(expected: dict[str, Any]) -> dict[str, Any]:
    """Bring the oracle's counts into the form of `/v1/metrics`."""
    carts = dict(zip(("open", "carts", "purchases"), expected["carts"], strict=True))
    return {
        "as_of": AT.isoformat(),
        "active_users": {"window_seconds": 300, "count": expected["active_users"]},
        "page_views": {
            "window_seconds": 900,
            "total": expected["views"],
            "pages": expected["distinct_pages"],
            "top": [{"page_url": url, "views": n} for url, n in expected["pages"][:TOP]],
        },
        "active_sessions": {
            "window_seconds": 300,
            "total": expected["sessions"],
            "spread": dict(zip(("one", "two", "three_or_more"), expected["spread"], strict=True)),
            "users": [{"user_id": user, "sessions": n} for user, n in expected["users"][:TOP]],
        },
        "events": {
            "window_seconds": 900,
            "total": expected["events"],
            "types": len(expected["by_type"]),
            "by_type": expected["by_type"],
            "late": expected["late"],
            "rejected": expected["rejected"],
        },
        "arrivals": {"window_seconds": 60, "count": expected["arrived"]},
        "carts": {"window_seconds": 600} | carts,
    }


def _user(user_id: str, stored: Iterable[dict[str, Any]]) -> dict[str, Any]:
    seen = [e for e in happened(stored, AT, 5) if e["user_id"] == user_id]
    times = [e["occurred_at"] for e in seen]
    last: dict[str, datetime] = {}
    for e in sorted(seen, key=lambda e: e["occurred_at"]):
        if "session_id" in e:
            last[e["session_id"]] = e["occurred_at"]
    latest = sorted(last.items(), key=lambda row: row[0])
    latest.sort(key=lambda row: row[1], reverse=True)
    return {
        "as_of": AT.isoformat(),
        "user_id": user_id,
        "window_seconds": 300,
        "sessions": len(latest),
        "active": bool(seen),
        "last_event_at": max(times).isoformat() if seen else None,
        "latest": [
            {
                "session_id": session_id,
                "last_event_at": at.isoformat(),
                "events": sum(e.get("session_id") == session_id for e in seen),
            }
            for session_id, at in latest
        ],
    }
