"""For each airport of a country: how many other airports lie within a radius, and which one is nearest.

Runs with two PyPI packages: ``sedonadb`` (Apache SedonaDB, spatial SQL in one wheel) and ``airportsdata``.
"""

import argparse
import json
import logging
import os
import re
import tempfile
import warnings
from pathlib import Path
from typing import Any

import airportsdata

with warnings.catch_warnings():
    # SedonaDB looks for PROJ and GDAL when it is imported, and warns; this job needs neither.
    warnings.filterwarnings("ignore", message="Failed to configure (PROJ|GDAL)")
    import sedonadb

log = logging.getLogger("airport_neighbours")

NEIGHBOURS = """
    SELECT here.iata, here.name, here.city, here.lon, here.lat,
           count(there.iata) AS neighbours,
           min(ST_Distance(here.place, there.place)) / 1000 AS nearest_km,
           first_value(there.iata ORDER BY ST_Distance(here.place, there.place)) AS nearest
    FROM airports AS here
    JOIN airports AS there ON ST_DWithin(here.place, there.place, {radius_m})
    WHERE here.country = '{country}' AND here.iata <> there.iata
    GROUP BY here.iata, here.name, here.city, here.lon, here.lat
"""


def local_path(uri: str) -> Path:
    """Return the file behind ``s3://bucket/key``: the local server keeps buckets as folders under its root."""
    if not uri.startswith("s3://"):
        return Path(uri)
    return Path(os.environ["WHEROBOTS_LOCAL_ROOT"], uri.removeprefix("s3://"))


def load_airports(sedona: Any) -> int:
    """Register the view ``airports``, with each place as a point on the globe, and return the number of rows."""
    source = Path(airportsdata.__file__).with_name("airports.csv")
    sedona.sql(
        f"CREATE EXTERNAL TABLE source STORED AS CSV LOCATION '{source}' OPTIONS ('format.has_header' 'true')"
    ).execute()
    airports = sedona.sql(
        "SELECT iata, name, city, country, lon, lat, ST_GeogPoint(lon, lat) AS place FROM source WHERE iata <> ''"
    ).to_memtable()
    airports.to_view("airports")
    return int(airports.count())


def rows(frame: Any) -> list[dict[str, Any]]:
    """Return a data frame's rows. They go through a file, which needs no further package."""
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder, "rows.json")
        frame.to_json(str(lines))
        return [json.loads(line) for line in lines.read_text().splitlines()]


def feature(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as a GeoJSON feature."""
    place = {"type": "Point", "coordinates": [row.pop("lon"), row.pop("lat")]}
    return {"type": "Feature", "geometry": place, "properties": row}


def country_code(text: str) -> str:
    """Return ``text`` if it is a country code; it goes into SQL, so nothing else may pass."""
    if not re.fullmatch("[A-Z]{2}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a country code of two capital letters")
    return text


def main() -> None:
    """Read the arguments, do the join, write GeoJSON and print the five airports with most neighbours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--date", required=True, help="the day of the report, YYYY-MM-DD")
    parser.add_argument("--country", type=country_code, default="IS", help="two letters, ISO 3166")
    parser.add_argument("--radius-km", type=float, default=100, help="how far neighbours may be, in kilometres")
    parser.add_argument("--output", help="s3://bucket/key of the GeoJSON, on the local server only")
    parser.add_argument("--table", help="s3://bucket/key of the same as Parquet, on the local server only")
    wanted = parser.parse_args()

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    sedona = sedonadb.connect()
    log.info("SedonaDB %s: %d airports loaded", sedonadb.__version__, load_airports(sedona))

    log.info("Joining: airports of %s with all others within %g km", wanted.country, wanted.radius_km)
    found = sedona.sql(NEIGHBOURS.format(country=wanted.country, radius_m=wanted.radius_km * 1000)).to_memtable()
    if found.count() == 0:
        log.warning("No airport of %s has another within %g km", wanted.country, wanted.radius_km)

    found.to_view("found")
    if wanted.output:
        features = [feature(row) for row in rows(sedona.sql("SELECT * FROM found ORDER BY iata"))]
        output = local_path(wanted.output)
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps({"type": "FeatureCollection", "date": wanted.date, "features": features}))
        log.info("Wrote %d features to %s", len(features), wanted.output)

    if wanted.table:
        table = sedona.sql("SELECT iata, name, city, neighbours, nearest, nearest_km FROM found")
        table.to_parquet(str(local_path(wanted.table)))
        log.info("Wrote the table %s", wanted.table)

    top = "SELECT iata, name, neighbours, nearest, round(nearest_km, 1) AS km FROM found"
    sedona.sql(f"{top} ORDER BY neighbours DESC, iata LIMIT 5").show(width=100)


if __name__ == "__main__":
    main()
