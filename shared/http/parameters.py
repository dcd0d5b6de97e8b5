"""The query parameters of the API: read strictly, refused clearly."""

import re
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from shared.http.problems import INVALID_PARAMETER, Problem
from shared.schema import FieldError

_DIGITS: Final = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class WholeNumber:
    """A whole number in the query, from `low` to `high`."""

    name: str
    default: int
    high: int
    low: int = 1

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
        error = FieldError(index=None, pointer=f"/{self.name}", code="out_of_range", detail=detail)
        raise Problem(INVALID_PARAMETER, detail, errors=[error])


MAX_LISTED: Final = 100  # rows of any ranking
PAGES: Final = WholeNumber("limit", default=5, high=MAX_LISTED)
USERS: Final = WholeNumber("limit", default=10, high=MAX_LISTED)
REJECTED: Final = WholeNumber("limit", default=50, high=500)
MINUTES: Final = WholeNumber("minutes", default=60, high=1440)
