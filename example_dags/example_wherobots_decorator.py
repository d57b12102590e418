"""A Python function of this file runs on Wherobots, and what it returns goes to the next task."""

# [START dag]
from datetime import timedelta
from typing import Any

import pendulum
from airflow.sdk import DAG, task  # Airflow 2.11: from airflow import DAG; from airflow.decorators import task


@task.wherobots(runtime="tiny", dependencies=["airportsdata==20260905"])
def nearest_airports(lon: float, lat: float) -> list[dict[str, Any]]:
    """Return the three airports that are nearest to a point, with their distances in kilometres."""
    from math import acos, cos, radians, sin

    import airportsdata

    def km(to_lon: float, to_lat: float) -> float:
        here, there, turn = radians(lat), radians(to_lat), radians(to_lon - lon)
        return 6371 * acos(min(1, sin(here) * sin(there) + cos(here) * cos(there) * cos(turn)))

    airports = airportsdata.load("IATA").values()
    print(f"{len(airports)} airports")
    found = [{"iata": one["iata"], "name": one["name"], "km": round(km(one["lon"], one["lat"]), 1)} for one in airports]
    return sorted(found, key=lambda airport: airport["km"])[:3]


@task
def report(airports: list[dict[str, Any]]) -> str:
    return ", ".join(f"{airport['name']} is {airport['km']:.0f} km away" for airport in airports)


with DAG(
    "example_wherobots_decorator",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 3, 1, tz="UTC"),
    catchup=False,
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5), "execution_timeout": timedelta(minutes=30)},
):
    airports: Any = nearest_airports(lon=8.55, lat=47.37)
    report(airports)
# [END dag]
