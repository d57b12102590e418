"""What Airflow learns of this package through its ``apache_airflow_provider`` entry point."""

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata in the shape of Airflow's ``provider_info.schema.json``."""
    return {
        "package-name": "airflow-provider-wherobots",
        "name": "Wherobots",
        "description": "Run geospatial jobs on Wherobots Cloud through its Runs REST API.",
    }
