"""A Python function of this file runs on Wherobots, and what it returns goes to the next task."""

from typing import Any

import pendulum

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2.11
    from airflow.decorators import task  # type: ignore[no-redef, attr-defined]
    from airflow.models.dag import DAG  # type: ignore[no-redef]


@task.wherobots(runtime="tiny", dependencies=["sedonadb[geopandas]==0.5.0", "airportsdata==20260905"])
def nearest_airports(lon: float, lat: float) -> list[dict[str, Any]]:
    """Return the three airports that are nearest to a point, with their distances in kilometres."""
    import airportsdata
    import pandas
    import sedonadb

    sedona = sedonadb.connect()
    airports = pandas.DataFrame(airportsdata.load("IATA").values())
    sedona.create_data_frame(airports).to_view("airports")
    query = """
        SELECT iata, name, ST_Distance(ST_GeogPoint(lon, lat), ST_GeogPoint($1, $2)) / 1000 AS km
        FROM airports ORDER BY km LIMIT 3
    """
    nearest = sedona.sql(query, params=(lon, lat)).to_pandas()
    print(nearest)
    return nearest.to_dict("records")


@task
def report(airports: list[dict[str, Any]]) -> str:
    """Say it in a sentence."""
    return ", ".join(f"{airport['name']} is {airport['km']:.0f} km away" for airport in airports)


with DAG(
    "example_wherobots_decorator",
    description="The airports that are nearest to a point, by a function that runs on Wherobots",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    doc_md=__doc__,
    tags=["wherobots", "example"],
):
    airports: Any = nearest_airports(lon=8.55, lat=47.37)
    report(airports)
