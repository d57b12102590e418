"""Local server only: a run sorts readings of rain into H3 cells, and each cell that has changed has a DAG run.

The files are below the local server's root. Before Airflow 3.3 nothing starts the second DAG.
"""

from datetime import timedelta
from typing import Any

import pendulum

try:
    from airflow.sdk import DAG, Asset, task
except ImportError:  # Airflow 2.11
    from airflow.datasets import Dataset as Asset  # type: ignore[import-not-found, no-redef]
    from airflow.decorators import task  # type: ignore[no-redef, attr-defined]
    from airflow.models.dag import DAG  # type: ignore[no-redef]

FOLDER = "wherobots-demo/results/rain_by_tile"
TILES = Asset(f"s3://{FOLDER}")
START = pendulum.datetime(2026, 1, 1, tz="UTC")

try:
    from airflow.sdk import PartitionedAssetTimetable
except ImportError:  # before Airflow 3.2
    each_tile: Any = None
else:
    each_tile = PartitionedAssetTimetable(assets=TILES)


@task.wherobots(dependencies=["h3==4.5.0", "airportsdata==20260905"], outlets=[TILES])
def write_tiles(readings: str, folder: str) -> dict[str, list[str]]:
    """Write the readings of each cell, and return the cells whose total is not of these readings."""
    import json
    import os
    from collections import defaultdict
    from pathlib import Path

    import airportsdata
    import h3

    root = Path(os.environ["WHEROBOTS_LOCAL_ROOT"])
    airports, tiles = airportsdata.load("IATA"), defaultdict(list)
    for line in (root / readings).read_text().splitlines()[1:]:
        airport = airports[line.partition(",")[0]]
        tiles[f"h3={h3.latlng_to_cell(airport['lat'], airport['lon'], 5)}"].append(line)
    changed = []
    for tile, lines in tiles.items():
        place = root / folder / tile
        place.mkdir(parents=True, exist_ok=True)
        (place / "rain.csv").write_text("\n".join(lines))
        done = place / "total.json"
        # Not compared with an earlier rain.csv: its DAG run may have failed.
        if not done.exists() or json.loads(done.read_text())["lines"] != lines:
            changed.append(tile)
    print(f"{len(changed)} of {len(tiles)} tiles have changed")
    return {"partitions": changed}


@task.wherobots
def total(folder: str, partition_key: str | None = None) -> float:
    """Add up the rain of the tile that this DAG run is for."""
    import json
    import os
    from pathlib import Path

    place = Path(os.environ["WHEROBOTS_LOCAL_ROOT"], folder, str(partition_key))
    lines = (place / "rain.csv").read_text().splitlines()
    mm = round(sum(float(line.rpartition(",")[2]) for line in lines), 1)
    (place / "total.json").write_text(json.dumps({"mm": mm, "lines": lines}))
    print(f"{partition_key}: {mm} mm")
    return mm


with DAG(
    "example_wherobots_partitions",
    description="Sorts readings into tiles, and names the tiles that have changed",
    schedule=None,
    start_date=START,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(minutes=30)},
    params={"readings": "wherobots-demo/jobs/rain.csv"},
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    write_tiles("{{ params.readings }}", FOLDER)

with DAG(
    "example_wherobots_partitions_tile",
    description="Runs for each tile that has changed",
    schedule=each_tile,
    start_date=START,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1), "execution_timeout": timedelta(minutes=30)},
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    total(FOLDER)
