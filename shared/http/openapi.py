"""The API's description, OpenAPI 3.1, made from the table of operations and the models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import models_json_schema

from shared import VERSION
from shared.http.auth import Scope
from shared.http.parameters import Parameter
from shared.http.problems import BAD_REQUEST, FAILURES, HEAD_TOO_LARGE, Failure, ProblemDocument
from shared.schema import Event

Schema = dict[str, Any]

_REF: Final = "#/components/schemas/{model}"
_SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "the key"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "the key"},
    "basic": {"type": "http", "scheme": "basic", "description": "the key as user name"},
}
_HEADERS: Final = {
    "X-Request-ID": ("the request's own, or a new one", "9f86d081884c7d659a2feaa0c55ad015"),
    "ETag": ("the version of the answer, for If-None-Match", '"5f2d1c0b9a8e7d6c5b4a"'),
    "RateLimit": ("what is left of the limits", '"client";r=997;t=1, "total";r=9997;t=1'),
    "RateLimit-Policy": ("the limits", '"client";q=1000;w=1, "total";q=10000;w=1'),
}
_EVERYWHERE: Final = (BAD_REQUEST, HEAD_TOO_LARGE)  # found before the operation is


@dataclass(frozen=True)
class Body:
    """What an operation takes: a media type object for each media type."""

    description: str
    content: Mapping[str, Schema]

    @property
    def example(self) -> Any:  # noqa: ANN401 - whatever JSON
        """Return the first example of the first media type."""
        return next(iter(next(iter(self.content.values()))["examples"].values()))["value"]


@dataclass(frozen=True)
class Operation:
    """One operation: what clients call it, where it is, who may call it, what it answers."""

    name: str
    method: str
    path: str
    tag: str
    summary: str
    answer: type[BaseModel] | str  # a document, or the media type of something else
    scope: Scope | None = None
    status: int = 200
    parameters: tuple[Parameter, ...] = ()
    body: Body | None = None
    cached: bool = False  # carries an ETag and answers 304
    failures: tuple[Failure, ...] = ()
    example: Any = None  # of an answer that is no document
    or_answer: type[BaseModel] | None = None  # the other document, if a parameter asks for it

    @property
    def takes_events(self) -> bool:
        """Return whether events are sent to it."""
        return self.body is not None


def ref(model: str) -> Schema:
    """Return the reference to a schema of the description."""
    return {"$ref": _REF.format(model=model)}


def document(operations: Sequence[Operation], tags: Mapping[str, str]) -> Schema:
    """Return the whole description; `tags` are the groups of operations with their meaning."""
    schemas = _schemas(operations)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Footfall",
            "version": VERSION,
            "description": "Real-time analytics for an e-commerce platform. Instants are UTC, to "
            "the millisecond. A window at time T is half-open: T − length < event time ≤ T.",
            "contact": {"name": "Whoever runs this service"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "The service that this description is from"}],
        "tags": [{"name": name, "description": meaning} for name, meaning in tags.items()],
        "paths": _paths(operations, schemas),
        "components": {"schemas": schemas, "securitySchemes": _SCHEMES},
        "x-problems": [
            {"tag": it.tag, "status": it.status, "title": it.title, "what_to_do": it.what_to_do}
            for it in FAILURES
        ],
    }


def _paths(operations: Sequence[Operation], schemas: Schema) -> Schema:
    paths: Schema = {}
    for operation in operations:
        described = _describe(operation, schemas)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return paths


def _describe(operation: Operation, schemas: Schema) -> Schema:
    scope = operation.scope
    # The empty one: a service without keys asks for none.
    security: list[Schema] = [*({name: []} for name in _SCHEMES), {}] if scope else []
    described: Schema = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": f"Needs a {scope} key where the service has any."
        if scope
        else "Needs no key.",
        "security": security,
        "responses": _responses(operation, schemas),
    }
    if parameters := [_parameter(operation, it) for it in operation.parameters]:
        described["parameters"] = parameters
    if operation.body:
        described["requestBody"] = {
            "required": True,
            "description": operation.body.description,
            "content": operation.body.content,
        }
    return described


def _parameter(operation: Operation, parameter: Parameter) -> Schema:
    in_path = f"{{{parameter.name}}}" in operation.path
    return {
        "name": parameter.name,
        "in": "path" if in_path else "query",
        "required": in_path,
        "description": parameter.meaning,
        "schema": parameter.schema,
        "example": _example(parameter.schema, {}),
    }


def _responses(operation: Operation, schemas: Schema) -> Schema:
    responses: Schema = {str(operation.status): _success(operation, schemas)}
    if operation.cached:
        responses["304"] = {"description": "Not changed since the ETag in If-None-Match"}
    by_status: dict[int, list[Failure]] = {}
    for failure in dict.fromkeys((*operation.failures, *_EVERYWHERE)):
        by_status.setdefault(failure.status, []).append(failure)
    for status, failures in sorted(by_status.items()):
        responses[str(status)] = _failure(failures)
    return responses


def _success(operation: Operation, schemas: Schema) -> Schema:
    names = ["X-Request-ID"]
    if operation.cached:
        names.append("ETag")
    if operation.takes_events:
        names += ["RateLimit", "RateLimit-Policy"]
    if isinstance(operation.answer, str):
        media_type = operation.answer
        content: Schema = {
            "schema": {"type": "object" if media_type == "application/json" else "string"}
        }
        if operation.example is not None:
            content["example"] = operation.example
    else:
        media_type = "application/json"
        schema = ref(operation.answer.__name__)
        if operation.or_answer:
            schema = {"anyOf": [schema, ref(operation.or_answer.__name__)]}
        content = {"schema": schema, "example": _example(schema, schemas)}
    return {
        "description": operation.summary,
        "headers": {name: _header(*_HEADERS[name]) for name in names},
        "content": {media_type: content},
    }


def _header(meaning: str, example: str) -> Schema:
    return {"description": meaning, "schema": {"type": "string"}, "example": example}


def _failure(failures: list[Failure]) -> Schema:
    described: Schema = {
        "description": "; ".join(f"{failure.title} ({failure.tag})" for failure in failures),
        "content": {"application/problem+json": {"schema": ref(ProblemDocument.__name__)}},
    }
    if waits := [it.retry_after for it in failures if it.retry_after is not None]:
        described["headers"] = {
            "Retry-After": {
                "description": "seconds to wait before the same is sent again",
                "schema": {"type": "integer"},
                "example": waits[0],
            }
        }
    return described


def _schemas(operations: Sequence[Operation]) -> Schema:
    models: list[type[BaseModel]] = [ProblemDocument]
    models += [o.answer for o in operations if not isinstance(o.answer, str)]
    _, described = models_json_schema(
        [(model, "serialization") for model in dict.fromkeys(models)], ref_template=_REF
    )
    schemas: Schema = described["$defs"]
    schemas["Event"] = TypeAdapter(Event).json_schema()
    for model in models:
        schema = schemas[model.__name__]
        schema["examples"] = [_example(schema, schemas)]
    return schemas


def example_of(model: Any) -> Any:  # noqa: ANN401 - any type that pydantic knows, any JSON
    """Return an example of a type, made of those of its fields."""
    schema = TypeAdapter(model).json_schema()
    return _example(schema, schema.get("$defs", {}))


def _example(schema: Schema, schemas: Schema) -> Any:  # noqa: ANN401 - any JSON
    """Return the schema's own example, or one made of those of its parts; `schemas` by name."""
    if examples := schema.get("examples"):
        return examples[0]
    if "$ref" in schema:
        return _example(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if options := schema.get("anyOf"):
        return _example(options[0], schemas)
    if "items" in schema:
        return [_example(schema["items"], schemas)]
    if "properties" in schema:
        return {name: _example(it, schemas) for name, it in schema["properties"].items()}
    return schema.get("default")
