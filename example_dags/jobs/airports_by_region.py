"""How many airports lie in each region of ``regions.json``, a FILE dependency of the run."""

import json
import logging
import os
from pathlib import Path

import airportsdata

log = logging.getLogger("airports_by_region")


def dependency(name: str) -> Path:
    """Return the path of a ``.json`` dependency: in ``/opt/wherobots``, or where the local server puts it."""
    return Path(os.environ.get("WHEROBOTS_LOCAL_FILES", "/opt/wherobots"), name)


def main() -> None:
    """Count the airports of each region and log the counts."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    airports = airportsdata.load("IATA").values()
    regions = json.loads(dependency("regions.json").read_text())
    for name, (west, south, east, north) in regions.items():
        inside = sum(west <= airport["lon"] <= east and south <= airport["lat"] <= north for airport in airports)
        log.info("%s: %d airports", name, inside)


if __name__ == "__main__":
    main()
