"""The trigger of a SQL statement, by the name that an earlier state has stored."""

from airflow_provider_wherobots.triggers.sql import WherobotsSqlTrigger as WherobotsSqlStatementTrigger

__all__ = ["WherobotsSqlStatementTrigger"]
