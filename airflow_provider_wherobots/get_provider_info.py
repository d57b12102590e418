"""The description of this provider for Airflow's provider manager."""

from __future__ import annotations

from typing import Any

from airflow_provider_wherobots import config
from airflow_provider_wherobots.hooks import connection_form

PACKAGE = "airflow_provider_wherobots"
INTEGRATION = "Wherobots"


def get_provider_info() -> dict[str, Any]:
    """Describe the provider (entry point ``apache_airflow_provider``).

    :returns: a dict that fits Airflow's ``provider_info`` schema.
    """
    return {
        "package-name": "airflow-provider-wherobots",
        "name": INTEGRATION,
        "description": "Run geospatial Spark jobs on Wherobots Cloud.",
        "integrations": [
            {
                "integration-name": INTEGRATION,
                "external-doc-url": "https://docs.wherobots.com/",
                "tags": ["service"],
            }
        ],
        "hooks": [{"integration-name": INTEGRATION, "python-modules": [f"{PACKAGE}.hooks.wherobots"]}],
        "operators": [{"integration-name": INTEGRATION, "python-modules": [f"{PACKAGE}.operators.run"]}],
        "triggers": [
            {
                "integration-name": INTEGRATION,
                "python-modules": [f"{PACKAGE}.triggers.run", f"{PACKAGE}.triggers.quota"],
            }
        ],
        "connection-types": [
            {"hook-class-name": f"{PACKAGE}.hooks.wherobots.WherobotsHook", **connection_form.provider_info()}
        ],
        "extra-links": [f"{PACKAGE}.links.run.WherobotsRunLink", f"{PACKAGE}.links.run.WherobotsSparkUiLink"],
        "config": config.provider_info(),
    }
