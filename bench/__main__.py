"""`python -m bench [NAME ...]`: run every measurement, or those named."""

import sys

from bench import ingest, sustained, ticks, workers

MEASUREMENTS = {
    "single": ingest.single_events,
    "batches": ingest.batches,
    "paced": ingest.paced,
    "flood": ingest.flood,
    "workers": workers.workers,
    "ticks": ticks.ticks,
    "sustained": sustained.sustained,
}


def main() -> None:
    """Run measurements in order and print each one's table."""
    unknown = [name for name in sys.argv[1:] if name not in MEASUREMENTS]
    if unknown:
        sys.exit(f"bench: {unknown[0]} is none of {', '.join(MEASUREMENTS)}")
    for name in sys.argv[1:] or MEASUREMENTS:
        measure = MEASUREMENTS[name]
        print(f"\n## {name}: {(measure.__doc__ or '').splitlines()[0]}\n", flush=True)
        measure()


if __name__ == "__main__":
    main()
