"""How a document is answered: as JSON, compressed where that pays, or as 304 where it is known."""

import gzip
import hashlib
from typing import Final

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

_WORTH_COMPRESSING: Final = 1000  # bytes; below, the headers outweigh what is saved


def json_answer(request: Request, document: BaseModel, *, only_set: bool = False) -> Response:
    """Return a document that a client may keep but must revalidate each time.

    With `only_set` fields that were never set are left out.
    """
    body = document.model_dump_json(exclude_unset=only_set).encode()
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    compressed = len(body) > _WORTH_COMPRESSING and takes_gzip(request)
    if compressed:
        headers["ETag"] = etag = f'{etag[:-1]}-gzip"'
    if is_known(request, etag):
        return Response(status_code=304, headers=headers)
    if compressed:
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, compresslevel=3, mtime=0)  # 1 ms for 100 kB, half of level 6
    return Response(body, headers=headers, media_type="application/json")


def is_known(request: Request, etag: str) -> bool:
    """Return whether `If-None-Match` names `etag`; weak comparison (RFC 9110, 13.1.2)."""
    known = request.headers.get("If-None-Match", "")
    return known == "*" or etag in {tag.strip().removeprefix("W/") for tag in known.split(",")}


def takes_gzip(request: Request) -> bool:
    """Return whether `Accept-Encoding` allows gzip; `gzip;q=0` forbids it (RFC 9110, 12.5.3)."""
    for offer in request.headers.get("Accept-Encoding", "").lower().split(","):
        coding, _, quality = (part.strip() for part in offer.partition(";"))
        if coding in {"gzip", "x-gzip"}:
            return quality.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
