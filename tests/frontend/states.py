"""The states a page has to look right in, as services that answer so."""

import json
from datetime import timedelta

from tests.frontend.answers import (
    EMPTY,
    NOON,
    history,
    metrics,
    per_minute,
    rejection,
    rejections,
    stored_event,
    stored_events,
    user_sessions,
)
from tests.frontend.payloads import HOSTILE_IDS, HOSTILE_PAGES, HOSTILE_TYPES
from tests.frontend.service import FakeApi

HUGE = 1_000_000_000_007


def in_state(name: str) -> FakeApi:
    """Make a service in the state of that name; "busy" is a good day."""
    api = FakeApi()
    match name:
        case "busy":
            api.minutes = per_minute(NOON + timedelta(seconds=40), burst=(9, 8))
        case "empty":
            _forget(api, **EMPTY)
        case "silent":
            api.metrics = metrics(silent=250, people={})
            api.history = history(api.metrics, minutes=30)
            api.minutes = per_minute(until=4)
        case "filling":
            api.metrics = metrics(
                users=58, people={"usr_1": 2, "usr_2": 1}, types={"page_view": 131},
                pages={"/": 71, "/cart": 4}, spread=(57, 1, 0), late=0, rejected=0,
                previous=None, yesterday=None,
            )  # fmt: skip
            api.history = history(api.metrics, minutes=3)
            api.minutes = per_minute(NOON + timedelta(seconds=30), views=33, since=3)
            api.rejections["rejections"] = []
        case "much":
            api.metrics = metrics(
                users=48_210, people={f"customer-{i:06}": 40 - i for i in range(10)},
                pages={page: 93_211 - 9_000 * i for i, page in enumerate(_long_pages())},
                types={"page_view": 481_223, "add_to_cart": 52_417, "begin_checkout": 18_304,
                       "purchase": 9_877, **{f"custom.type-{i}": 900 - i for i in range(90)}},
                spread=(41_300, 5_900, 1_010), late=1_204, rejected=310,
            )  # fmt: skip
            api.minutes = per_minute(NOON + timedelta(seconds=20), views=32_000)
        case "hostile":
            _attack(api)
        case "gone":
            api.fail = "gone"
        case "key":
            api.key = "k"
        case _:
            raise ValueError(name)
    return api


def _forget(api: FakeApi, **parts: object) -> None:
    api.metrics = metrics(**parts)  # type: ignore[arg-type]
    api.history = history(api.metrics, minutes=0)
    api.minutes = per_minute(views=0)
    api.rejections["rejections"] = []
    api.events["events"] = []


def _long_pages() -> list[str]:
    return [
        "/products/electronics/audio/headphones/over-ear/noise-cancelling-wireless-premium",
        "/checkout/shipping-address-and-payment-method",
        "https://shop.example/de/kategorie/garten/gartenmoebel/lounge-sets-wetterfest?color=grey",
        "/",
        "/sale",
    ]


def _attack(api: FakeApi) -> None:
    api.metrics = metrics(
        users=HUGE,
        pages={page: HUGE - i for i, page in enumerate(HOSTILE_PAGES[:5])},
        people={user: HUGE - i for i, user in enumerate(HOSTILE_IDS[-10:])},
        types={"page_view": HUGE} | {name: 10**9 - i for i, name in enumerate(HOSTILE_TYPES)},
        spread=(HUGE, HUGE, HUGE),
        late=HUGE,
        rejected=HUGE,
    )
    api.minutes = per_minute(views=10**11)
    story = json.dumps({"user_id": HOSTILE_IDS})
    api.rejections = rejections(
        *(
            rejection(i, f"unknown_field{i // 3}", "/" + mark * 9, mark * 9, story, 10**12)
            for i, mark in enumerate(HOSTILE_IDS[:6])
        )
    )
    api.events = stored_events(
        *(
            stored_event(i, user_id=mark, page_url=f"/{mark}", session_id=mark, late=i % 2 == 0)
            for i, mark in enumerate(HOSTILE_IDS)
        )
    )
    api.users = {HOSTILE_IDS[0]: user_sessions(HOSTILE_IDS[0], 500)}
