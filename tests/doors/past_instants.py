"""For schemathesis: instants of the past. A schema cannot say that the future is refused."""

from datetime import UTC, datetime

import schemathesis
from hypothesis import strategies as st

PAST = st.datetimes(max_value=datetime(2026, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - Hypothesis adds UTC

schemathesis.openapi.format("date-time", PAST.map(datetime.isoformat))
