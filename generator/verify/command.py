"""Ask the service for every metric and tell where it is wrong."""

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from urllib.parse import quote

import httpx

from generator.verify.compare import Differences, Document, compare, compare_minutes, compare_user
from generator.verify.ledger import Line, milliseconds, read_ledger
from generator.verify.metrics import MINUTE
from generator.verify.oracle import FRESH, Oracle

MOST = 100  # rows to ask for: the most there may be
MINUTES = 15  # of event time to ask for: those in which the service must have had no other clients
NOBODY = "nobody who was ever here"
SOME = 3  # users of each kind that are asked for by name
SNAPSHOTS = 6  # of the history that are checked, evenly spread
PATIENCE = 30.0  # seconds in which the service must answer as of the end of the ledger

NUMBERS = (  # that every answer about its subject has, stored ones too
    "active_users.count",
    "page_views.total",
    "page_views.pages",
    "active_sessions.total",
    "events.by_type",
    "events.late",
    "events.rejected",
    "arrivals.count",
    "carts.open",
    "carts.carts",
    "carts.purchases",
)

Claim = tuple[str, Document, Callable[[Document, Oracle], Differences]]


async def verify(http: httpx.AsyncClient, ledgers: Sequence[Path]) -> bool:
    """Print where the service is wrong, and return whether it is right.

    Raises OSError and ValueError where the two cannot be compared.
    """
    async with http:
        oracle = Oracle(_lines(ledgers))
        if not oracle.requests:
            raise ValueError("the ledger is empty: nothing was acknowledged")
        try:
            await _wait_until(http, max(it.received_by for it in oracle.requests) + FRESH)
            claims = await _ask(http, oracle)
            differences = [
                f"{path} as of {document['as_of']}: {difference}"
                for path, document, compared in claims
                for difference in compared(document, oracle)
            ]
        except httpx.RequestError as error:
            raise ValueError(f"cannot compare: {error or type(error).__name__}") from error
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"cannot compare: an answer is not in shape: {error!r}") from error
    for difference in differences:
        print(difference)
    verdict = "DO NOT AGREE with all of" if differences else "agree with"
    print(f"{len(claims)} answers {verdict} {len(oracle.sent):,} acknowledged events")
    return not differences


def _lines(ledgers: Sequence[Path]) -> Iterator[Line]:
    for path in ledgers:
        with path.open(encoding="utf-8") as file:
            yield from read_ledger(file)


async def _wait_until(http: httpx.AsyncClient, settled: int) -> None:
    """Return when the service answers as of `settled` (ms) or later."""
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                answer = await _get(http, "/v1/metrics/active-users")
                left = settled - milliseconds(answer["as_of"])
                if left <= 0:
                    return
                await asyncio.sleep(max(left / 1000, 0.1))
    except TimeoutError:
        raise ValueError("the service's answers stay older than the end of the ledger") from None


async def _ask(http: httpx.AsyncClient, oracle: Oracle) -> list[Claim]:
    """Ask for every metric, for some users by name, and for the history since the ledger began."""

    async def claim(path: str, compared: Callable[..., Differences], **options: object) -> None:
        claims.append((path, await _get(http, path), partial(compared, **options)))

    claims: list[Claim] = []
    limits = {"page_views.top": 5, "active_sessions.users": 10}
    await claim("/v1/metrics", compare, required=NUMBERS, limits=limits)
    await claim("/v1/metrics/active-users", compare, required=NUMBERS[:1], limits={})
    limits = {"page_views.top": MOST}
    await claim(f"/v1/metrics/page-views?limit={MOST}", compare, required=(), limits=limits)
    limits = {"active_sessions.users": MOST}
    await claim(f"/v1/metrics/active-sessions?limit={MOST}", compare, required=(), limits=limits)
    metrics = claims[0][1]
    busiest = [row["user_id"] for row in metrics["active_sessions"]["users"][:SOME]]
    newest = [sent.last.user_id for sent in oracle.sent[-SOME:]]
    for user_id in dict.fromkeys([*busiest, *newest, NOBODY]):
        path = f"/v1/metrics/active-sessions/{quote(user_id, safe='')}"
        await claim(path, compare_user, limit=MOST)
    path = f"/v1/metrics/per-minute?minutes={MINUTES}"
    await claim(path, compare_minutes, minutes=MINUTES)

    begins = min(request.received_from for request in oracle.requests)
    minutes = math.ceil((milliseconds(metrics["as_of"]) - begins) / MINUTE)
    path = f"/v1/metrics/history?minutes={min(max(minutes, 1), 1440)}"
    snapshots = (await _get(http, path))["snapshots"]
    since = [snapshot for snapshot in snapshots if milliseconds(snapshot["as_of"]) >= begins]
    step = max(math.ceil(len(since) / SNAPSHOTS), 1)
    compared = partial(compare, required=NUMBERS, limits={})
    return [*claims, *((path, snapshot, compared) for snapshot in since[::-step])]


async def _get(http: httpx.AsyncClient, path: str) -> Document:
    response = await http.get(path)
    if response.status_code != 200:
        raise ValueError(f"cannot compare: GET {path} answers {response.status_code}")
    document = response.json()
    return document if isinstance(document, dict) else {}
