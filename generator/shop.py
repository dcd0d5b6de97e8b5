"""Visitors of a made-up shop: who does what next.

The caller says when something happens; the shop says what. Whoever has dwelt long enough acts;
if nobody has, a new visit begins. So the number of visitors settles by itself at the rate times
the mean dwell time, whatever the rate.
"""

import random
from bisect import bisect
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import accumulate

from shared.schema import PAGE_VIEW, format_instant

CATEGORIES = (
    "electronics", "books", "clothing", "shoes", "garden", "kitchen",
    "toys", "sports", "beauty", "music", "office", "pets",
)  # fmt: skip
PRODUCTS_PER_CATEGORY = 40

# A step, what a visitor does next with which chance, and the median of how long they dwell (s).
LEAVE = "leave"
ENTRANCES = {"home": 0.45, "product": 0.3, "category": 0.25}
WALK: dict[str, dict[str, float]] = {
    "home": {"category": 0.45, "search": 0.2, "product": 0.15, LEAVE: 0.2},
    "category": {"product": 0.6, "category": 0.15, "search": 0.05, "home": 0.05, LEAVE: 0.15},
    "search": {"product": 0.65, "search": 0.1, LEAVE: 0.25},
    "product": {"product": 0.2, "category": 0.2, "add_to_cart": 0.18, "search": 0.07, LEAVE: 0.35},
    "add_to_cart": {"cart": 0.5, "product": 0.25, "category": 0.2, LEAVE: 0.05},
    "cart": {"checkout": 0.5, "product": 0.15, "category": 0.1, LEAVE: 0.25},
    "checkout": {"purchase": 0.65, "cart": 0.1, LEAVE: 0.25},
    "purchase": {"home": 0.15, LEAVE: 0.85},
}
DWELL = {
    "home": 6.0, "category": 12.0, "search": 8.0, "product": 20.0,
    "add_to_cart": 3.0, "cart": 12.0, "checkout": 40.0, "purchase": 8.0,
}  # fmt: skip

SECOND_DEVICE = 0.15  # visits by somebody who is in the shop already
NO_COOKIES = 0.02  # visits without a session


class Choice:
    """Draws from weighted names; faster than `random.choices`, which builds its table each time."""

    def __init__(self, weights: dict[str, float]) -> None:
        self._names = list(weights)
        self._bounds = list(accumulate(weights.values()))

    def draw(self, rng: random.Random) -> str:
        """Return one name, each as often as its weight says."""
        return self._names[bisect(self._bounds, rng.random() * self._bounds[-1])]


def _products() -> dict[str, float]:
    """Return all product pages; the r-th most popular is viewed 1/r as often as the first."""
    pages = [
        f"/products/{category}/{number}"
        for number in range(1, PRODUCTS_PER_CATEGORY + 1)
        for category in CATEGORIES
    ]
    return {page: 1 / rank for rank, page in enumerate(pages, 1)}


_ENTRANCE = Choice(ENTRANCES)
_NEXT = {step: Choice(chances) for step, chances in WALK.items()}
_PRODUCT = Choice(_products())
_CATEGORY = Choice({name: 1 / rank for rank, name in enumerate(CATEGORIES, 1)})
_FIXED = {"home": "/", "cart": "/cart", "checkout": "/checkout", "purchase": "/checkout/complete"}


@dataclass(slots=True, order=True)
class Visit:
    """One session of one user, waiting to act at `due`."""

    due: float
    number: int
    user_id: str = field(compare=False)
    session_id: str | None = field(compare=False)
    step: str = field(compare=False)
    product: str = field(compare=False, default="")
    basket: int = field(compare=False, default=0)  # cents


class Shop:
    """An endless, seeded stream of events that obey the contract.

    `run` must differ between runs: it makes the `event_id`s. `users` is how many people there
    are to come; the first of them come oftenest.
    """

    def __init__(self, rng: random.Random, users: int, begins: datetime, run: str) -> None:
        self._rng = rng
        self._users = users
        self._begins = begins
        self._run = run
        self._visits: list[Visit] = []  # a heap
        self._welcomed = 0
        self._events = 0

    def next_event(self, offset: float) -> dict[str, object]:
        """Return what happens `offset` seconds after the start; offsets must not fall."""
        if self._visits and self._visits[0].due <= offset:
            visit = heappop(self._visits)
        else:
            visit = self._welcome()
        event = self._act(visit, offset)
        step = _NEXT[visit.step].draw(self._rng)
        if step != LEAVE:
            visit.due = offset + DWELL[visit.step] * self._rng.lognormvariate(0, 0.7)
            visit.step = step
            heappush(self._visits, visit)
        return event

    def _welcome(self) -> Visit:
        rng = self._rng
        if self._visits and rng.random() < SECOND_DEVICE:
            user_id = self._visits[int(rng.random() * len(self._visits))].user_id
        else:  # the exponent makes 1 % of the users 4.6 % of the visits
            user_id = f"usr_{int(self._users * rng.random() ** 1.5)}"
        session_id = None if rng.random() < NO_COOKIES else f"sess_{rng.getrandbits(64):016x}"
        self._welcomed += 1
        return Visit(0.0, self._welcomed, user_id, session_id, _ENTRANCE.draw(rng))

    def _act(self, visit: Visit, offset: float) -> dict[str, object]:
        self._events += 1
        event: dict[str, object] = {
            "timestamp": format_instant(self._begins + timedelta(seconds=offset)),
            "user_id": visit.user_id,
            "event_type": PAGE_VIEW,
            "page_url": self._page(visit),
            "event_id": f"{self._run}-{self._events:x}",
        }
        if visit.session_id is not None:
            event["session_id"] = visit.session_id
        if visit.step == "add_to_cart":
            price = 199 + 50 * int(self._rng.expovariate(0.02))
            visit.basket += price
            event["event_type"] = "add_to_cart"
            event["properties"] = {"price": price / 100, "quantity": 1}
        elif visit.step == "purchase":
            event["event_type"] = "purchase"
            event["properties"] = {"total": visit.basket / 100}
            visit.basket = 0
        return event

    def _page(self, visit: Visit) -> str:
        if visit.step == "product":
            visit.product = _PRODUCT.draw(self._rng)
            return visit.product
        if visit.step == "add_to_cart":
            return visit.product
        if visit.step == "category":
            return f"/products/{_CATEGORY.draw(self._rng)}"
        if visit.step == "search":
            return f"/search?q={_CATEGORY.draw(self._rng)}"
        return _FIXED[visit.step]
