"""Cuts a bounding box into tiles, and returns them to Airflow. Needs nothing but Python."""

import argparse
import json
from itertools import pairwise


def main() -> None:
    """Read the arguments, cut the box and print the tiles as the run's result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bbox", required=True, help="west,south,east,north in degrees")
    parser.add_argument("--columns", type=int, default=2, help="how many tiles lie side by side")
    wanted = parser.parse_args()
    west, south, east, north = (float(number) for number in wanted.bbox.split(","))

    width = (east - west) / wanted.columns
    edges = [round(west + column * width, 6) for column in range(wanted.columns + 1)]
    tiles = [f"{left},{south},{right},{north}" for left, right in pairwise(edges)]
    print(f"{len(tiles)} tiles")
    print("airflow-result:", json.dumps(tiles))


if __name__ == "__main__":
    main()
