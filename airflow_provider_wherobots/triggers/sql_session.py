"""The trigger of a SQL session, by the name that an earlier state has stored."""

from airflow_provider_wherobots.triggers.sql import WherobotsSqlTrigger as WherobotsSqlSessionTrigger

__all__ = ["WherobotsSqlSessionTrigger"]
