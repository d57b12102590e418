"""Arguments of earlier releases and of other operators, which a DAG may pass by mistake."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from inspect import signature
from typing import Any

from airflow_provider_wherobots.exceptions import WherobotsArgumentException

_CONNECTION = {"conn_id": "wherobots_conn_id", "poll_interval": "polling_interval"}
_FILE, _ARGS = "run_python={'uri': …} or run_jar={'uri': …}", "'args' in run_python or run_jar"
_CONFIGS, _PACKAGES = "environment={'sparkConfigs': {…}}", "environment={'dependencies': […]}"
RUN_WORDS = {
    **_CONNECTION,
    **dict.fromkeys(("application", "script", "uri"), _FILE),
    **dict.fromkeys(("application_args", "args", "arguments"), _ARGS),
    **dict.fromkeys(("java_class", "main_class", "mainClass"), "'mainClass' in run_jar"),
    **dict.fromkeys(("conf", "spark_conf", "spark_configs", "sparkConfigs"), _CONFIGS),
    **dict.fromkeys(("dependencies", "libraries", "packages", "requirements"), _PACKAGES),
    **dict.fromkeys(("poke_interval", "polling_period_seconds"), "polling_interval"),
    **dict.fromkeys(("job_name", "run_name"), "name"),
    **dict.fromkeys(("timeout", "timeoutSeconds"), "timeout_seconds"),
    **{"runPython": "run_python", "runJar": "run_jar", "wait_for_termination": "wait_for_completion"},
}
"""The argument to use instead of an argument of other operators, or of a field of the Runs API."""
SENSOR_WORDS = {**_CONNECTION, "job_id": "run_id", "job_name": "run_name", "name": "run_name"}
SQL_WORDS = {
    "conn_id": "wherobots_conn_id",
    **dict.fromkeys(("queries", "query", "sql_query", "statement", "statements"), "sql"),
    "timeout": "execution_timeout",
}


def refuse_other_words(operator: type, kwargs: Mapping[str, Any], words: Mapping[str, str]) -> None:
    """Name the argument to use, where Airflow would only report that an argument is missing or invalid."""
    for word in kwargs.keys() & words.keys():
        # A subclass may have such an argument itself. A DAG file has hundreds of tasks, and a signature is slow.
        if word in signature(operator.__init__).parameters:  # type: ignore[misc]
            continue
        raise WherobotsArgumentException(
            f"{kwargs.get('task_id')}: {word}: is not an argument of {operator.__name__}; use {words[word]}"
        )


def drop_removed_arguments(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Remove the argument that has no effect any more, with a warning.

    Source: the run operator of ``airflow-providers-wherobots`` 1.0 to 1.2.
    """
    if "xcom_push" in kwargs:
        from airflow.exceptions import AirflowProviderDeprecationWarning

        warnings.warn(
            f"{kwargs.get('task_id')}: xcom_push={kwargs['xcom_push']!r} has no effect. The run's id is always pushed "
            "as XCom 'run_id'; remove the argument",
            AirflowProviderDeprecationWarning,
            # Skips the constructor and Airflow's wrapper around it: names the line in the DAG.
            stacklevel=4,
        )
    return {key: value for key, value in kwargs.items() if key != "xcom_push"}
