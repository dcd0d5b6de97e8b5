"""The reference: a Starlette endpoint that reads the body, stores nothing and answers 202."""

import os

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def post_events(request: Request) -> Response:
    """Read and forget."""
    await request.body()
    return Response(b'{"accepted":1}', 202, media_type="application/json")


async def get_livez(_: Request) -> Response:
    """Answer that the process is up."""
    return Response(b"{}", media_type="application/json")


app = Starlette(
    routes=[Route("/v1/events", post_events, methods=["POST"]), Route("/livez", get_livez)]
)

if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(os.environ["FOOTFALL_PORT"]),
        access_log=False,
        log_level="warning",
        server_header=False,
    )
