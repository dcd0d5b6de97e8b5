"""`GET /v1/metrics…` and `GET /v1/rejections`: the numbers, to read."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from shared import api
from shared.http.application import application
from shared.http.auth import Scope
from shared.http.aws_lambda import http_handler
from shared.http.problems import REBUILDING, Problem
from shared.http.responses import json_answer
from shared.ingest.rejections import newest_rejections
from shared.metrics.active_sessions import ACTIVE_SESSIONS
from shared.metrics.current import RebuildingError
from shared.metrics.engine.metric import Metric
from shared.metrics.one_user import sessions_of_user
from shared.metrics.per_minute import read_per_minute
from shared.metrics.registry import ANSWERS, METRICS, Metrics, shortened, shown
from shared.metrics.snapshots import read_history
from shared.resources import Resources, loop_resources, reading, resources_of
from shared.storage.database import Document


class _Text(Convertor[str]):
    """The rest of a path, whatever it holds: Starlette's own `path` ends at a line break."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("text", _Text())


def reader(request: Request) -> Resources:
    """Return the resources for a client that may read."""
    service = resources_of(request)
    service.keys.identify(request, Scope.READ)
    return service


async def current(service: Resources) -> Document:
    """Return every metric as it is now, or raise a 503 problem that says how far that is."""
    await service.clock_skew.check()
    with telling_of_rebuilds():
        return await service.metrics.get()


@contextmanager
def telling_of_rebuilds() -> Iterator[None]:
    """Raise a 503 problem with a rebuild's progress if it exceeds the read deadline."""
    try:
        yield
    except RebuildingError as error:
        raise Problem(REBUILDING, f"The metrics are being rebuilt: {error}") from None


async def get_metrics(request: Request) -> Response:
    """Answer with everything the dashboard needs."""
    document = await current(reader(request))
    return json_answer(request, Metrics.model_validate(shown(document)))


def get_one(metric: Metric) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a single metric, with as many rows of its ranking as asked for."""

    async def get(request: Request) -> Response:
        service = reader(request)
        limit = api.rows_of(metric).of(request) if metric.ranking else None
        document = await current(service)
        part = shortened(metric, document[metric.name], limit)
        answer = {"as_of": document["as_of"], metric.name: part}
        return json_answer(request, ANSWERS[metric.name].model_validate(answer))

    get.__name__ = f"get_{metric.name}"
    return get


get_ranked_users = get_one(ACTIVE_SESSIONS)


async def get_active_sessions(request: Request) -> Response:
    """Answer with the active sessions of all users, or of the one that is asked for."""
    reader(request)
    user_id = api.BY_USER.of(request)
    if user_id is None:
        return await get_ranked_users(request)
    return await _one_user(request, user_id)


async def get_sessions_of_user(request: Request) -> Response:
    """Answer with one user's active sessions; an unknown user has none."""
    return await _one_user(request, api.BY_USER.in_path(request))


async def _one_user(request: Request, user_id: str) -> Response:
    async with reading(request) as service:
        await service.clock_skew.check()
        answer = await sessions_of_user(service.database, user_id, service.clock())
        return json_answer(request, answer)


async def get_per_minute(request: Request) -> Response:
    """Answer with events and page views by minute."""
    service, minutes = reader(request), api.PER_MINUTE.of(request)
    await service.clock_skew.check()
    async with reading(request):
        with telling_of_rebuilds():
            found = await read_per_minute(service.database, service.metrics, minutes)
        return json_answer(request, found)


async def get_history(request: Request) -> Response:
    """Answer with stored snapshots, oldest first."""
    async with reading(request) as service:
        minutes, after = api.MINUTES.of(request), api.AFTER.of(request)
        history = await read_history(service.database, service.clock(), minutes, after)
        return json_answer(request, history)


async def get_rejections(request: Request) -> Response:
    """Answer with the newest refused events."""
    async with reading(request) as service:
        limit = api.REJECTED.of(request)
        found = await newest_rejections(service.database, service.clock(), limit)
        return json_answer(request, found)


routes: list[BaseRoute] = [
    Route("/v1/metrics", get_metrics),
    Route(ACTIVE_SESSIONS.path, get_active_sessions),
    *(Route(metric.path, get_one(metric)) for metric in METRICS if metric is not ACTIVE_SESSIONS),
    Route("/v1/metrics/active-sessions/{user_id:text}", get_sessions_of_user),
    Route("/v1/metrics/per-minute", get_per_minute),
    Route("/v1/metrics/history", get_history),
    Route("/v1/rejections", get_rejections),
]
app = application(routes, loop_resources)
handler = http_handler(app)
