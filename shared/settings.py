"""Every setting: its name, its default, what it does, and what makes a value wrong."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Final

from limits import RateLimitItem, parse_many

_ON: Final = {"1", "true", "yes", "on"}
_OFF: Final = {"0", "false", "no", "off", ""}
_MAX_AMOUNT: Final = 1_000_000_000  # MongoDB counts exactly up to 2**53
_MAX_WINDOW: Final = 366 * 86_400  # seconds
_LEVELS: Final = ("debug", "info", "warning", "error")


class SettingError(Exception):
    """A setting has a wrong value. The message is one line for whoever starts the service."""


def _uri(value: str) -> str:
    if value and not value.startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError("must start with mongodb:// or mongodb+srv://")
    return value


def _database(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,63}", value):
        raise ValueError("must be 1 to 63 of A-Z a-z 0-9 _ -")
    return value


def _host(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.:_-]+", value):
        raise ValueError("must be an address or a host name")
    return value


def _flag(value: str) -> bool:
    if value.lower() in _ON:
        return True
    if value.lower() in _OFF:
        return False
    raise ValueError("must be 1 or 0")


def _names(value: str) -> tuple[str, ...]:
    return tuple(name for name in (part.strip() for part in value.split(",")) if name)


def _origins(value: str) -> tuple[str, ...]:
    origins = _names(value)
    if any(not re.fullmatch(r"\*|https?://[^/\s]+", origin) for origin in origins):
        raise ValueError("must be * or origins like https://shop.example")
    return origins


def _networks(value: str) -> tuple[str, ...]:
    networks = _names(value)
    try:
        return tuple(str(ip_network(network)) for network in networks)
    except ValueError:
        raise ValueError("must be addresses or networks, like 10.0.0.7 or 10.0.0.0/8") from None


def _keys(value: str) -> frozenset[str]:
    keys = frozenset(_names(value))
    if any(not key.isascii() or " " in key for key in keys):
        raise ValueError("must be comma-separated keys of ASCII characters without spaces")
    return keys


def _limit(value: str) -> RateLimitItem:
    try:
        [limit] = parse_many(value)
    except ValueError:
        raise ValueError("must be one limit, like 1000/second or 50000/minute") from None
    if not 1 <= limit.amount <= _MAX_AMOUNT or limit.get_expiry() > _MAX_WINDOW:
        raise ValueError(f"must allow from 1 to {_MAX_AMOUNT} events in at most a year")
    return limit


def _whole(low: int, high: int) -> Callable[[str], int]:
    def convert(value: str) -> int:
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return convert


def _rate(value: str) -> float:
    try:
        rate = float(value)
    except ValueError:
        rate = -1.0
    if not 0 <= rate <= 100_000:
        raise ValueError("must be a number from 0 to 100000")
    return rate


def _one_of(*choices: str) -> Callable[[str], str]:
    def convert(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return convert


@dataclass(frozen=True)
class Setting:
    """One environment variable."""

    default: str
    read: Callable[[str], Any]
    meaning: str
    secret: bool = False


SETTINGS: Final[Mapping[str, Setting]] = {
    "FOOTFALL_MONGODB_URI": Setting(
        "", _uri, "where MongoDB is; empty: an embedded mongod is started", secret=True
    ),
    "FOOTFALL_DATABASE": Setting("footfall", _database, "the database's name"),
    "FOOTFALL_HOST": Setting("127.0.0.1", _host, "the address to listen on"),
    "FOOTFALL_PORT": Setting("8000", _whole(1, 65535), "the port to listen on"),
    "FOOTFALL_WORKERS": Setting("1", _whole(1, 64), "processes that serve requests"),
    "FOOTFALL_RATE_LIMIT": Setting("1000/second", _limit, "events, per client"),
    "FOOTFALL_TOTAL_RATE_LIMIT": Setting("10000/second", _limit, "events, all clients together"),
    "FOOTFALL_RATE_LIMIT_STORAGE": Setting(
        "",
        _one_of("memory", "mongodb"),
        "where limits are counted: memory or mongodb; by default memory for one worker, mongodb "
        "for several",
    ),
    "FOOTFALL_WRITE_KEYS": Setting(
        "", _keys, "comma-separated keys that may only write", secret=True
    ),
    "FOOTFALL_READ_KEYS": Setting(
        "", _keys, "comma-separated keys that may only read", secret=True
    ),
    "FOOTFALL_ALLOW_ANONYMOUS": Setting(
        "0", _flag, "1: listen beyond loopback even where no key is asked for"
    ),
    "FOOTFALL_CORS_ORIGINS": Setting(
        "", _origins, "comma-separated origins whose pages may call the API, or *"
    ),
    "FOOTFALL_TRUSTED_PROXIES": Setting(
        "",
        _networks,
        "comma-separated addresses or networks of the proxies whose X-Forwarded-For is believed",
    ),
    "FOOTFALL_EVENT_RETENTION": Setting(
        "86400", _whole(1800, 2_147_483_647), "seconds that raw events are kept"
    ),
    "FOOTFALL_LOG_LEVEL": Setting("info", _one_of(*_LEVELS), " | ".join(_LEVELS)),
    "FOOTFALL_GENERATOR_RATE": Setting(
        "20", _rate, "events a second that make run generates; 0 turns it off"
    ),
    "FOOTFALL_DATA_DIR": Setting(".data", Path, "where the embedded mongod keeps its files"),
}


@dataclass(frozen=True)
class Settings:
    """The settings of one process, as `SETTINGS` describes them."""

    mongodb_uri: str = field(repr=False)
    database: str
    host: str
    port: int
    workers: int
    rate_limit: RateLimitItem
    total_rate_limit: RateLimitItem
    rate_limit_storage: str
    write_keys: frozenset[str] = field(repr=False)
    read_keys: frozenset[str] = field(repr=False)
    allow_anonymous: bool
    cors_origins: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    event_retention: int
    log_level: str
    generator_rate: float
    data_dir: Path


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read every setting, or raise `SettingError` for the first wrong one.

    `NAME_FILE` names a file that holds the value of `NAME`, for secrets that must not stand in
    the environment. A value that is empty counts as unset.
    """
    values: dict[str, Any] = {}
    for name, setting in SETTINGS.items():
        text = _value_of(name, environment) or setting.default
        if name == "FOOTFALL_RATE_LIMIT_STORAGE" and not text:
            text = "memory" if values["workers"] == 1 else "mongodb"
        try:
            values[name.removeprefix("FOOTFALL_").lower()] = setting.read(text)
        except ValueError as error:
            shown = "" if setting.secret else f", not {text!r}"
            raise SettingError(f"{name} {error}{shown}") from None
    both = values["write_keys"] & values["read_keys"]
    if both:
        raise SettingError("FOOTFALL_WRITE_KEYS and FOOTFALL_READ_KEYS must not share a key")
    return Settings(**values)


def _value_of(name: str, environment: Mapping[str, str]) -> str:
    path = environment.get(f"{name}_FILE", "")
    if not path:
        return environment.get(name, "").strip()
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise SettingError(f"{name}_FILE must name a readable file, not {path!r}") from None
