"""Calls handlers by name: a line of JSON in for each event, a line out for each answer."""

import importlib
import json
import sys
from typing import Any


def main() -> None:
    """Serve until the input ends."""
    for line in sys.stdin:
        handler, event = json.loads(line)
        print(json.dumps(_call(handler, event)), flush=True)


def _call(handler: str, event: Any) -> Any:
    module, _, attribute = handler.rpartition(".")
    return getattr(importlib.import_module(module), attribute)(event, None)


if __name__ == "__main__":
    main()
