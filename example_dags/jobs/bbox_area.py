"""The area of a bounding box on the globe. Needs nothing but Python."""

import argparse
import logging
import math

EARTH_RADIUS_KM = 6371.0088

log = logging.getLogger("bbox_area")


def area_km2(west: float, south: float, east: float, north: float) -> float:
    """Return the area between two meridians and two parallels, given in degrees."""
    height = math.sin(math.radians(north)) - math.sin(math.radians(south))
    return EARTH_RADIUS_KM**2 * math.radians(east - west) * height


def main() -> None:
    """Read the arguments, compute the area and log it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True, help="what the box is called")
    parser.add_argument("--bbox", required=True, help="west,south,east,north in degrees")
    wanted = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    west, south, east, north = (float(number) for number in wanted.bbox.split(","))
    if not (west < east and south < north):
        log.warning("The box is empty: west %g, south %g, east %g, north %g", west, south, east, north)
    area = area_km2(west, south, east, north)
    log.info("%s: %.0f km²", wanted.name, area)


if __name__ == "__main__":
    main()
