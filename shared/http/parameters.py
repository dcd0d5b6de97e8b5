"""The parameters of the API: read strictly, refused clearly."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request

from shared.http.problems import INVALID_PARAMETER, Problem
from shared.schema import FieldError, Identifier, Timestamp

_IDENTIFIER: Final = TypeAdapter[str](Identifier)
_TIMESTAMP: Final = TypeAdapter[datetime](Timestamp)

_Value = TypeVar("_Value")


class Parameter(Protocol):
    """A parameter: its name, and its meaning and schema for the API's description."""

    @property
    def name(self) -> str:
        """Return the name in the query or the path."""

    @property
    def meaning(self) -> str:
        """Return what it is for."""

    @property
    def schema(self) -> dict[str, Any]:
        """Return what may be sent, as a JSON Schema."""


@dataclass(frozen=True)
class WholeNumber:
    """A whole number in the query, from `low` to `high`."""

    name: str
    meaning: str
    default: int
    high: int
    low: int = 1

    @property
    def schema(self) -> dict[str, Any]:
        """Return its bounds."""
        bounds = {"minimum": self.low, "maximum": self.high, "default": self.default}
        return {"type": "integer"} | bounds

    def of(self, request: Request) -> int:
        """Read it, or raise a 422 problem that names it."""
        text = request.query_params.get(self.name)
        if text is None:
            return self.default
        if (
            text.isascii()
            and text.isdigit()
            and len(text) < 10
            and self.low <= int(text) <= self.high
        ):
            return int(text)
        detail = f"{self.name} must be a whole number from {self.low} to {self.high}"
        raise _wrong(self.name, "out_of_range", detail)


@dataclass(frozen=True)
class InstantGiven:
    """A date and time with an offset, or nothing."""

    name: str
    meaning: str

    @property
    def schema(self) -> dict[str, Any]:
        """Return the format."""
        return _TIMESTAMP.json_schema() | {"examples": ["2026-11-22T14:30:00.123Z"]}

    def of(self, request: Request) -> datetime | None:
        """Read it, or raise a 422 problem that names it."""
        text = request.query_params.get(self.name)
        # A plus sign that nobody encoded arrives as a blank.
        return None if text is None else _read(_TIMESTAMP, self.name, text.replace(" ", "+"))


@dataclass(frozen=True)
class UserId:
    """The id of a user, in the query or in the path."""

    name: str
    meaning: str

    @property
    def schema(self) -> dict[str, Any]:
        """Return what an id may be."""
        return _IDENTIFIER.json_schema()

    def of(self, request: Request) -> str | None:
        """Read it from the query, or raise a 422 problem that names it."""
        text = request.query_params.get(self.name)
        return None if text is None else _read(_IDENTIFIER, self.name, text)

    def in_path(self, request: Request) -> str:
        """Read it from the path, or raise a 422 problem that names it."""
        return _read(_IDENTIFIER, self.name, request.path_params[self.name])


def _read(adapter: TypeAdapter[_Value], name: str, text: str) -> _Value:
    try:
        return adapter.validate_python(text, strict=True)
    except ValidationError:
        rule = adapter.json_schema().get("description", "an RFC 3339 instant with an offset or Z")
        raise _wrong(name, f"bad_{name}", f"{name} must be {rule}") from None


def _wrong(name: str, code: str, detail: str) -> Problem:
    error = FieldError(index=None, pointer=f"/{name}", code=code, detail=detail)
    return Problem(INVALID_PARAMETER, detail, errors=[error])
