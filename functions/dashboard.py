"""The dashboard, the API's readable description and the tracker: static files, served closed.

Every file is read, hashed and compressed once, when the process first needs it. A page's modules
are sent as one script. `index.html` and `docs.html` name their assets as `/assets/…`; they are
served with the content hash of all assets in that path, so that a browser keeps assets for a year
and never mixes two releases.
"""

import gzip
import hashlib
import json
import re
from dataclasses import dataclass, field
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from shared.api import OPERATIONS, TAGS
from shared.http import openapi
from shared.http.application import application
from shared.http.aws_lambda import http_handler
from shared.http.responses import is_known, takes_gzip
from shared.resources import loop_resources

FRONTEND: Final = Path(__file__).resolve().parent.parent / "frontend"
MODULES: Final = FRONTEND / "modules"
FILES: Final = ("style.css", "icon.svg", "theme.js")
ENTRIES: Final = ("app.js", "docs.js")  # the modules that a page starts with

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


# The forms of `import` and `export` that our modules use, each at the start of a line.
_IMPORT: Final = re.compile(
    r'^import (?:(\{\s*\w+(?:,\s*\w+)*,?\s*\})|\* as (\w+)) from "\./([a-z]+)\.js";$', re.MULTILINE
)
_EXPORT: Final = re.compile(r"^export (?=(?:const|class|(?:async )?function) (\w+))", re.MULTILINE)


def bundle(entry: str) -> str:
    """Make one script of the module `entry` and all that it imports, dependencies first.

    A module becomes a function that runs once and returns its exports, so its other names stay
    its own. Raises ValueError for an import or export of another form, and for a circular import.
    """
    sources: dict[str, str] = {}
    imports: dict[str, list[str]] = {}
    unread = [entry.removesuffix(".js")]
    while unread:
        name = unread.pop()
        if name not in sources:
            sources[name] = (MODULES / f"{name}.js").read_text("utf-8")
            imports[name] = [it[3] for it in _IMPORT.finditer(sources[name])]
            unread += imports[name]
    order = TopologicalSorter(imports).static_order()
    return "".join(_module_function(name, sources[name]) for name in order)


def _module_function(name: str, source: str) -> str:
    exports = ", ".join(it[1] for it in _EXPORT.finditer(source))
    body = _EXPORT.sub("", _IMPORT.sub(r"const \1\2 = $\3;", source))
    if unknown := re.search(r"^(?:import|export)\b.*", body, re.MULTILINE):
        raise ValueError(f"{name}.js: {unknown[0]!r} is of no form that `bundle` knows")
    return f"const ${name} = (() => {{\n{body}return {{ {exports} }};\n}})();\n"


@cache
def _assets() -> dict[str, Asset]:
    """Make everything a page names below `/assets/`."""
    plain = {name: (FRONTEND / name).read_bytes() for name in FILES}
    scripts = {name: bundle(name).encode() for name in ENTRIES}
    return {
        name: Asset(content, MEDIA_TYPES[Path(name).suffix])
        for name, content in (plain | scripts).items()
    }


@cache
def _release() -> str:
    """One hash over all assets, so that a page never meets those of another release."""
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
    return Asset(json.dumps(openapi.document(OPERATIONS, TAGS)).encode(), MEDIA_TYPES[".json"])


def _send(
    request: Request, asset: Asset, caching: str, extra: dict[str, str] | None = None
) -> Response:
    """Answer `asset`, compressed if the client takes it, or 304 if the client has it."""
    compressed = takes_gzip(request)
    etag = f'"{asset.digest}-gzip"' if compressed else f'"{asset.digest}"'
    headers = {"ETag": etag, "Cache-Control": caching, "Vary": "Accept-Encoding", **CLOSED}
    headers.update(extra or {})
    if is_known(request, etag):
        return Response(status_code=304, headers=headers)
    if compressed:
        headers["Content-Encoding"] = "gzip"
    content = asset.compressed if compressed else asset.content
    return Response(content, headers=headers, media_type=asset.media_type)


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
