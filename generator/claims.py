"""What the service says, each answer with the instant that it speaks of."""

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from generator.compare import (
    Differences,
    compare_active_sessions,
    compare_active_users,
    compare_events,
    compare_page_views,
    compare_user,
)
from generator.ledger import milliseconds
from generator.oracle import Expectation
from shared.schema import (
    ActiveSessionsAnswer,
    ActiveUsersAnswer,
    History,
    Metrics,
    PageViewsAnswer,
    Snapshot,
    UserSessionsAnswer,
)

MOST = 100  # rows to ask for: the most there may be
TOP_PAGES, TOP_USERS = 5, 10  # rows of `GET /v1/metrics`
NOBODY = "nobody who was ever here"
SOME = 3  # users of each kind that are asked for by name
SNAPSHOTS = 12  # of the history that are checked, evenly spread
PATIENCE = 30.0  # seconds in which the service must answer as of the end of the ledger

Answer = TypeVar("Answer", bound=BaseModel)


class ClaimError(Exception):
    """The service does not say anything that could be compared; the message says why."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One answer, and what the oracle is to expect at its instant."""

    name: str
    must: Expectation
    differences: Callable[[], Differences]


async def wait_until(http: httpx.AsyncClient, settled: int) -> None:
    """Return when the service answers as of `settled` (ms) or later."""
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = await _get(http, "/v1/metrics/active-users", ActiveUsersAnswer)
                left = settled - milliseconds(answer.as_of)
                if left <= 0:
                    return
                await asyncio.sleep(max(left / 1000, 0.1))
    except TimeoutError:
        raise ClaimError("the service's answers stay older than the end of the ledger") from None


async def ask_about(http: httpx.AsyncClient, users: Sequence[str], begins: int) -> list[Claim]:
    """Ask for every metric, for some of `users` by name, and for the history since `begins`."""
    metrics = await _get(http, "/v1/metrics", Metrics)
    claims = [
        _of_metrics(metrics),
        _of_active_users(await _get(http, "/v1/metrics/active-users", ActiveUsersAnswer)),
        _of_pages(await _get(http, f"/v1/metrics/page-views?limit={MOST}", PageViewsAnswer)),
        _of_sessions(
            await _get(http, f"/v1/metrics/active-sessions?limit={MOST}", ActiveSessionsAnswer)
        ),
    ]
    busiest = [row.user_id for row in metrics.active_sessions.users]
    for user_id in dict.fromkeys([*busiest[:SOME], *users[:SOME], NOBODY]):
        path = f"/v1/metrics/active-sessions/{quote(user_id, safe='')}"
        claims.append(_of_user(await _get(http, path, UserSessionsAnswer)))
    since = (milliseconds(metrics.as_of) - begins) / 60_000
    minutes = min(max(math.ceil(since), 1), 1440)
    history = await _get(http, f"/v1/metrics/history?minutes={minutes}", History)
    return [*claims, *_of_history(history, begins)]


async def _get(http: httpx.AsyncClient, path: str, model: type[Answer]) -> Answer:
    response = await http.get(path)
    if response.status_code != 200:
        raise ClaimError(f"GET {path} answers {response.status_code}")
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        raise ClaimError(f"GET {path} answers what is no {model.__name__}: {error}") from error


def _of_metrics(got: Metrics) -> Claim:
    must = Expectation(milliseconds(got.as_of))

    def differences() -> Differences:
        yield from compare_active_users(got.active_users, must)
        yield from compare_page_views(got.page_views, must, TOP_PAGES)
        yield from compare_active_sessions(got.active_sessions, must, TOP_USERS)
        yield from compare_events(got.events, must)

    return Claim("metrics", must, differences)


def _of_active_users(got: ActiveUsersAnswer) -> Claim:
    must = Expectation(milliseconds(got.as_of))
    return Claim("active-users", must, lambda: compare_active_users(got.active_users, must))


def _of_pages(got: PageViewsAnswer) -> Claim:
    must = Expectation(milliseconds(got.as_of))
    return Claim("page-views", must, lambda: compare_page_views(got.page_views, must, MOST))


def _of_sessions(got: ActiveSessionsAnswer) -> Claim:
    must = Expectation(milliseconds(got.as_of))
    return Claim(
        "active-sessions", must, lambda: compare_active_sessions(got.active_sessions, must, MOST)
    )


def _of_user(got: UserSessionsAnswer) -> Claim:
    must = Expectation(milliseconds(got.as_of), watched=got.user_id)
    return Claim(f"active-sessions/{got.user_id}", must, lambda: compare_user(got, must))


def _of_history(history: History, begins: int) -> Iterator[Claim]:
    """Take some snapshots; those from before the ledger began are not its business."""
    since = [snapshot for snapshot in history.snapshots if milliseconds(snapshot.as_of) >= begins]
    step = max(math.ceil(len(since) / SNAPSHOTS), 1)
    for snapshot in since[::-1][::step]:
        yield _of_snapshot(snapshot)


def _of_snapshot(got: Snapshot) -> Claim:
    must = Expectation(milliseconds(got.as_of))
    return Claim(
        "history",
        must,
        lambda: chain(
            compare_active_users(got.active_users, must),
            compare_page_views(got.page_views, must),
            compare_active_sessions(got.active_sessions, must),
            compare_events(got.events, must),
        ),
    )
