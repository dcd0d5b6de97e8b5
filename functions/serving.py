"""The router on a socket, in one process or several, until a signal comes."""

import asyncio
import multiprocessing
import multiprocessing.util
import os
import resource
import sys
from collections.abc import Callable
from socket import socket
from typing import Final

import uvicorn
from uvicorn.supervisors import Multiprocess

from shared import deadlines
from shared.http.protocol import BoundedProtocol
from shared.logs import log_config
from shared.settings import Settings
from shared.storage.processes import end_at_once, end_with_parent

# Seconds for an idle connection: longer than load balancers keep theirs (60 s), or they send a
# request on one that is just being closed. Seen with 5 s in five minutes at 5000 events a second.
_KEEP_ALIVE: Final = 75


def serve(settings: Settings, listener: socket, stop_first: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; call `stop_first` then, while requests still pass."""
    _, descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    config = _Config(
        "functions.router:app",
        http=BoundedProtocol,
        ws="none",
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        workers=settings.workers,
        access_log=False,  # a line a request costs more than storing an event
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=deadlines.GRACE,
        log_config=log_config(settings.log_level),
    )
    if settings.workers == 1:
        server = _Server(config)
        server.stop_first = stop_first
        server.run(sockets=[listener])
    else:
        workers = _Workers(config, sockets=[listener])
        workers.stop_first = stop_first
        workers.run()


class _Server(uvicorn.Server):
    """One process."""

    stop_first: Callable[[], None]

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        await asyncio.to_thread(self.stop_first)
        await super().shutdown(sockets)


class _Workers(Multiprocess):
    """Several processes, and this one to watch over them."""

    stop_first: Callable[[], None]

    def terminate_all(self) -> None:
        self.stop_first()
        super().terminate_all()


class _Config(uvicorn.Config):
    """The configuration, which a worker loads in its own process."""

    def load(self) -> None:
        if parent := multiprocessing.parent_process():
            os.setsid()  # Ctrl-C is for the parent alone, which ends its workers last
            end_with_parent()
            multiprocessing.util.Finalize(None, end_at_once, args=(0,), exitpriority=0)
            if not parent.is_alive():  # it was killed before that
                sys.exit()
        super().load()
