"""For schemathesis: what a schema cannot say.

Instants are of the past, for the future is refused. Lines of JSON are a string to a schema, so that
it would make up any string.
"""

from datetime import UTC, datetime
from typing import Any

import schemathesis
from hypothesis import strategies as st

PAST = st.datetimes(max_value=datetime(2026, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds UTC

schemathesis.openapi.format("date-time", PAST.map(datetime.isoformat))


@schemathesis.hook
def before_load_schema(_: object, raw_schema: dict[str, Any]) -> None:
    for methods in raw_schema["paths"].values():
        for operation in methods.values():
            operation.get("requestBody", {}).get("content", {}).pop("application/x-ndjson", None)
