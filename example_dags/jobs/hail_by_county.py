"""Joins hail reports with counties by place, and writes GeoParquet. Needs Sedona, which Wherobots has."""

import argparse

JOIN = """
    SELECT counties.name, COUNT(*) AS reports, MAX(reports.mm) AS mm, ST_Union_Aggr(reports.geometry) AS geometry
    FROM reports JOIN counties ON ST_Contains(counties.geometry, reports.geometry)
    GROUP BY counties.name
"""


def main() -> None:
    """Read the arguments, join, write and show the result."""
    from sedona.spark import SedonaContext

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reports", required=True, help="GeoParquet with mm and geometry")
    parser.add_argument("--counties", required=True, help="GeoParquet with name and geometry")
    parser.add_argument("--output", required=True, help="folder for the result; replaced if it exists")
    wanted = parser.parse_args()

    sedona = SedonaContext.create(SedonaContext.builder().appName("hail_by_county").getOrCreate())
    for name in ("reports", "counties"):
        sedona.read.format("geoparquet").load(getattr(wanted, name)).createOrReplaceTempView(name)
    sedona.sql(JOIN).write.mode("overwrite").format("geoparquet").save(wanted.output)
    sedona.read.format("geoparquet").load(wanted.output).orderBy("name").show()
    sedona.stop()


if __name__ == "__main__":
    main()
