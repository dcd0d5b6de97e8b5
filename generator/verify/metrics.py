"""What every metric counts, as the API's contract defines it: the one table to extend.

A metric is named by its place in the answer. Windows end at the answer's `as_of` and are half-open:
`as_of - window < occurred_at <= as_of`.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from generator.verify.oracle import Event, Oracle, Request, Window
from shared.schema import PAGE_VIEW

MINUTE: Final = 60_000  # ms
SUMMED: Final = 2_000  # ms by which refusals in a flood, summed up once a second, are noted later

Events = Sequence[Event]
Count = int | Counter[str]  # a number, or a number by name


@dataclass(frozen=True, slots=True)
class Occurred:
    """A count of the events that occurred in a window."""

    window: int  # ms
    count: Callable[[Events], Count]
    rows: tuple[str, str] | None = None  # fields of a ranking: most first, ties by name
    grows: bool = True  # one event more makes it no smaller; else it changes it by at most 1

    def bounds(self, oracle: Oracle, at: int) -> tuple[Count, Count]:
        """Return the least and the most that it can be as of `at`."""
        return self.within(oracle.window(at - self.window, at, at))

    def within(self, window: Window) -> tuple[Count, Count]:
        """Return the least and the most that it can be over these events."""
        least = self.count(window.certain)
        if window.certain == window.possible:
            return least, least
        if self.grows:
            return least, self.count(window.possible)
        unclear = (Counter(window.possible) - Counter(window.certain)).total()
        return _plus(least, -unclear), _plus(least, unclear)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A sum over the requests that arrived in a window."""

    window: int  # ms
    numbers: Callable[[Request], tuple[int, int]]  # the fewest and the most of one request
    noted_within: int = 0  # ms after the arrival

    def bounds(self, oracle: Oracle, at: int) -> tuple[Count, Count]:
        """Return the least and the most that it can be as of `at`."""
        after, least, most = at - self.window, 0, 0
        for request in oracle.requests:
            earliest, latest = request.received_from, request.received_by + self.noted_within
            fewest, greatest = self.numbers(request)
            most += greatest * (latest > after and earliest <= at)
            least += fewest * (earliest > after and latest <= at and request.counted_by <= at)
        return least, most


def _users(events: Events) -> int:
    return len({event.user_id for event in events})


def _views(events: Events) -> Counter[str]:
    return Counter(event.page_url for event in events if event.event_type == PAGE_VIEW)


def _types(events: Events) -> Counter[str]:
    return Counter(event.event_type for event in events)


def _sessions(events: Events) -> set[tuple[str, str]]:
    return {(e.user_id, e.session_id) for e in events if e.session_id is not None}


def _last(events: Events, event_type: str | None = None) -> dict[tuple[str, str], int]:
    """Return when the last event, or the last of that type, of each session was."""
    last: dict[tuple[str, str], int] = {}
    for user_id, session_id, kind, _, at in events:
        if session_id is not None and event_type in {None, kind}:
            last[user_id, session_id] = max(last.get((user_id, session_id), at), at)
    return last


def _per_user(events: Events) -> Counter[str]:
    return Counter(user_id for user_id, _ in _sessions(events))


def _spread(events: Events) -> Counter[str]:
    """Return how many users have one, two, and three or more sessions."""
    users = Counter(min(sessions, 3) for sessions in _per_user(events).values())
    return Counter({"one": users[1], "two": users[2], "three_or_more": users[3]})


def _open_carts(events: Events) -> int:
    """Return the sessions that put something into the cart and have bought nothing since."""
    bought = _last(events, "purchase")
    filled = _last(events, "add_to_cart")
    return sum(bought.get(session, -1) < last for session, last in filled.items())


def _latest(events: Events) -> Counter[str]:
    """Return when the last event of each session was; for the events of one user."""
    return Counter({session_id: at for (_, session_id), at in _last(events).items()})


def _plus(count: Count, number: int) -> Count:
    if isinstance(count, Counter):
        return Counter({name: value + number for name, value in count.items()})
    return count + number


METRICS: Final[Mapping[str, Occurred | Arrived]] = {
    "active_users.count": Occurred(5 * MINUTE, _users),
    "page_views.total": Occurred(15 * MINUTE, lambda events: _views(events).total()),
    "page_views.pages": Occurred(15 * MINUTE, lambda events: len(_views(events))),
    "page_views.top": Occurred(15 * MINUTE, _views, rows=("page_url", "views")),
    "active_sessions.total": Occurred(5 * MINUTE, lambda events: len(_sessions(events))),
    "active_sessions.spread": Occurred(5 * MINUTE, _spread, grows=False),
    "active_sessions.users": Occurred(5 * MINUTE, _per_user, rows=("user_id", "sessions")),
    "events.total": Occurred(15 * MINUTE, len),
    "events.types": Occurred(15 * MINUTE, lambda events: len(_types(events))),
    "events.by_type": Occurred(15 * MINUTE, _types),
    "events.late": Arrived(15 * MINUTE, lambda request: request.late),
    "events.rejected": Arrived(15 * MINUTE, lambda request: request.rejected, SUMMED),
    "arrivals.count": Arrived(MINUTE, lambda request: request.accepted),
    "carts.carts": Occurred(10 * MINUTE, lambda events: len(_last(events, "add_to_cart"))),
    "carts.purchases": Occurred(10 * MINUTE, lambda events: len(_last(events, "purchase"))),
    "carts.open": Occurred(10 * MINUTE, _open_carts, grows=False),
}
OF_ONE_USER: Final[Mapping[str, Occurred]] = {  # of `active-sessions/{user_id}`
    "sessions": Occurred(5 * MINUTE, lambda events: len(_sessions(events))),
    "active": Occurred(5 * MINUTE, lambda events: int(bool(events))),
    "last_event_at": Occurred(5 * MINUTE, lambda events: max((e.at for e in events), default=0)),
    "latest": Occurred(5 * MINUTE, _latest, rows=("session_id", "last_event_at")),
}
OF_ONE_MINUTE: Final[Mapping[str, Occurred]] = {  # of `per-minute`, whole minutes of event time
    "events": Occurred(MINUTE, len),
    "page_views": Occurred(MINUTE, lambda events: _views(events).total()),
}
