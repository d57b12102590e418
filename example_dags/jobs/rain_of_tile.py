"""The rain of a tile on a day, with Spark: reads CSV, joins, and writes the tile's partition as Parquet."""

import argparse
import json

from pyspark.sql import SparkSession

RAIN = """
    SELECT station, mm FROM readings JOIN stations USING (station)
    WHERE day = DATE '{day}' AND lon >= {west} AND lon < {east}
"""


def main() -> None:
    """Read the arguments, join, write, and report what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--input", required=True, help="folder of places.csv and rain.csv, such as s3://bucket/folder")
    parser.add_argument("--output", required=True, help="folder of the partitions")
    parser.add_argument("--day", required=True, help="such as 2026-05-02")
    parser.add_argument("--tile", required=True, help="west,east in degrees")
    wanted = parser.parse_args()
    west, east = (float(number) for number in wanted.tile.split(","))

    spark = SparkSession.builder.appName("rain_of_tile").getOrCreate()
    places = "station STRING, lon DOUBLE, lat DOUBLE"
    spark.read.csv(f"{wanted.input}/places.csv", header=True, schema=places).createOrReplaceTempView("stations")
    readings = "station STRING, day DATE, mm DOUBLE"
    spark.read.csv(f"{wanted.input}/rain.csv", header=True, schema=readings).createOrReplaceTempView("readings")

    rain = spark.sql(RAIN.format(day=wanted.day, west=west, east=east)).cache()
    partition = f"day={wanted.day}/west={west:g}"
    # A retry writes the same partition again.
    rain.write.mode("overwrite").parquet(f"{wanted.output}/{partition}")
    rows = rain.count()
    spark.stop()
    print("airflow-result:", json.dumps({"partitions": [partition], "rows": rows}))


if __name__ == "__main__":
    main()
