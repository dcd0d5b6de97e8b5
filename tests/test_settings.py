"""Settings: defaults, wrong values in one clear line, secrets from files and never shown."""

from pathlib import Path

import pytest

from shared.settings import SETTINGS, SettingError, read_settings


def test_the_defaults_are_the_documented_ones() -> None:
    settings = read_settings({})
    assert settings.mongodb_uri == ""
    assert (settings.database, settings.host, settings.port) == ("footfall", "127.0.0.1", 8000)
    assert (str(settings.rate_limit), settings.rate_limit.amount) == ("1000 per 1 second", 1000)
    assert settings.total_rate_limit.amount == 10_000
    assert settings.rate_limit_storage == "memory"
    assert settings.event_retention == 86_400
    assert settings.generator_rate == 20
    assert not settings.allow_anonymous


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FOOTFALL_PORT", "http"),
        ("FOOTFALL_PORT", "0"),
        ("FOOTFALL_PORT", "65536"),
        ("FOOTFALL_RATE_LIMIT", "lots"),
        ("FOOTFALL_RATE_LIMIT", "0/second"),
        ("FOOTFALL_RATE_LIMIT", "10/second;5/minute"),
        ("FOOTFALL_RATE_LIMIT", f"{10**20}/second"),
        ("FOOTFALL_RATE_LIMIT", "10/2 years"),
        ("FOOTFALL_TOTAL_RATE_LIMIT", "10/fortnight"),
        ("FOOTFALL_TRUSTED_PROXIES", "proxy.example"),
        ("FOOTFALL_TRUSTED_PROXIES", "10.0.0.1/8"),
        ("FOOTFALL_TRUSTED_PROXIES", "*"),
        ("FOOTFALL_RATE_LIMIT_STORAGE", "redis"),
        ("FOOTFALL_EVENT_RETENTION", "60"),
        ("FOOTFALL_EVENT_RETENTION", "-1"),
        ("FOOTFALL_LOG_LEVEL", "loud"),
        ("FOOTFALL_GENERATOR_RATE", "-1"),
        ("FOOTFALL_GENERATOR_RATE", "nan"),
        ("FOOTFALL_ALLOW_ANONYMOUS", "maybe"),
        ("FOOTFALL_WORKERS", "0"),
        ("FOOTFALL_DATABASE", "a b"),
        ("FOOTFALL_DATABASE", "a.b"),
        ("FOOTFALL_MONGODB_URI", "localhost:27017"),
        ("FOOTFALL_CORS_ORIGINS", "shop.example"),
        ("FOOTFALL_CORS_ORIGINS", "https://shop.example/path"),
        ("FOOTFALL_WRITE_KEYS", "a b"),
        ("FOOTFALL_READ_KEYS_FILE", "/nowhere/at/all"),
    ],
)
def test_a_wrong_value_is_one_clear_line(name: str, value: str) -> None:
    with pytest.raises(SettingError) as wrong:
        read_settings({name: value})
    line = str(wrong.value)
    assert line.startswith(name)
    assert "\n" not in line


def test_several_workers_share_their_limits_unless_told_otherwise() -> None:
    assert read_settings({"FOOTFALL_WORKERS": "4"}).rate_limit_storage == "mongodb"
    chosen = {"FOOTFALL_WORKERS": "4", "FOOTFALL_RATE_LIMIT_STORAGE": "memory"}
    assert read_settings(chosen).rate_limit_storage == "memory"


def test_a_secret_can_stand_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "keys"
    secret.write_text("one, two\n")
    settings = read_settings({"FOOTFALL_WRITE_KEYS_FILE": str(secret)})
    assert settings.write_keys == {"one", "two"}
    assert "one" not in repr(settings)


@pytest.mark.parametrize("name", [name for name, setting in SETTINGS.items() if setting.secret])
def test_a_wrong_secret_is_not_shown(name: str) -> None:
    with pytest.raises(SettingError) as wrong:
        read_settings({name: "hunter2 \u00e9"})
    assert "hunter2" not in str(wrong.value)


def test_a_key_has_one_scope() -> None:
    with pytest.raises(SettingError, match="must not share"):
        read_settings({"FOOTFALL_WRITE_KEYS": "a,b", "FOOTFALL_READ_KEYS": "b"})
