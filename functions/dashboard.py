"""The dashboard, the API's readable description and the tracker: static files, served closed.

Every file is read, hashed and compressed once, when the process first needs it. `index.html` and
`docs.html` name their assets as `/assets/…`; they are served with the content hash of all assets
in that path, so that a browser keeps assets for a year and never mixes two releases.
"""

import gzip
import hashlib
import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from shared.api import OPERATIONS
from shared.http import openapi
from shared.http.application import application
from shared.http.aws_lambda import http_handler
from shared.resources import loop_resources

FRONTEND: Final = Path(__file__).resolve().parent.parent / "frontend"
ASSETS: Final = FRONTEND / "assets"

MEDIA_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
CLOSED: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
# Shops on other origins include the tracker; it changes seldom and must not cost them a request
# on every page.
EMBEDDABLE: Final = {"Cross-Origin-Resource-Policy": "cross-origin"}

REVALIDATE: Final = "no-cache"
AN_HOUR: Final = "public, max-age=3600"
FOR_EVER: Final = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Asset:
    """One file as it is sent: plain, compressed, and the hash that names both."""

    content: bytes
    media_type: str
    digest: str = field(init=False)
    compressed: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Hash and compress the content."""
        object.__setattr__(self, "digest", _digest(self.content))
        object.__setattr__(self, "compressed", gzip.compress(self.content, mtime=0))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:20]


@cache
def _assets() -> dict[str, Asset]:
    """Read every file under `assets`, by its path there."""
    return {
        path.relative_to(ASSETS).as_posix(): Asset(path.read_bytes(), MEDIA_TYPES[path.suffix])
        for path in sorted(ASSETS.rglob("*"))
        if path.suffix in MEDIA_TYPES
    }


@cache
def _release() -> str:
    """One hash over all assets: modules import each other, so they change together."""
    return _digest("".join(f"{path}={it.digest};" for path, it in _assets().items()).encode())


@cache
def _page(name: str) -> Asset:
    html = (FRONTEND / name).read_text("utf-8")
    html = html.replace('"/assets/', f'"/assets/{_release()}/')
    return Asset(html.encode(), MEDIA_TYPES[".html"])


@cache
def _tracker() -> Asset:
    return Asset((FRONTEND / "tracker.js").read_bytes(), MEDIA_TYPES[".js"])


@cache
def _description() -> Asset:
    return Asset(json.dumps(openapi.document(OPERATIONS)).encode(), MEDIA_TYPES[".json"])


def _send(
    request: Request, asset: Asset, caching: str, extra: dict[str, str] | None = None
) -> Response:
    """Answer `asset`, compressed if the client takes it, or 304 if the client has it."""
    compressed = _takes_gzip(request.headers.get("accept-encoding", ""))
    etag = f'"{asset.digest}-gzip"' if compressed else f'"{asset.digest}"'
    headers = {"ETag": etag, "Cache-Control": caching, "Vary": "Accept-Encoding", **CLOSED}
    headers.update(extra or {})
    if _has(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    if compressed:
        headers["Content-Encoding"] = "gzip"
    content = asset.compressed if compressed else asset.content
    return Response(content, headers=headers, media_type=asset.media_type)


def _takes_gzip(accept_encoding: str) -> bool:
    """Whether the header allows gzip; `gzip;q=0` forbids it (RFC 9110, 12.5.3)."""
    for offer in accept_encoding.lower().split(","):
        coding, _, quality = (part.strip() for part in offer.partition(";"))
        if coding in {"gzip", "x-gzip"}:
            return quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False


def _has(if_none_match: str, etag: str) -> bool:
    """Whether the client named `etag`; weak comparison, as a proxy may have weakened it."""
    named = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in named or "*" in named


async def _index(request: Request) -> Response:
    return _send(request, _page("index.html"), REVALIDATE)


async def _docs(request: Request) -> Response:
    return _send(request, _page("docs.html"), REVALIDATE)


async def _openapi(request: Request) -> Response:
    return _send(request, _description(), REVALIDATE)


async def _tracker_script(request: Request) -> Response:
    return _send(request, _tracker(), AN_HOUR, EMBEDDABLE)


async def _asset(request: Request) -> Response:
    """Send an asset; a page of another release gets today's file, and may not keep it."""
    release, _, path = request.path_params["path"].partition("/")
    if not path:
        release, path = "", release
    asset = _assets().get(path)
    if asset is None:
        raise HTTPException(404)
    return _send(request, asset, FOR_EVER if release == _release() else REVALIDATE)


routes: list[BaseRoute] = [
    Route("/", _index),
    Route("/docs", _docs),
    Route("/openapi.json", _openapi),
    Route("/tracker.js", _tracker_script),
    Route("/assets/{path:path}", _asset),
]
app = application(routes, loop_resources)
handler = http_handler(app)
