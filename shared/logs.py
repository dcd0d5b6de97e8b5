"""How the service logs: one line a record, on standard error, never a body or a key."""

from typing import Any


def log_config(level: str) -> dict[str, Any]:
    """Make the configuration for `logging.config.dictConfig`, and so for uvicorn."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": {
            "footfall": {"level": level.upper()},
            "uvicorn": {"level": "WARNING"},
        },
    }
