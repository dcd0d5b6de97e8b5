"""The API's description, OpenAPI 3.1, made from the table of operations and the models."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from shared.http.auth import Scope
from shared.http.parameters import Parameter
from shared.http.problems import Failure, ProblemDocument
from shared.schema import MAX_BATCH, Event, Identifier

Schema = dict[str, Any]

_REF: Final = "#/components/schemas/{model}"
_RATE_HEADERS: Final = ("RateLimit", "RateLimit-Policy")


@dataclass(frozen=True)
class Operation:
    """One operation: where it is, who may call it, what it answers."""

    method: str
    path: str
    summary: str
    answer: type[BaseModel] | str  # a document, or the media type of something else
    scope: Scope | None = None
    status: int = 200
    parameters: tuple[Parameter, ...] = ()
    takes_events: bool = False
    cached: bool = False  # carries an ETag and answers 304
    failures: tuple[Failure, ...] = ()


def document(operations: Sequence[Operation]) -> Schema:
    """Return the whole description."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Footfall",
            "version": "1",
            "description": "Real-time analytics for an e-commerce platform. Instants are UTC, to "
            "the millisecond. A window at time T is half-open: T − length < event time ≤ T.",
        },
        "paths": _paths(operations),
        "components": {
            "schemas": _schemas(operations),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    }


def _paths(operations: Sequence[Operation]) -> Schema:
    paths: Schema = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _describe(operation)
    return paths


def _describe(operation: Operation) -> Schema:
    described: Schema = {
        "summary": operation.summary,
        "operationId": f"{operation.method} {operation.path}",
        "responses": _responses(operation),
    }
    parameters = _parameters(operation)
    if parameters:
        described["parameters"] = parameters
    if operation.scope:
        # The empty one: a service without keys asks for none.
        described["security"] = [{"bearer": []}, {"key": []}, {}]
        described["description"] = f"Needs a {operation.scope} key where the service has any."
    if operation.takes_events:
        described["requestBody"] = _events_body()
    return described


def _parameters(operation: Operation) -> list[Schema]:
    parameters = []
    if "{user_id}" in operation.path:
        schema = TypeAdapter(Identifier).json_schema()
        parameters.append({"name": "user_id", "in": "path", "required": True, "schema": schema})
    parameters += [
        {"name": it.name, "in": "query", "schema": it.schema} for it in operation.parameters
    ]
    return parameters


def _events_body() -> Schema:
    event = {"$ref": _REF.format(model="Event")}
    batch = {"type": "array", "items": event, "minItems": 1, "maxItems": MAX_BATCH}
    return {
        "required": True,
        "description": "At most 1 MiB after decompression; Content-Encoding may be gzip.",
        "content": {
            "application/json": {"schema": {"oneOf": [event, batch]}},
            "application/x-ndjson": {
                "schema": {"type": "string", "description": "one event a line"}
            },
        },
    }


def _responses(operation: Operation) -> Schema:
    responses: Schema = {str(operation.status): _success(operation)}
    if operation.cached:
        responses["304"] = {"description": "Not changed since the ETag in If-None-Match"}
    by_status: dict[int, list[Failure]] = {}
    for failure in operation.failures:
        by_status.setdefault(failure.status, []).append(failure)
    for status, failures in sorted(by_status.items()):
        responses[str(status)] = _failure(failures)
    return responses


def _success(operation: Operation) -> Schema:
    headers = ["X-Request-ID"]
    if operation.cached:
        headers.append("ETag")
    if operation.takes_events:
        headers.extend(_RATE_HEADERS)
    if isinstance(operation.answer, str):
        content: Schema = {operation.answer: {}}
    else:
        model = _REF.format(model=operation.answer.__name__)
        content = {"application/json": {"schema": {"$ref": model}}}
    return {
        "description": operation.summary,
        "headers": {name: {"schema": {"type": "string"}} for name in headers},
        "content": content,
    }


def _failure(failures: list[Failure]) -> Schema:
    described: Schema = {
        "description": "; ".join(f"{failure.title} ({failure.tag})" for failure in failures),
        "content": {
            "application/problem+json": {"schema": {"$ref": _REF.format(model="ProblemDocument")}}
        },
    }
    if any(failure.retry_after is not None for failure in failures):
        described["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return described


def _schemas(operations: Sequence[Operation]) -> Schema:
    models: list[type[BaseModel]] = [ProblemDocument]
    models += [o.answer for o in operations if not isinstance(o.answer, str)]
    _, described = models_json_schema(
        [(model, "serialization") for model in models], ref_template=_REF
    )
    schemas: Schema = described["$defs"]
    schemas["Event"] = TypeAdapter(Event).json_schema()
    return schemas
