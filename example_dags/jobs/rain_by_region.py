"""The rain of each region and month, with Spark: reads CSV, joins, and writes Parquet."""

import argparse

from pyspark.sql import SparkSession

RAIN = """
    SELECT region, date_format(day, 'yyyy-MM') AS month,
           count(DISTINCT station) AS stations, round(sum(mm), 1) AS mm
    FROM readings JOIN stations USING (station)
    GROUP BY region, month
"""


def main() -> None:
    """Read the arguments, join, write and show the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--input", required=True, help="folder of stations.csv and rain.csv, such as s3://bucket/folder"
    )
    parser.add_argument("--output", required=True, help="folder for the Parquet files; replaced if it exists")
    wanted = parser.parse_args()

    spark = SparkSession.builder.appName("rain_by_region").getOrCreate()
    stations = spark.read.csv(f"{wanted.input}/stations.csv", header=True, schema="station STRING, region STRING")
    readings = spark.read.csv(f"{wanted.input}/rain.csv", header=True, schema="station STRING, day DATE, mm DOUBLE")
    stations.createOrReplaceTempView("stations")
    readings.createOrReplaceTempView("readings")

    spark.sql(RAIN).write.mode("overwrite").partitionBy("region").parquet(wanted.output)
    spark.read.parquet(wanted.output).orderBy("region", "month").show()
    spark.stop()


if __name__ == "__main__":
    main()
