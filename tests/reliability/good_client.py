"""A good client beside an attack: one event at a time, and how long each took to be stored.

A process of its own, so that it waits for the service alone: `python good_client.py URL` sends
until its standard input ends, then prints `{"statuses": {"202": n}, "milliseconds": [...]}`.
"""

import http.client
import json
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime
from urllib.parse import urlsplit

PAUSE = 0.02  # seconds between events
PATIENCE = 10.0  # seconds
HEADERS = {"Content-Type": "application/json", "X-API-Key": "good"}


def main(url: str) -> None:
    ended = threading.Event()
    threading.Thread(target=wait_for_end, args=[ended], daemon=True).start()
    statuses: Counter[str] = Counter()
    took = []
    connection = None
    while not ended.is_set():
        began = time.perf_counter()
        try:
            connection = connection or http.client.HTTPConnection(
                urlsplit(url).netloc, timeout=PATIENCE
            )
            connection.request("POST", "/v1/events", event(), HEADERS)
            response = connection.getresponse()
            response.read()
            statuses[str(response.status)] += 1
        except (OSError, http.client.HTTPException) as error:
            statuses[type(error).__name__] += 1
            connection = None
        took.append((time.perf_counter() - began) * 1000)
        time.sleep(PAUSE)
    print(json.dumps({"statuses": statuses, "milliseconds": took}))


def wait_for_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


def event() -> str:
    return json.dumps(
        {
            "timestamp": datetime.now(UTC).isoformat(),
            "user_id": "good",
            "event_type": "page_view",
            "page_url": "/",
        }
    )


if __name__ == "__main__":
    main(sys.argv[1])
