"""How a document is answered: as JSON, with an ETag, or as 304 where the client has it."""

import hashlib

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response


def json_answer(request: Request, document: BaseModel) -> Response:
    """Answer with a document that a client may keep but must ask about each time."""
    return tagged_answer(request, document.model_dump_json().encode(), "application/json")


def tagged_answer(
    request: Request, body: bytes, media_type: str, headers: dict[str, str] | None = None
) -> Response:
    """Answer with `body`, or with 304 where `If-None-Match` names its hash (RFC 9110, 13.1.2)."""
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"} | (headers or {})
    known = request.headers.get("If-None-Match", "")
    if etag in {tag.strip().removeprefix("W/") for tag in known.split(",")} or known == "*":
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)
