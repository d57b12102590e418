"""The description of this provider for Airflow's provider manager."""

from __future__ import annotations

from typing import Any

from airflow_provider_wherobots import config
from airflow_provider_wherobots.api.connection import SQL_CONNECTION_TYPE
from airflow_provider_wherobots.hooks import connection_form

PACKAGE = "airflow_provider_wherobots"
INTEGRATION = "Wherobots"
MODULES = {
    "hooks": ("wherobots", "sql"),
    "operators": ("run", "sql"),
    "sensors": ("run",),
    "triggers": ("run", "quota", "sql"),
}
CONVERTER = f"{PACKAGE}.hooks.sql.table_of"
ASSETS = [{"schemes": ["wherobots"], "handler": None, "to_openlineage_converter": CONVERTER}]
LINKS = ("run.WherobotsRunLink", "run.WherobotsSparkUiLink", "run.WherobotsSqlSessionLink")


def get_provider_info() -> dict[str, Any]:
    """Describe the provider (entry point ``apache_airflow_provider``).

    :returns: a dict that fits Airflow's ``provider_info`` schema.
    """
    return {
        "package-name": "airflow-provider-wherobots",
        "name": INTEGRATION,
        "description": "Run geospatial Spark jobs and SQL on Wherobots Cloud.",
        "integrations": [
            {
                "integration-name": INTEGRATION,
                "external-doc-url": "https://docs.wherobots.com/",
                "tags": ["service"],
            }
        ],
        **{
            folder: [
                {"integration-name": INTEGRATION, "python-modules": [f"{PACKAGE}.{folder}.{name}" for name in modules]}
            ]
            for folder, modules in MODULES.items()
        },
        "connection-types": [
            {"hook-class-name": f"{PACKAGE}.hooks.wherobots.WherobotsHook", **connection_form.provider_info()},
            {
                "hook-class-name": f"{PACKAGE}.hooks.sql.WherobotsSqlHook",
                **connection_form.provider_info(SQL_CONNECTION_TYPE, connection_form.SQL_HOOK_NAME),
            },
        ],
        "task-decorators": [{"name": "wherobots", "class-name": f"{PACKAGE}.decorators.wherobots.wherobots_task"}],
        "extra-links": [f"{PACKAGE}.links.{name}" for name in LINKS],
        "asset-uris": ASSETS,
        "dataset-uris": ASSETS,  # Airflow 2.11's name.
        # Airflow before 3.2 knows no such key, and ignores it.
        "cli": [f"{PACKAGE}.cli.main.get_wherobots_cli_commands"],
        "config": config.provider_info(),
    }
