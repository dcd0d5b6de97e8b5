"""A request and its answer, whatever carries them: HTTP, API Gateway, Lambda's runtime."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

WRITER, READER, GREEDY = "writer-key", "reader-key", "greedy-key"
# Events a year for each key: below the longest batch, beyond what WRITER sends. A year, so that no
# window ends while a test looks.
CLIENT_LIMIT = 900
SETTINGS = {
    "FOOTFALL_WRITE_KEYS": f"{WRITER},{GREEDY}",
    "FOOTFALL_READ_KEYS": READER,
    "FOOTFALL_RATE_LIMIT": f"{CLIENT_LIMIT}/year",
    "FOOTFALL_RATE_LIMIT_STORAGE": "mongodb",
    "FOOTFALL_LOG_LEVEL": "warning",
}


@dataclass(frozen=True)
class Request:
    """What a client sends. Without `length_told` nobody says how long the body is."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    length_told: bool = True


@dataclass(frozen=True)
class Answer:
    """What a client gets; the names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


Door = Callable[[Request], Answer]


def get(target: str, key: str = READER, **headers: str) -> Request:
    """Read something; underscores in the names of headers stand for hyphens."""
    return Request("GET", target, _headers(key, headers))


def post(
    content: object, key: str = WRITER, *, length_told: bool = True, **headers: str
) -> Request:
    """Post to `/v1/events`: bytes as they are, anything else as JSON."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    given = {"content_type": "application/json"} | headers
    return Request("POST", "/v1/events", _headers(key, given), body, length_told)


def _headers(key: str, others: Mapping[str, str]) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in others.items()}
    return named | ({"authorization": f"Bearer {key}"} if key else {})
