"""`GET /v1/metrics…` and `GET /v1/rejections`: the numbers, to read."""

from typing import Final

from pydantic import TypeAdapter, ValidationError
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from shared.http.application import application
from shared.http.auth import Scope
from shared.http.aws_lambda import http_handler
from shared.http.parameters import MINUTES, PAGES, REJECTED, USERS
from shared.http.problems import INVALID_PARAMETER, Problem
from shared.http.responses import json_answer
from shared.ingest.rejections import newest_rejections
from shared.metrics.compute import compute_sessions_of
from shared.metrics.snapshots import read_history
from shared.resources import Resources, loop_resources, resources_of
from shared.schema import (
    ActiveSessionsAnswer,
    ActiveUsersAnswer,
    FieldError,
    Identifier,
    PageViewsAnswer,
)

_IDENTIFIER: Final = TypeAdapter[str](Identifier)


class _Text(Convertor[str]):
    """The rest of a path, whatever it holds: Starlette's own `path` ends at a line break."""

    regex = r"[\s\S]*"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("text", _Text())


def reader(request: Request) -> Resources:
    """Give the resources to a client that may read."""
    service = resources_of(request)
    service.keys.identify(request, Scope.READ)
    return service


async def get_metrics(request: Request) -> Response:
    """Answer with everything the dashboard needs."""
    metrics = (await reader(request).metrics.get()).model_copy(deep=True)
    del metrics.page_views.top[PAGES.default :]
    del metrics.active_sessions.users[USERS.default :]
    return json_answer(request, metrics)


async def get_active_users(request: Request) -> Response:
    """Answer with the active users alone."""
    metrics = await reader(request).metrics.get()
    return json_answer(
        request, ActiveUsersAnswer(as_of=metrics.as_of, active_users=metrics.active_users)
    )


async def get_page_views(request: Request) -> Response:
    """Answer with the page views alone, as many pages as asked for."""
    service, limit = reader(request), PAGES.of(request)
    metrics = await service.metrics.get()
    views = metrics.page_views.model_copy(update={"top": metrics.page_views.top[:limit]})
    return json_answer(request, PageViewsAnswer(as_of=metrics.as_of, page_views=views))


async def get_active_sessions(request: Request) -> Response:
    """Answer with the active sessions alone, as many users as asked for."""
    service, limit = reader(request), USERS.of(request)
    metrics = await service.metrics.get()
    sessions = metrics.active_sessions
    sessions = sessions.model_copy(update={"users": sessions.users[:limit]})
    return json_answer(request, ActiveSessionsAnswer(as_of=metrics.as_of, active_sessions=sessions))


async def get_sessions_of_user(request: Request) -> Response:
    """Answer with one user's active sessions; an unknown user has none."""
    service = reader(request)
    user_id = _user_id(request)
    answer = await compute_sessions_of(service.database, user_id, service.clock())
    return json_answer(request, answer)


async def get_history(request: Request) -> Response:
    """Answer with stored snapshots, oldest first."""
    service, minutes = reader(request), MINUTES.of(request)
    return json_answer(request, await read_history(service.database, service.clock(), minutes))


async def get_rejections(request: Request) -> Response:
    """Answer with the newest refused events."""
    service, limit = reader(request), REJECTED.of(request)
    return json_answer(request, await newest_rejections(service.database, service.clock(), limit))


def _user_id(request: Request) -> str:
    user_id: str = request.path_params["user_id"]
    try:
        return _IDENTIFIER.validate_python(user_id, strict=True)
    except ValidationError:
        detail = "user_id must be a string of 1 to 128 characters, no control characters"
        error = FieldError(index=None, pointer="/user_id", code="bad_user_id", detail=detail)
        raise Problem(INVALID_PARAMETER, detail, errors=[error]) from None


routes: list[BaseRoute] = [
    Route("/v1/metrics", get_metrics),
    Route("/v1/metrics/active-users", get_active_users),
    Route("/v1/metrics/page-views", get_page_views),
    Route("/v1/metrics/active-sessions", get_active_sessions),
    Route("/v1/metrics/active-sessions/{user_id:text}", get_sessions_of_user),
    Route("/v1/metrics/history", get_history),
    Route("/v1/rejections", get_rejections),
]
app = application(routes, loop_resources)
handler = http_handler(app)
