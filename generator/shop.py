"""What happens in a made-up shop: visitors browse, fill a cart, check out and buy, or leave.

The caller says when something happens, the shop says what: a visitor who has dwelt long enough
acts; if there is none, a new visit begins. So the number of visitors settles at the rate of events
times the mean dwell time, whatever the rate.
"""

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import heappop, heappush

from shared.schema import PAGE_VIEW, format_instant

CATEGORIES = ("electronics", "books", "clothing", "shoes", "garden", "toys", "sports", "music")
PRODUCTS = 480

# What a visitor does next with which chance, and the median of how long they dwell (s).
LEAVE = "leave"
ENTRANCES = {"home": 0.45, "product": 0.3, "category": 0.25}
NEXT = {
    "home": {"category": 0.45, "search": 0.2, "product": 0.15, LEAVE: 0.2},
    "category": {"product": 0.6, "category": 0.15, "search": 0.05, "home": 0.05, LEAVE: 0.15},
    "search": {"product": 0.65, "search": 0.1, LEAVE: 0.25},
    "product": {"product": 0.2, "category": 0.2, "add_to_cart": 0.18, "search": 0.07, LEAVE: 0.35},
    "add_to_cart": {"cart": 0.5, "product": 0.25, "category": 0.2, LEAVE: 0.05},
    "cart": {"checkout": 0.55, "product": 0.15, "category": 0.1, LEAVE: 0.2},
    "checkout": {"purchase": 0.65, "cart": 0.1, LEAVE: 0.25},
    "purchase": {"home": 0.15, LEAVE: 0.85},
}
DWELL = {
    "home": 6.0, "category": 12.0, "search": 8.0, "product": 20.0,
    "add_to_cart": 3.0, "cart": 10.0, "checkout": 25.0, "purchase": 8.0,
}  # fmt: skip
PAGES = {"home": "/", "cart": "/cart", "checkout": "/checkout", "purchase": "/checkout/complete"}
ACTIONS = {"add_to_cart", "checkout", "purchase"}  # the other steps are page views

SECOND_SESSION = 0.15  # of visits: by somebody who is in the shop already, on another device
NO_SESSION = 0.01  # of visits: by somebody whose browser keeps no cookies


@dataclass(slots=True)
class Visit:
    """One session of one user, and what they do next."""

    user_id: str
    session_id: str | None
    step: str
    product: str = ""


class Shop:
    """Visits by `users` people, decided by `seed` and the instant at which they begin.

    Two different shops share no `event_id`; the same seed and start give the same ones again.
    """

    def __init__(self, seed: int, users: int, begins: datetime) -> None:
        self._rng = random.Random(f"shop {seed}")  # noqa: S311 - a simulation, not a secret
        self._users = users
        self._begins = begins
        self._run = f"{seed:x}-{int(begins.timestamp() * 1000):x}"
        self._events = 0
        self._visits: list[tuple[float, int, Visit]] = []  # a heap by when they act next

    def next_event(self, offset: float) -> dict[str, object]:
        """Return what happens `offset` seconds after the beginning; offsets must not fall."""
        self._events += 1
        waits = self._visits and self._visits[0][0] <= offset
        visit = heappop(self._visits)[2] if waits else self._welcome()
        event = self._act(visit, offset)
        dwell = DWELL[visit.step] * self._rng.lognormvariate(0, 0.7)
        visit.step = self._draw(NEXT[visit.step])
        if visit.step != LEAVE:
            heappush(self._visits, (offset + dwell, self._events, visit))
        return event

    def timestamp(self, offset: float) -> str:
        """Return the instant `offset` seconds after the beginning."""
        return format_instant(self._begins + timedelta(seconds=offset))

    def _welcome(self) -> Visit:
        rng = self._rng
        if self._visits and rng.random() < SECOND_SESSION:
            user_id = rng.choice(self._visits)[2].user_id
        else:  # the exponent makes 1 % of the users 4.6 % of the visits
            user_id = f"usr_{int(self._users * rng.random() ** 1.5)}"
        session_id = None if rng.random() < NO_SESSION else f"sess_{rng.getrandbits(64):016x}"
        return Visit(user_id, session_id, self._draw(ENTRANCES))

    def _act(self, visit: Visit, offset: float) -> dict[str, object]:
        event: dict[str, object] = {
            "timestamp": self.timestamp(offset),
            "user_id": visit.user_id,
            "event_type": visit.step if visit.step in ACTIONS else PAGE_VIEW,
            "page_url": self._page(visit),
            "event_id": f"{self._run}-{self._events:x}",
        }
        if visit.session_id is not None:
            event["session_id"] = visit.session_id
        if visit.step == "add_to_cart":
            event["properties"] = {"price": 0.99 + int(self._rng.expovariate(0.02)), "quantity": 1}
        return event

    def _page(self, visit: Visit) -> str:
        if visit.step == "product":
            number, category = divmod(self._popular(PRODUCTS), len(CATEGORIES))
            visit.product = f"/products/{CATEGORIES[category]}/{number + 1}"
        if visit.step in {"product", "add_to_cart"}:
            return visit.product
        if visit.step in PAGES:
            return PAGES[visit.step]
        name = CATEGORIES[self._popular(len(CATEGORIES))]
        return f"/search?q={name}" if visit.step == "search" else f"/products/{name}"

    def _popular(self, number: int) -> int:
        """Return one of `range(number)`, the r-th about 1/r as often as the first (Zipf's law)."""
        return int((number + 1) ** self._rng.random()) - 1

    def _draw(self, chances: dict[str, float]) -> str:
        return self._rng.choices(list(chances), list(chances.values()))[0]
