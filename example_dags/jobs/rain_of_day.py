import argparse

from pyspark.sql import SparkSession

parser = argparse.ArgumentParser()
parser.add_argument("--folder", required=True, help="where readings.csv is, such as s3://bucket/folder")
parser.add_argument("--day", required=True, help="such as 2026-03-26")
wanted = parser.parse_args()

spark = SparkSession.builder.getOrCreate()
spark.sparkContext.setLogLevel("WARN")
readings = spark.read.csv(f"{wanted.folder}/readings.csv", header=True, schema="station STRING, day DATE, mm DOUBLE")
rain = readings.where(f"day = DATE '{wanted.day}'").drop("day")
# A retry replaces what the attempt before it has written.
rain.write.mode("overwrite").parquet(f"{wanted.folder}/rain_by_day/day={wanted.day}")
print(f"{wanted.day}: {rain.count()} readings")
