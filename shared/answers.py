"""How a document is answered: as JSON, with an ETag, or as 304 where the client has it."""

import hashlib

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response


def json_answer(request: Request, document: BaseModel) -> Response:
    """Answer with a document that a client may keep but must ask about each time.

    304 where `If-None-Match` names its hash (RFC 9110, 13.1.2).
    """
    body = document.model_dump_json().encode()
    etag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    known = request.headers.get("If-None-Match", "")
    if etag in {tag.strip().removeprefix("W/") for tag in known.split(",")} or known == "*":
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")
