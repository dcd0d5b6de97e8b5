"""The way of every request: request id and timing, CORS, one error shape, the function's route."""

from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import Lifespan

from shared.http.error_answers import ERROR_ANSWERS
from shared.http.problems import BAD_REQUEST, Problem, problem_response
from shared.http.request_context import REQUEST_ID, RequestContext
from shared.settings import read_settings


def application(
    routes: Sequence[BaseRoute],
    resources: Callable[[], object],
    *,
    cors_origins: Sequence[str] | None = None,
    lifespan: Lifespan[Starlette] | None = None,
) -> Starlette:
    """Return the ASGI application of one function, or of several joined.

    `resources` returns what the running loop's requests work with: see `shared.resources`.
    """
    origins = read_settings().cors_origins if cors_origins is None else cors_origins
    app = Starlette(
        routes=routes,
        middleware=[Middleware(RequestContext), *_cross_origin(origins)],
        exception_handlers=ERROR_ANSWERS,
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.resources = resources
    return app


def _cross_origin(origins: Sequence[str]) -> list[Middleware]:
    if not origins:
        return []
    return [
        Middleware(
            CrossOrigin,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=[
                "Authorization",
                "Content-Encoding",
                "Content-Type",
                "X-API-Key",
                REQUEST_ID,
            ],
            expose_headers=["ETag", "RateLimit", "RateLimit-Policy", "Retry-After", REQUEST_ID],
            max_age=7200,
        )
    ]


class CrossOrigin(CORSMiddleware):
    """CORS whose refusals have the one error shape too."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """Answer a preflight request."""
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            return response
        return problem_response(Problem(BAD_REQUEST, bytes(response.body).decode()))
