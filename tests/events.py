"""Events as clients send them."""

from datetime import UTC, datetime
from typing import Any

SAMPLE = {
    "timestamp": "2024-03-15T14:30:00Z",
    "user_id": "usr_789",
    "event_type": "page_view",
    "page_url": "/products/electronics",
    "session_id": "sess_456",
}


def event(**fields: Any) -> dict[str, Any]:
    """Make a page view of now, without a session."""
    return {
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "user_id": "usr_1",
        "event_type": "page_view",
        "page_url": "/",
    } | fields
