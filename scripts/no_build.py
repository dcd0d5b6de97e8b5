"""The build backend that `pip install .` meets: it says what to do instead."""

raise SystemExit(
    "Footfall is an application that runs from its folder and is not installed: "
    "use `make run`, or `docker compose up`."
)
