"""`python -m functions`: the embedded MongoDB, the router, and the generator, as one service."""

import contextlib
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import NoReturn

from functions.serving import serve
from shared import deadlines
from shared.http.auth import Keys
from shared.settings import SettingError, Settings, read_settings
from shared.storage.embedded_mongod import MongodError, embedded_mongod
from shared.storage.processes import end_at_once, end_with_parent, stop


def main() -> None:
    """Start everything in the order of need; stop it in the reverse order."""
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        settings = read_settings()
        _refuse_open_doors(settings)
        listener = _listen(settings)
    except SettingError as error:
        sys.exit(f"footfall: {error}")
    mongod_died = threading.Event()

    def end(why: str) -> None:
        mongod_died.set()
        _say(f"{why}; stopping")
        os.kill(os.getpid(), signal.SIGTERM)

    with contextlib.suppress(KeyboardInterrupt), contextlib.ExitStack() as running:
        running.enter_context(listener)
        try:
            uri = settings.mongodb_uri or running.enter_context(
                embedded_mongod(settings.data_dir, end)
            )
        except MongodError as error:
            sys.exit(f"footfall: {error}")
        os.environ["FOOTFALL_MONGODB_URI"] = uri
        if not settings.mongodb_uri:
            _say(f"MongoDB is at {uri}")
        if settings.workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = running.enter_context(
                tempfile.TemporaryDirectory(prefix="footfall-metrics-")
            )
        address = _address(settings)
        stop_first: Callable[[], None] = _nothing
        if settings.generator_rate:
            stop_first = running.enter_context(_generator(settings, address))
        _say(f"the dashboard is at {address}/ (Ctrl-C stops everything)")
        serve(settings, listener, stop_first)
    _say("stopped")
    end_at_once(1 if mongod_died.is_set() else 0)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _say(line: str) -> None:
    print(f"footfall: {line}", file=sys.stderr, flush=True)


def _refuse_open_doors(settings: Settings) -> None:
    """Refuse to listen beyond loopback unless keys guard all or anonymous access is allowed."""
    unguarded = Keys(settings.write_keys, settings.read_keys).open_scopes()
    if settings.allow_anonymous or not unguarded or _is_loopback(settings.host):
        return
    names = " and ".join(f"FOOTFALL_{scope.name}_KEYS" for scope in unguarded)
    raise SettingError(
        f"FOOTFALL_HOST is {settings.host}, which others can reach, but {names} "
        "is not set: set it, or FOOTFALL_ALLOW_ANONYMOUS=1"
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise SettingError(
            f"cannot listen on {settings.host} port {settings.port} ({error.strerror}): "
            "stop what is there, or set FOOTFALL_PORT"
        ) from None
    listener.set_inheritable(True)
    return listener


def _address(settings: Settings) -> str:
    host = "127.0.0.1" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


@contextlib.contextmanager
def _generator(settings: Settings, address: str) -> Iterator[Callable[[], None]]:
    """Run the generator beside the service, with one of the service's write keys, if any.

    Yields a function that stops it before the block ends.
    """
    environment = dict(os.environ)
    if settings.write_keys:
        environment["FOOTFALL_KEY"] = min(settings.write_keys)
    process = subprocess.Popen(  # noqa: S603 - our own command line
        [
            *(sys.executable, "-m", "generator"),
            *("--url", address),
            *("--rate", f"{settings.generator_rate:g}"),
        ],
        env=environment,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call
    )
    stop_it = partial(stop, process, deadlines.GENERATOR)
    try:
        yield stop_it
    finally:
        stop_it()


def _nothing() -> None:
    """Stop nothing first."""


if __name__ == "__main__":
    main()
