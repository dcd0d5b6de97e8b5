"""What a second worker adds, where workers share limits and where each counts for itself."""

import statistics
from contextlib import ExitStack

from bench.rig import Server, event, footfall, post, table

RUNS = 5
SECONDS = 6
CONNECTIONS = 64


def workers() -> None:
    """One event a request, by one and two workers; medians of 5 runs, each beside the others.

    The last column is what processor time allows on two cores that nobody else uses, not even wrk:
    a core for each worker, and two for the service and mongod together.
    """
    with ExitStack() as running:
        services = {
            (storage, count): running.enter_context(
                footfall(FOOTFALL_WORKERS=str(count), FOOTFALL_RATE_LIMIT_STORAGE=storage)
            )
            for storage in ("memory", "mongodb")
            for count in (1, 2)
        }
        rates: dict[tuple[str, int], list[float]] = {which: [] for which in services}
        costs: dict[tuple[str, int], list[tuple[float, float]]] = {which: [] for which in services}
        for _ in range(RUNS):
            for which, service in services.items():
                rate, cost = _measured(service)
                rates[which].append(rate)
                costs[which].append(cost)
    one_sharing = ("mongodb", 1)
    table(
        [
            *("limits in", "workers", "events/s", "against one that shares"),
            *("processor time an event", "two cores allow"),
        ],
        [
            [
                *which,
                f"{statistics.median(rates[which]):,.0f}",
                f"{_ratio(rates[which], rates[one_sharing]):.2f}",
                f"{service * 1e6:.0f} µs service, {mongod * 1e6:.0f} µs mongod",
                f"{min(which[1] / service, 2 / (service + mongod)):,.0f}/s",
            ]
            for which in services
            for service, mongod in [
                [statistics.median(parts) for parts in zip(*costs[which], strict=True)]
            ]
        ],
    )


def _measured(service: Server) -> tuple[float, tuple[float, float]]:
    """Return events a second, and the processor seconds of an event in service and mongod."""
    before = service.processor_seconds()
    load = post(service.url, event(), CONNECTIONS, SECONDS)
    used = service.processor_seconds()
    events = load.requests_per_second * SECONDS
    return load.requests_per_second, (
        (used["service"] - before["service"]) / events,
        (used["mongod"] - before["mongod"]) / events,
    )


def _ratio(rates: list[float], references: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(rates, references, strict=True))
